"""Compare objects after removing what a diffraction pattern cannot tell: global phase, position, twin, phase ramp.

Arrays are NumPy objects of any number of axes, centred at N//2.  Nothing here looks at data or solvers,
so that every solver is judged by the same few lines.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import scipy.fft as fft
from numpy.typing import ArrayLike, NDArray

from .errors import InputError

ComplexArray = NDArray[np.complexfloating]
Shift = tuple[float, ...]

SNAP = 1e-3  # px: below this a shift counts as whole, and a roll does not blur
CLOSE = 0.95  # of the best peak on the fine grid: a candidate above it may still win after the polish


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
    x, reference = as_object("x", x), as_object("reference", reference)
    if x.shape != reference.shape:
        raise InputError(f"cannot align: x has shape {x.shape}, reference {reference.shape}; crop or pad one of them")
    if subpixel < 1:
        raise InputError(f"subpixel={subpixel} is out of range; give 1 for whole pixels, 10 for tenths")
    found = (_register_ramp if ramp else _register)(x, reference, twin, subpixel)
    if not scale or not found.correlation:
        return found
    factor = found.correlation * float(np.linalg.norm(reference)) / float(np.linalg.norm(found.object))
    return found._replace(object=(found.object * factor).astype(x.dtype), scale=factor)


def _register(x: ComplexArray, reference: ComplexArray, twin: bool, subpixel: int) -> Aligned:
    """`align` by shift, phase and twin; arrays checked."""
    norms = float(np.linalg.norm(x)) * float(np.linalg.norm(reference))
    if not norms:
        return Aligned(x.copy(), (0.0,) * x.ndim, False, 0.0, 0.0)
    far = fft.fftn(reference)
    candidates = [x, conjugate_inverse(x)] if twin else [x]
    best, shift, peak = _highest([far * np.conj(fft.fftn(c)) for c in candidates], subpixel)
    phase = float(np.angle(peak))
    aligned = translate(candidates[best], shift) * np.exp(1j * phase)
    return Aligned(aligned.astype(x.dtype), shift, bool(best), phase, min(1.0, abs(peak) / norms))


def _register_ramp(x: ComplexArray, reference: ComplexArray, twin: bool, subpixel: int) -> Aligned:
    """`align` with a ramp: shift and ramp in turn, from the better of two starts, x as it is or both without own ramps."""
    plain = _register(x, reference, twin, subpixel)
    source, target = remove_ramp(x), remove_ramp(reference)
    first = _register(source, target, twin, subpixel)
    if plain.correlation >= first.correlation:
        source, target, first = x, reference, plain
    second = _register(tilt(source, relative_ramp(first.object, target)), target, twin, subpixel)
    best = max(first, second, key=lambda found: found.correlation)
    if target is reference:
        return best
    return best._replace(object=tilt(best.object, ramp_of(reference)))


def _highest(products: Sequence[ComplexArray], subpixel: int) -> tuple[int, Shift, complex]:
    """Which product has the highest peak |c(s)|, c(s) = Σ_k product_k exp(2πi k·s)/N, with its s and c(s)."""
    if subpixel == 1:
        peaks = [(i, *_whole(product)) for i, product in enumerate(products)]
    else:
        grid = [_fine(product.astype(complex), subpixel) for product in products]
        top = max(height for _, height in grid)
        near = [i for i, (_, height) in enumerate(grid) if height >= CLOSE * top]
        peaks = [(i, *_polish(products[i].astype(complex), grid[i][0], 1 / subpixel)) for i in near]
    return max(peaks, key=lambda peak: abs(peak[2]))


def _whole(product: ComplexArray) -> tuple[Shift, complex]:
    """The peak of c on whole pixels."""
    correlation = fft.ifftn(product)
    at = np.unravel_index(np.argmax(np.abs(correlation)), correlation.shape)
    s = tuple(float(i - n if i >= (n + 1) // 2 else i) for i, n in zip(at, product.shape, strict=True))
    return s, complex(correlation[at])


def _fine(product: ComplexArray, subpixel: int) -> tuple[NDArray[np.float64], float]:
    """The peak of |c| on a grid of 1/`subpixel` px around the best whole pixel, and its height."""
    s = np.array(_whole(product)[0])
    reach = _reach(subpixel)
    waves = [_fractions(n, subpixel) * np.exp(_ik(n)[1] * i) for i, n in zip(s, product.shape, strict=True)]
    window = np.abs(_contract(product, waves))
    at = np.unravel_index(np.argmax(window), window.shape)
    return s + reach[list(at)], float(window[at])


def _polish(product: ComplexArray, s: NDArray[np.float64], reach: float) -> tuple[Shift, complex]:
    """Newton steps on |c(s)|² from the derivatives of c, never further than `reach` (px) from the start."""
    start, axes = s, range(s.size)
    for _ in range(3):
        jet = _jet(product, s)
        order = np.eye(s.size, dtype=int)
        c, c_j = jet[(0,) * s.size], np.array([jet[tuple(order[j])] for j in axes])
        c_jk = np.array([[jet[tuple(order[j] + order[k])] for k in axes] for j in axes])
        slope = np.real(np.conj(c) * c_j)
        curvature = np.real(np.outer(np.conj(c_j), c_j) + np.conj(c) * c_jk)
        if np.linalg.eigvalsh(curvature)[-1] >= 0:
            break
        s = np.clip(s - np.linalg.solve(curvature, slope), start - reach, start + reach)
    s = np.where(np.abs(s - np.rint(s)) < SNAP, np.rint(s), s)
    s += 0.0  # no −0
    return tuple(s.tolist()), complex(_jet(product, s)[(0,) * s.size])


def _jet(product: ComplexArray, s: NDArray[np.float64]) -> ComplexArray:
    """c and its derivatives at s: entry [a, b, …] is ∂ᵃ/∂s₀ᵃ ∂ᵇ/∂s₁ᵇ … c, up to second order an axis."""
    waves = [_ik(n) * np.exp(_ik(n)[1] * s_j) for s_j, n in zip(s, product.shape, strict=True)]
    return _contract(product, waves)


@lru_cache(maxsize=32)
def _ik(n: int) -> ComplexArray:
    """(2πi k)^p for p = 0, 1, 2 over the n frequencies of an axis, (3, n)."""
    return (2j * np.pi * fft.fftfreq(n)) ** np.arange(3)[:, None]


def _reach(subpixel: int) -> NDArray[np.float64]:
    """The steps of 1/`subpixel` px in the 1.5 px that Guizar-Sicairos et al. look at."""
    return np.arange(-(3 * subpixel // 4), 3 * subpixel // 4 + 1) / subpixel


@lru_cache(maxsize=32)
def _fractions(n: int, subpixel: int) -> ComplexArray:
    """exp(2πi k s) for the steps s and the n frequencies k of an axis, (steps, n)."""
    return np.exp(np.outer(_reach(subpixel), _ik(n)[1]))


def _contract(product: ComplexArray, waves: Sequence[ComplexArray]) -> ComplexArray:
    """Inverse DFT with one small matrix (points, N) an axis instead of the full transform."""
    shape = [len(wave) for wave in waves]
    for wave in waves:  # takes the first axis, appends the new one
        product = product.reshape(wave.shape[1], -1).T @ wave.T
    return product.reshape(shape) / math.prod(wave.shape[1] for wave in waves)


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
    """Whole pixels by which to roll x (*shape) so that its centre of mass, on the torus, is at N//2."""
    weight = np.abs(x) ** 2
    shift = []
    for axis, n in enumerate(x.shape):
        line = weight.sum(axis=tuple(a for a in range(x.ndim) if a != axis), dtype=float)
        angle = np.angle(np.sum(line * np.exp(2j * np.pi * np.arange(n) / n)))
        shift.append((2 * (n // 2) - round(angle * n / (2 * np.pi))) % n - n // 2)
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
    _, pixels, _ = _highest([fft.ifftshift(overlap)], 10)
    return 2 * np.pi * np.array(pixels) / overlap.shape


def complex_correlation(a: ArrayLike, b: ArrayLike) -> float:
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


def _along(values: NDArray, axis: int, ndim: int) -> NDArray:
    return values.reshape([-1 if a == axis else 1 for a in range(ndim)])


def as_object(name: str, x: ArrayLike) -> ComplexArray:
    """`x` as a complex array of its precision.  Raises InputError, which names it, when a value is not finite."""
    x = np.asarray(x)
    if not np.all(np.isfinite(x)):
        raise InputError(f"{name} holds NaN or infinity; leave failed starts out before comparing")
    return x.astype(np.result_type(x.dtype, np.complex64), copy=False)
