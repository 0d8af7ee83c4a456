"""Alignment of objects: global phase, position, twin and phase ramp, which a diffraction pattern does not determine.

Objects are NumPy arrays of any number of axes, centred at N//2. Nothing here sees data or solvers, so that every solver is
compared by the same few lines.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.fft as fft
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError
from .registration import MANY, PeakSearch

ComplexArray = NDArray[np.complexfloating]
Shift = tuple[float, ...]

POINTS_AT_ONCE = 1 << 17
"""Points of the part of a stack that is aligned at once."""
ALIGNMENT_TRANSFORMS = 3  # for one object by whole pixels: its own, and the correlations with the reference and its twin


class Aligned(NamedTuple):
    """An object that `align` brought onto a reference.

    Attributes
    ----------
    object : ndarray
        complex (*shape), the aligned copy.
    shift : tuple of float
        How far it was moved along each axis, pixels, after the inversion of a twin.
    twin : bool
        Whether it was conjugated and inverted.
    phase : float
        Global phase that it was multiplied by, rad.
    correlation : float
        |⟨x, t⟩|/(‖x‖‖t‖) of the aligned copy and the reference, 0 to 1.
    scale : float
        Positive factor that it was multiplied by; 1 unless asked for.
    """

    object: ComplexArray
    shift: Shift
    twin: bool
    phase: float
    correlation: float
    scale: float = 1.0


class AlignedStack(NamedTuple):
    """A stack that `align_stack` brought onto one reference: the fields of `Aligned`, each with a first axis (n,)."""

    objects: ComplexArray
    shifts: NDArray[np.float64]
    twins: NDArray[np.bool_]
    phases: NDArray[np.float64]
    correlations: NDArray[np.float64]

    def part(self, some: slice) -> AlignedStack:
        """A view of these elements."""
        return AlignedStack(self.objects[some], self.shifts[some], self.twins[some], self.phases[some], self.correlations[some])


def align(
    x: ArrayLike, reference: ArrayLike, *, twin: bool = True, subpixel: int = 10, ramp: bool = False, scale: bool = False
) -> Aligned:
    """Bring an object onto a reference by shift, global phase and, if allowed, conjugate inversion.

    The peak modulus of the complex cross-correlation decides. It is found to a whole pixel by FFT, to 1/`subpixel` by a
    matrix-multiply DFT around that pixel, and then by Newton steps.

    Parameters
    ----------
    x, reference : array_like
        Real or complex (*shape).
    twin : bool
        Allow conjugate inversion.
    subpixel : int
        Steps per pixel. 1 stays at whole pixels and moves x by an exact roll.
    ramp : bool
        Also remove a phase ramp of x against the reference, as a pattern has whose centre is known to a pixel or so. The
        correlation is never below that without.
    scale : bool
        Also multiply by the s > 0 that minimises ‖s·x − reference‖.

    Returns
    -------
    Aligned
        The aligned copy and what was done to it.

    Raises
    ------
    InputError
        If shapes differ or a value is not finite.

    References
    ----------
    Guizar-Sicairos, Thurman & Fienup, Opt. Lett. 33, 156 (2008).
    """
    x, reference = _checked(x, reference, subpixel, 0)
    found = (_register_ramp if ramp else _register_one)(x, reference, twin, subpixel)
    if not scale or not found.correlation:
        return found
    factor = found.correlation * float(np.linalg.norm(reference)) / float(np.linalg.norm(found.object))
    return found._replace(object=(found.object * factor).astype(x.dtype), scale=factor)


def align_stack(stack: ArrayLike, reference: ArrayLike, *, twin: bool = True, subpixel: int = 10) -> AlignedStack:
    """Bring each object of a stack onto one reference, as `align` does one by one, faster.

    Parameters
    ----------
    stack : array_like
        Real or complex (n, *shape).
    reference : array_like
        Real or complex (*shape).
    twin : bool
        Allow conjugate inversion.
    subpixel : int
        Steps per pixel.

    Returns
    -------
    AlignedStack
        The fields of `Aligned`, each with a first axis (n,).

    Raises
    ------
    InputError
        If shapes differ or a value is not finite.
    """
    stack, reference = _checked(stack, reference, subpixel, 1)
    n, axes = len(stack), reference.ndim
    found = AlignedStack(np.empty_like(stack), np.zeros((n, axes)), np.zeros(n, bool), np.zeros(n), np.zeros(n))
    search, size = PeakSearch(subpixel, n >= MANY), max(1, POINTS_AT_ONCE // max(1, reference.size))
    far = search.transform(reference[None])[0]
    far *= reference.real.dtype.type(math.sqrt(reference.size))
    norm = float(np.linalg.norm(reference))
    for k in range(0, n, size):
        _register(stack[k : k + size], far, twin, norm, search, found.part(slice(k, k + size)))
    return found


def _checked(x: ArrayLike, reference: ArrayLike, subpixel: int, first: int) -> tuple[ComplexArray, ComplexArray]:
    """Both as complex arrays; x has `first` more axes than the reference."""
    x, reference = as_object("x", x), as_object("reference", reference)
    if x.shape[first:] != reference.shape:
        shape = x.shape[first:]
        raise InputError(f"cannot align: x has shape {shape}, reference {reference.shape}; crop or pad one of them")
    if subpixel < 1:
        raise InputError(f"subpixel={subpixel} is out of range; give 1 for whole pixels, 10 for tenths")
    return x, reference


def _register(x: ComplexArray, far: ComplexArray, twin: bool, norm: float, search: PeakSearch, to: AlignedStack) -> None:
    """Align the stack x (n, *shape) into `to`.

    far: the reference's spectrum times √N. twin: whether twins are allowed. norm: ‖reference‖.
    """
    shape, f = far.shape, search.transform(x)
    products = [far * np.conj(f), *([_turned(f * far)] if twin else [])]
    which, to.shifts[:], peak = search.highest(products)
    del products
    norms = np.array([float(np.linalg.norm(one)) for one in x]) * norm
    empty = norms == 0
    which[empty], to.shifts[empty], peak[empty], norms[empty] = 0, 0, 0, 1
    to.twins[:], to.phases[:], to.correlations[:] = which == 1, np.angle(peak), np.minimum(1.0, np.abs(peak) / norms)
    fractions = (to.shifts != np.rint(to.shifts)).any(axis=1)
    for k in np.flatnonzero(~fractions):
        one = conjugate_inverse(x[k]) if to.twins[k] else x[k]
        to.objects[k] = translate(one, to.shifts[k]) * np.exp(1j * to.phases[k])
    f[to.twins] = np.conj(_turned(f[to.twins]))
    if fractions.any():
        moved, lead = f if fractions.all() else f[fractions], np.exp(1j * to.phases[fractions, None])
        for axis, n in enumerate(shape):
            lines = lead * np.exp(-2j * np.pi * np.outer(to.shifts[fractions, axis], fft.fftfreq(n)))
            moved *= lines.reshape(-1, *(n if a == axis else 1 for a in range(len(shape)))).astype(f.dtype)
            lead = np.ones(1)
        to.objects[fractions] = search.inverse(moved)


def _turned(f: ComplexArray) -> ComplexArray:
    """A stack of spectra (n, *shape), in place, moved by 2·(N//2) along each axis: a twin's spectrum is its conjugate."""
    for axis, n in enumerate(f.shape[1:], start=1):
        if n % 2:  # else the move is by the whole period
            f *= _along(np.exp(2j * np.pi * fft.fftfreq(n) * (n - 1)), axis, f.ndim).astype(f.dtype)
    return f


def _register_one(x: ComplexArray, reference: ComplexArray, twin: bool, subpixel: int) -> Aligned:
    """`align` without a ramp."""
    x, shift, inverted, phase, correlation = (one[0] for one in align_stack(x[None], reference, twin=twin, subpixel=subpixel))
    return Aligned(x, tuple(shift.tolist()), bool(inverted), float(phase), float(correlation))


def _register_ramp(x: ComplexArray, reference: ComplexArray, twin: bool, subpixel: int) -> Aligned:
    """`align` with a ramp: shift, ramp, shift. It begins with x as it is or with both ramps removed, whichever fits better."""
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
    """Move x (*shape) periodically by `shift` pixels along each axis: by a roll if all are whole, else by a Fourier ramp."""
    if all(float(s).is_integer() for s in shift):
        return np.roll(x, [int(s) for s in shift], axis=range(x.ndim))
    far = fft.fftn(x)
    for axis, (s, n) in enumerate(zip(shift, x.shape, strict=True)):
        far *= _along(np.exp(-2j * np.pi * fft.fftfreq(n) * s), axis, x.ndim)
    return fft.ifftn(far)


def conjugate_inverse(x: ComplexArray) -> ComplexArray:
    """The twin of x (*shape): conjugated and inverted about N//2. It has the same diffraction pattern."""
    even = [axis for axis, n in enumerate(x.shape) if n % 2 == 0]
    return np.roll(np.conj(np.flip(x)), 1, axis=even)  # flip alone inverts about (N-1)/2


def shift_to_centre(x: NDArray) -> tuple[int, ...]:
    """Whole pixels by which to roll x (*shape) so that its periodic centre of mass lies at N//2; 0 for an empty array."""
    weight = np.abs(x) ** 2
    shift = []
    for axis, n in enumerate(x.shape):
        line = weight.sum(axis=tuple(a for a in range(x.ndim) if a != axis), dtype=float)
        angle = np.angle(np.sum(line * np.exp(2j * np.pi * np.arange(n) / n)))
        shift.append((2 * (n // 2) - round(angle * n / (2 * np.pi))) % n - n // 2 if line.any() else 0)
    return tuple(shift)


def ramp_of(x: ArrayLike) -> NDArray[np.float64]:
    """The mean phase gradient of x (*shape) along each axis, rad per pixel, weighted by amplitude.

    It is angle Σ x[n+1] conj(x[n]), the circular centre of mass of the far-field intensity. So it needs neither unwrapping nor a
    support, and is 0 for an empty array.
    """
    x = np.asarray(x)
    return np.array([np.angle(np.vdot(x, np.roll(x, -1, axis))) for axis in range(x.ndim)])


def tilt(x: ArrayLike, gradient: ArrayLike) -> ComplexArray:
    """x (*shape) times a phase ramp of `gradient` rad per pixel along each axis, which is 0 at N//2."""
    x = np.array(x, dtype=np.result_type(np.asarray(x).dtype, np.complex64))
    for axis, (g, n) in enumerate(zip(np.asarray(gradient), x.shape, strict=True)):
        x *= _along(np.exp(1j * g * (np.arange(n) - n // 2)), axis, x.ndim)
    return x


def remove_ramp(x: ArrayLike) -> ComplexArray:
    """x (*shape) without its phase ramp: the centre of mass of its far field moves to zero frequency."""
    return tilt(x, -ramp_of(x))


def relative_ramp(x: ArrayLike, reference: ArrayLike) -> NDArray[np.float64]:
    """The phase ramp, rad per pixel along each axis, that brings aligned x (*shape) best onto `reference`.

    It is the g that maximises |Σ x·conj(reference)·exp(i g·r)|, a registration with real space and detector exchanged. The
    difference of both objects' own ramps (`ramp_of`) would suffer from their noise.
    """
    overlap = np.asarray(x) * np.conj(np.asarray(reference))
    _, pixels, _ = PeakSearch(10).highest([fft.ifftshift(overlap)[None]])
    return 2 * np.pi * pixels[0] / overlap.shape


def correlation(a: ArrayLike, b: ArrayLike) -> float:
    """|⟨a, b⟩|/(‖a‖‖b‖), 0 to 1, of two arrays of one shape without alignment; 0 if either is zero."""
    a, b = np.asarray(a), np.asarray(b)
    norms = float(np.linalg.norm(a)) * float(np.linalg.norm(b))
    return min(1.0, float(np.abs(np.vdot(a, b))) / norms) if norms else 0.0


def pearson(a: ArrayLike, b: ArrayLike) -> float:
    """Pearson correlation, −1 to 1, of the amplitudes of two arrays of one shape; 0 if either is flat."""
    u, v = (np.abs(np.asarray(array)).astype(float).ravel() for array in (a, b))
    u, v = u - u.mean(), v - v.mean()
    norms = float(np.linalg.norm(u)) * float(np.linalg.norm(v))
    return max(-1.0, min(1.0, float(u @ v) / norms)) if norms else 0.0


def _along(values: NDArray, axis: int, ndim: int) -> NDArray:
    return values.reshape([-1 if a == axis else 1 for a in range(ndim)])


def as_object(name: str, x: ArrayLike) -> ComplexArray:
    """x as a complex array of its precision. Raises InputError, with the name, if a value is not finite."""
    x = np.asarray(x)
    if not np.all(np.isfinite(x)):
        raise InputError(f"{name} holds NaN or infinity; leave failed starts out before comparing")
    return x.astype(np.result_type(x.dtype, np.complex64), copy=False)
