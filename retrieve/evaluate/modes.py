"""What aligned estimates share and in what they differ: modes of the amplitude and of the phase.

Both decompose a stack (N, *shape) of samples that lie on each other (see `retrieve.evaluate.ensemble.align_all`),
as Lee, Yu, Lin, Yoo & Robinson 2026 do with the samples of a diffusion model.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError
from ..numerics.alignment import ramp_of, tilt
from ..numerics.grids import SHOWN, crop_to
from .ensemble import common_mode
from .metrics import unit_phasor


class Modes(NamedTuple):
    """A decomposition into k modes, the strongest first.

    modes: (k, *shape), amplitudes of unit norm, or phases in rad with NaN outside the mask.
    weights: (N, k), of each mode in each sample.
    fractions: (k,), their shares; of what, the decomposition says.
    explained: share of the stack's energy in all k together, 0 to 1.
    mean: (*shape), the average amplitude or the circular mean of the phase.
    """

    modes: NDArray[np.float64]
    weights: NDArray[np.float64]
    fractions: NDArray[np.float64]
    explained: float
    mean: NDArray[np.float64]


class SharedModes(NamedTuple):
    """What a stack of aligned samples shares, in the box around their common mode.

    stack: complex (N, *box), without the common mode's phase ramp and offset.  origin: index of N//2 on each axis.
    inside: bool (*box), where the mean amplitude exceeds a tenth of its maximum.  amplitude, phase: modes.
    spread: (*box), standard deviation of the amplitude.  phase_spread: (*box), 1 − |mean of exp(iφ)|, NaN outside.
    common: share of the energy in the leading complex mode.
    """

    stack: NDArray[np.complexfloating]
    origin: list[int]
    inside: NDArray[np.bool_]
    amplitude: Modes
    phase: Modes
    spread: NDArray[np.float64]
    phase_spread: NDArray[np.float64]
    common: float


def shared_modes(aligned: NDArray[np.complexfloating], k: int = 2) -> SharedModes:
    """Modes and spread of aligned samples (N, *shape), their common centre of mass at N//2.

    Raises InputError as `nmf` and `circular_svd` do.
    """
    mode, share = common_mode(aligned)
    gradient = -ramp_of(mode)
    crop = crop_to(mode, None)
    origin = [n // 2 - cut.start for n, cut in zip(mode.shape, crop, strict=True)]
    flat = tilt(mode, gradient)
    turn = np.exp(-1j * np.angle(np.sum(flat * np.abs(flat))))
    stack = np.stack([(tilt(x, gradient) * turn)[crop] for x in aligned])
    mean = np.abs(stack).mean(axis=0)
    inside = mean > SHOWN * mean.max()
    spread = np.abs(stack).std(axis=0, ddof=1)
    turning = np.where(inside, 1 - np.abs(unit_phasor(stack).mean(axis=0)), np.nan)
    return SharedModes(stack, origin, inside, nmf(stack, k), circular_svd(stack, inside, k), spread, turning, share)


def nmf(amplitudes: ArrayLike, k: int = 2, seed: int = 0) -> Modes:
    """Non-negative modes of the amplitude: X ≈ W H with W, H ≥ 0, samples as the rows of X (eq. 11).

    amplitudes: non-negative or complex (N, *shape), of which the moduli are taken.  seed: of the start.
    fractions: ‖w_j‖²‖h_j‖² over their sum, the energy that each mode brings to the reconstruction; they
    add up to 1.  explained: 1 − ‖X − WH‖²/‖X‖².  Starts from the singular vectors' positive parts and
    descends by coordinates (Lee & Seung 1999; Boutsidis & Gallopoulos 2008; Cichocki & Phan 2009).  The
    factors are unique where each mode is absent from some sample and from some pixel; else a part of one
    can pass to the other, and the fractions with it, while `explained` stays.

    Raises InputError for fewer than k samples, negative amplitudes, NaN, or nothing but zeros.
    """
    from sklearn.decomposition import NMF  # type: ignore[import-untyped]
    from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]

    stack = _samples("amplitudes", amplitudes, k)
    if np.isrealobj(stack) and (stack < 0).any():
        raise InputError(f"amplitudes has {int((stack < 0).sum())} negative values; give moduli, or the complex estimates")
    x = np.abs(stack).reshape(len(stack), -1).astype(float)
    power = np.sum(x**2)
    if not power:
        raise InputError("amplitudes is zero everywhere; there is nothing to decompose")
    scale = np.sqrt(power / len(x))  # the solver's tolerance is absolute
    model = NMF(k, init="nndsvd", random_state=seed, max_iter=2000, tol=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the last digits, along a valley of equal fits
        w = model.fit_transform(x / scale) * scale
    h = model.components_
    explained = 1 - np.sum((x - w @ h) ** 2) / power
    norms = np.linalg.norm(h, axis=1)
    weights = w * norms
    energy = np.sum(weights**2, axis=0)
    order = np.argsort(-energy, kind="stable")
    modes = (h / np.where(norms > 0, norms, 1)[:, None])[order]
    mean = x.mean(axis=0).reshape(stack.shape[1:])
    return Modes(modes.reshape(k, *stack.shape[1:]), weights[:, order], energy[order] / energy.sum(), float(explained), mean)


def circular_svd(phases: ArrayLike, mask: ArrayLike | None = None, k: int = 2) -> Modes:
    """Modes of the phase, which is periodic (eq. 12).

    phases: rad, or the complex estimates themselves, (N, *shape).  mask: bool (*shape), everywhere if None.

    Z = exp(iφ) is centred by the circular mean μ of each pixel, Z_c = Z/μ, and [Re Z_c, Im Z_c] = U Σ Vᵀ.
    Mode k is Arg(μ Σ_i u_ik Z_c,i), its sign the one that makes the largest u_ik positive.  As μ is divided
    out and no mean subtracted, the first mode is close to the mean phase.
    fractions: σ_k²/Σσ², shares of all variance, so that they add up to `explained`.  weights: U Σ.

    Raises InputError for fewer than k samples, a mask of another shape or without pixels, or NaN inside it.
    """
    stack = np.asarray(phases)
    inside = np.ones(stack.shape[1:], bool) if mask is None else np.asarray(mask, bool)
    if inside.shape != stack.shape[1:]:
        raise InputError(f"mask has shape {inside.shape}, the samples {stack.shape[1:]}; they must agree")
    if not inside.any():
        raise InputError("mask has no pixel; there is no phase to decompose")
    z = _samples("phases", stack[:, inside], k)
    z = unit_phasor(z).astype(complex) if np.iscomplexobj(z) else np.exp(1j * z.astype(float))
    mean = unit_phasor(z.mean(axis=0))
    mean[mean == 0] = 1  # phases that cancel have no mean; any will do
    z_c = z * np.conj(mean)
    energy, u = np.linalg.eigh((z_c @ np.conj(z_c).T).real)  # of the embedding: U Σ² Uᵀ, small where Vᵀ is not
    energy, u = energy[::-1].clip(0), u[:, ::-1][:, :k]
    if not energy[0]:
        raise InputError("phases come from estimates that are zero inside the mask; there is no phase to decompose")
    u = u * np.sign(u[np.abs(u).argmax(axis=0), range(k)])
    fractions = energy[:k] / energy.sum()
    angles = np.angle(np.stack([*(mean * (u.T @ z_c)), mean]))
    maps = np.full((k + 1, *inside.shape), np.nan)
    maps[:, inside] = angles
    return Modes(maps[:k], u * np.sqrt(energy[:k]), fractions, float(fractions.sum()), maps[k])


def _samples(name: str, stack: ArrayLike, k: int) -> NDArray:
    stack = np.asarray(stack)
    if stack.ndim < 2 or not 1 <= k <= min(len(stack), stack[0].size):
        raise InputError(f"k={k} modes of {name} of shape {stack.shape}; give 1 to as many as there are samples (N, *shape)")
    bad = ~np.isfinite(stack).reshape(len(stack), -1).all(axis=1)
    if bad.any():
        raise InputError(f"{name} holds NaN or infinity in samples {np.flatnonzero(bad)}; leave failed starts out")
    return stack
