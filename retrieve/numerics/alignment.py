"""Compare objects after removing what a diffraction pattern cannot tell: global phase, position, twin, phase ramp.

Arrays are NumPy objects of any number of axes, centred at N//2.  Nothing here looks at data or solvers,
so that every solver is judged by the same few lines.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np
import scipy.fft as fft
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError
from .registration import MANY, PeakSearch

ComplexArray = NDArray[np.complexfloating]
Shift = tuple[float, ...]

POINTS_AT_ONCE = 1 << 17  # of so many at once a stack is aligned


class Aligned(NamedTuple):
    """An object brought onto a reference.

    object: complex (*shape), the aligned copy.
    shift: px per axis by which it was moved, after inversion if `twin`.
    twin: whether it was inverted and conjugated.
    phase: rad, the global phase it was multiplied by.
    correlation: |⟨x,t⟩|/(‖x‖‖t‖) of the aligned copy with the reference, 0 to 1.
    scale: the positive factor it was multiplied by, 1 unless asked for.
    """

    object: ComplexArray
    shift: Shift
    twin: bool
    phase: float
    correlation: float
    scale: float = 1.0


class AlignedStack(NamedTuple):
    """A stack brought onto one reference: `Aligned` without its scale, each field with a first axis (n,)."""

    objects: ComplexArray
    shifts: NDArray[np.float64]
    twins: NDArray[np.bool_]
    phases: NDArray[np.float64]
    correlations: NDArray[np.float64]

    def part(self, some: slice) -> AlignedStack:
        """A view of some of it."""
        return AlignedStack(self.objects[some], self.shifts[some], self.twins[some], self.phases[some], self.correlations[some])


def align(
    x: ArrayLike, reference: ArrayLike, *, twin: bool = True, subpixel: int = 10, ramp: bool = False, scale: bool = False
) -> Aligned:
    """Bring `x` onto `reference` by shift, global phase and, if allowed, conjugate inversion.

    The peak modulus of the complex cross-correlation decides.  It is found to a whole pixel by FFT, to
    1/`subpixel` by a matrix-multiply DFT around the peak (Guizar-Sicairos, Thurman & Fienup 2008, Opt.
    Lett. 33, 156) and then polished by Newton steps.  `subpixel=1` stays at whole pixels and moves by an
    exact roll.  `ramp=True` also removes a phase ramp of x against the reference, as fits measured data
    whose centre is known to a pixel or so; the copy gets the reference's own ramp, and its correlation is
    never below that without.  `scale=True` also multiplies by the s > 0 that minimises ‖s·x − reference‖.

    x, reference: complex or real (*shape).  Raises InputError when shapes differ or a value is not finite.
    """
    x, reference = _checked(x, reference, subpixel, 0)
    found = (_register_ramp if ramp else _register_one)(x, reference, twin, subpixel)
    if not scale or not found.correlation:
        return found
    factor = found.correlation * float(np.linalg.norm(reference)) / float(np.linalg.norm(found.object))
    return found._replace(object=(found.object * factor).astype(x.dtype), scale=factor)


def align_stack(stack: ArrayLike, reference: ArrayLike, *, twin: bool = True, subpixel: int = 10) -> AlignedStack:
    """`align` of each of a stack (n, *shape) to one reference (*shape), together: about as it is one by one, and sooner.

    Raises InputError when shapes differ or a value is not finite.
    """
    stack, reference = _checked(stack, reference, subpixel, 1)
    n, axes, shape = len(stack), reference.ndim, reference.shape
    found = AlignedStack(np.empty_like(stack), np.zeros((n, axes)), np.zeros(n, bool), np.zeros(n), np.zeros(n))
    search, size = PeakSearch(subpixel, n >= MANY), max(1, POINTS_AT_ONCE // max(1, reference.size))
    far = search.transform(reference[None])[0] * reference.real.dtype.type(math.sqrt(reference.size))
    turn = _waves([2 * (n // 2) for n in shape], shape).astype(far.dtype) if twin else None
    norm = float(np.linalg.norm(reference))
    for k in range(0, n, size):
        _register(stack[k : k + size], far, turn, norm, search, found.part(slice(k, k + size)))
    return found


def _checked(x: ArrayLike, reference: ArrayLike, subpixel: int, first: int) -> tuple[ComplexArray, ComplexArray]:
    """The two as complex arrays, x with `first` axes more than the reference's."""
    x, reference = as_object("x", x), as_object("reference", reference)
    if x.shape[first:] != reference.shape:
        shape = x.shape[first:]
        raise InputError(f"cannot align: x has shape {shape}, reference {reference.shape}; crop or pad one of them")
    if subpixel < 1:
        raise InputError(f"subpixel={subpixel} is out of range; give 1 for whole pixels, 10 for tenths")
    return x, reference


def _register(
    x: ComplexArray, far: ComplexArray, turn: ComplexArray | None, norm: float, search: PeakSearch, to: AlignedStack
) -> None:
    """The stack x (n, *shape) by shift, phase and, with `turn`, twin, into `to`.

    far: the reference's spectrum times √N; norm: ‖reference‖.  A twin's spectrum is the conjugate one times conj `turn`.
    """
    shape, f = far.shape, search.transform(x)
    which, to.shifts[:], peak = search.highest([far * np.conj(f)] if turn is None else [far * np.conj(f), f * (far * turn)])
    norms = np.array([float(np.linalg.norm(one)) for one in x]) * norm
    empty = norms == 0
    which[empty], to.shifts[empty], peak[empty], norms[empty] = 0, 0, 0, 1
    to.twins[:], to.phases[:], to.correlations[:] = which == 1, np.angle(peak), np.minimum(1.0, np.abs(peak) / norms)
    fractions = (to.shifts != np.rint(to.shifts)).any(axis=1)
    for k in np.flatnonzero(~fractions):
        one = conjugate_inverse(x[k]) if to.twins[k] else x[k]
        to.objects[k] = translate(one, to.shifts[k]) * np.exp(1j * to.phases[k])
    if turn is not None:
        f[to.twins] = np.conj(f[to.twins] * turn)
    if fractions.any():
        moved, lead = f[fractions], np.exp(1j * to.phases[fractions, None])
        for axis, n in enumerate(shape):
            lines = lead * np.exp(-2j * np.pi * np.outer(to.shifts[fractions, axis], fft.fftfreq(n)))
            moved *= lines.reshape(-1, *(n if a == axis else 1 for a in range(len(shape)))).astype(f.dtype)
            lead = np.ones(1)
        to.objects[fractions] = search.inverse(moved)


def _register_one(x: ComplexArray, reference: ComplexArray, twin: bool, subpixel: int) -> Aligned:
    """`align` without a ramp."""
    x, shift, inverted, phase, correlation = (one[0] for one in align_stack(x[None], reference, twin=twin, subpixel=subpixel))
    return Aligned(x, tuple(shift.tolist()), bool(inverted), float(phase), float(correlation))


def _register_ramp(x: ComplexArray, reference: ComplexArray, twin: bool, subpixel: int) -> Aligned:
    """`align` with a ramp: shift and ramp in turn, from the better of two starts, x as it is or both without own ramps."""
    plain = _register_one(x, reference, twin, subpixel)
    source, target = remove_ramp(x), remove_ramp(reference)
    first = _register_one(source, target, twin, subpixel)
    if plain.correlation >= first.correlation:
        source, target, first = x, reference, plain
    second = _register_one(tilt(source, relative_ramp(first.object, target)), target, twin, subpixel)
    best = max(first, second, key=lambda found: found.correlation)
    if target is reference:
        return best
    return best._replace(object=tilt(best.object, ramp_of(reference)))


def translate(x: ComplexArray, shift: Sequence[float]) -> ComplexArray:
    """Move `x` (*shape) by `shift` px per axis, around the edges: whole px by a roll, exactly, else by a Fourier ramp."""
    if all(float(s).is_integer() for s in shift):
        return np.roll(x, [int(s) for s in shift], axis=range(x.ndim))
    far = fft.fftn(x)
    for axis, (s, n) in enumerate(zip(shift, x.shape, strict=True)):
        far *= _along(np.exp(-2j * np.pi * fft.fftfreq(n) * s), axis, x.ndim)
    return fft.ifftn(far)


def conjugate_inverse(x: ComplexArray) -> ComplexArray:
    """The twin of `x` (*shape): conjugated and inverted about N//2, which has the same diffraction pattern."""
    even = [axis for axis, n in enumerate(x.shape) if n % 2 == 0]
    return np.roll(np.conj(np.flip(x)), 1, axis=even)  # flip alone inverts about (N-1)/2


def shift_to_centre(x: NDArray) -> tuple[int, ...]:
    """Whole pixels by which to roll x (*shape) so that its centre of mass, on the torus, is at N//2; none of an empty one."""
    weight = np.abs(x) ** 2
    shift = []
    for axis, n in enumerate(x.shape):
        line = weight.sum(axis=tuple(a for a in range(x.ndim) if a != axis), dtype=float)
        angle = np.angle(np.sum(line * np.exp(2j * np.pi * np.arange(n) / n)))
        shift.append((2 * (n // 2) - round(angle * n / (2 * np.pi))) % n - n // 2 if line.any() else 0)
    return tuple(shift)


def ramp_of(x: ArrayLike) -> NDArray[np.float64]:
    """The mean phase gradient of `x` (*shape) per axis, rad/px, weighted by amplitude.

    angle Σ x[n+1] conj x[n] is the circular centre of mass of the far-field intensity (by the
    autocorrelation theorem), so it needs neither unwrapping nor a support and is 0 for an empty array.
    """
    x = np.asarray(x)
    return np.array([np.angle(np.vdot(x, np.roll(x, -1, axis))) for axis in range(x.ndim)])


def tilt(x: ArrayLike, gradient: ArrayLike) -> ComplexArray:
    """Multiply `x` (*shape) by a phase ramp of `gradient` rad/px per axis that is 0 at N//2."""
    x = np.array(x, dtype=np.result_type(np.asarray(x).dtype, np.complex64))
    for axis, (g, n) in enumerate(zip(np.asarray(gradient), x.shape, strict=True)):
        x *= _along(np.exp(1j * g * (np.arange(n) - n // 2)), axis, x.ndim)
    return x


def remove_ramp(x: ArrayLike) -> ComplexArray:
    """Take the phase ramp out of `x` (*shape): its far field's centre of mass moves to zero frequency."""
    return tilt(x, -ramp_of(x))


def relative_ramp(x: ArrayLike, reference: ArrayLike) -> NDArray[np.float64]:
    """The phase ramp, rad/px per axis, that brings aligned `x` (*shape) best onto `reference`.

    Registration with real space and detector exchanged: the g that maximises |Σ x·conj(reference)·exp(i g·r)|.
    The two objects' own ramps (`ramp_of`) differ by their noise; this does not.
    """
    overlap = np.asarray(x) * np.conj(np.asarray(reference))
    _, pixels, _ = PeakSearch(10).highest([fft.ifftshift(overlap)[None]])
    return 2 * np.pi * pixels[0] / overlap.shape


def correlation(a: ArrayLike, b: ArrayLike) -> float:
    """|⟨a,b⟩|/(‖a‖‖b‖), 0 to 1, of two arrays of one shape as they lie; 0 when either is empty of signal."""
    a, b = np.asarray(a), np.asarray(b)
    norms = float(np.linalg.norm(a)) * float(np.linalg.norm(b))
    return min(1.0, float(np.abs(np.vdot(a, b))) / norms) if norms else 0.0


def pearson(a: ArrayLike, b: ArrayLike) -> float:
    """Pearson correlation, −1 to 1, of the amplitudes of two arrays of one shape; 0 when either is flat."""
    u, v = (np.abs(np.asarray(array)).astype(float).ravel() for array in (a, b))
    u, v = u - u.mean(), v - v.mean()
    norms = float(np.linalg.norm(u)) * float(np.linalg.norm(v))
    return max(-1.0, min(1.0, float(u @ v) / norms)) if norms else 0.0


def _waves(s: Sequence[float], shape: Sequence[int]) -> ComplexArray:
    """exp(2πi k·s) over the frequencies k of an array (*shape)."""
    lines = [np.exp(2j * np.pi * fft.fftfreq(n) * s_j) for s_j, n in zip(s, shape, strict=True)]
    return np.asarray(reduce(np.multiply.outer, lines))


def _along(values: NDArray, axis: int, ndim: int) -> NDArray:
    return values.reshape([-1 if a == axis else 1 for a in range(ndim)])


def as_object(name: str, x: ArrayLike) -> ComplexArray:
    """`x` as a complex array of its precision.  Raises InputError, which names it, when a value is not finite."""
    x = np.asarray(x)
    if not np.all(np.isfinite(x)):
        raise InputError(f"{name} holds NaN or infinity; leave failed starts out before comparing")
    return x.astype(np.result_type(x.dtype, np.complex64), copy=False)
