"""The figures behind a verdict, all without a truth: how the starts agree, and how the chosen one explains the data."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy

from ..io.result import Result
from ..numerics.alignment import pearson
from ..numerics.arrays import like, to_numpy
from ..numerics.grids import shell_index, sums_over
from ..numerics.stacks import align_all
from ..operators import PartialCoherence
from ..problem.autocorrelation import asymmetry, may_be_real, widths
from ..problem.hot_pixels import hot_pixels
from ..problem.likelihood import Gaussian, Likelihood, Poisson
from ..problem.scoring import known_noise
from .ensemble import agreement_matrix
from .filled_minima import filled_minima
from .metrics import INSIDE
from .support_agreement import SAME_OBJECT_CORRELATION

STARTS_COMPARED = 8
"""Starts, the best by score, that are compared."""
SHELL_THICKNESS = 2
"""Fourier pixels of the shortest axis."""
SIGNAL_TO_NOISE = 2.0
"""Mean intensity of a shell of |q| over the noise's, from which its speckles say something."""
LEAST_CONTRAST = 1e-3
"""Contrast from which an object is taken as flat."""
LEAST_PIXELS = 8
"""Pixels from which a correlation is taken."""
MIN_OBJECT_SIDE = 3
"""Pixels a side of the smallest object that is judged; the pattern of a smaller one has no speckles, and any start agrees."""


def usable_starts(result: Result) -> NDArray[np.intp]:
    """The numbers of the starts that have not failed."""
    return np.flatnonzero([score.failure is None for score in result.scores])


def no_evidence(result: Result, usable: NDArray[np.intp]) -> str | None:
    """Why nothing can be said of a result, None if something can."""
    amplitude = np.abs(result.object)
    if not amplitude.any():
        return "the object is empty"
    if len(usable) < 2:
        return "one start cannot agree with another: give --starts 2 or more, or compare solvers (`retrieve compare`)"
    if all(np.array_equal(result.estimates[k], result.estimates[usable[0]]) for k in usable[1:]):
        return "all starts are the same to the bit, and their agreement says nothing: compare with another solver"
    pixels = int((amplitude > INSIDE * amplitude.max()).sum())
    if pixels < MIN_OBJECT_SIDE**amplitude.ndim:
        return f"the object is a point of {pixels} pixels, and the pattern nearly flat: check that it holds speckles"
    return None


class Compared(NamedTuple):
    """The starts that a verdict compares, the chosen one first, then by score.

    starts: (n,), their numbers.  aligned: complex (n, *shape), onto the first.  alike: (n, n), complex correlations.
    """

    starts: NDArray[np.intp]
    aligned: NDArray[np.complexfloating]
    alike: NDArray[np.float64]

    @property
    def nearest(self) -> int:
        """The place of the start that is most like the chosen one."""
        return 1 + int(np.argmax(self.alike[0, 1:]))


def compared(result: Result, usable: NDArray[np.intp]) -> Compared:
    """Align the best of the usable starts (n ≥ 2) to the chosen one."""
    starts = usable[np.argsort([result.scores[k].rank for k in usable], kind="stable")][:STARTS_COMPARED]
    if result.chosen in starts:
        starts = np.array([result.chosen, *starts[starts != result.chosen]])
    aligned = align_all(result.estimates[starts], 0)
    return Compared(starts, aligned, agreement_matrix(aligned))


def evidence_of(result: Result, found: Compared) -> dict[str, float]:
    """The figures; one that is not known is left out.

    Of the starts: `nearest_correlation`, of the chosen start with the start that is most like it; `mean_correlation`, with all;
    `agreement_rate`, share of the others that correlate by 0.9; `inner_correlation`, Pearson of the amplitudes of these two
    inside the chosen outline; `outline_overlap`; `score_gap`, the nearest start's score over the chosen one's; `prtf`, over all
    amplitudes, and `prtf_least`, in the worst shell that says something.

    Of the fit: `r`, `r_free`, `excess`, R over what noise explains; `deviance` and `deviance_free`; `speckle_correlation` and
    `speckle_correlation_free`, of the amplitudes, each shell of |q| normalised, on fitted and on held-out pixels;
    `filled_minima`, in three dimensions, whether more is measured in the pattern's minima than is explained; `worst_pixel`, the
    largest share of one pixel in the misfit; `hot_share`, the share of hot pixels in the intensity.

    Of the object: `contrast`, deviation over mean of the amplitude inside its outline. A flat box explains all but its square of
    the object's power; over it are `structure_disagreement`, of the nearest start, and `structure_excess`; times it is
    `structure_counts`. `fill`, the share of the support that the object fills; `blur`, the widest deviation of a fitted kernel
    (px), and `blur_gain`, R without it over R with it.

    Of the problem: `counts_per_voxel` and `pixels_per_voxel` of the support, the latter where the pattern says something;
    `asymmetry` of Friedel mates; `may_be_real`, 1 if noise explains it; `starts`; `dimensions`.
    """
    score = result.scores[found.starts[0]]
    free = score.r if score.r_free is None else score.r_free
    figures = {
        **_agreement(result, found),
        "r": float(score.r),
        "r_free": float(free),
        "ratio": float(free / max(score.r, 1e-30)),
        "deviance": math.nan if score.deviance is None else score.deviance,
        "deviance_free": math.nan if score.deviance_free is None else score.deviance_free,
        **_fit(result, found),
        **_blur(result),
        "starts": float(len(result.scores)),
        "dimensions": float(result.object.ndim),
    }
    return {name: value for name, value in figures.items() if not math.isnan(value)}


def _agreement(result: Result, found: Compared) -> dict[str, float]:
    alike, nearest = found.alike, found.nearest
    a, b = np.abs(found.aligned[0]), np.abs(found.aligned[nearest])
    inside, other = a > INSIDE * a.max(), b > INSIDE * b.max()
    rank = [result.scores[k].rank for k in found.starts]
    return {
        "nearest_correlation": float(alike[0, nearest]),
        "mean_correlation": float(alike[0, 1:].mean()),
        "agreement_rate": float(np.mean(alike[0, 1:] >= SAME_OBJECT_CORRELATION)),
        "inner_correlation": float(pearson(a[inside], b[inside])),
        "outline_overlap": float((inside & other).sum() / max(1, (inside | other).sum())),
        "score_gap": float(rank[nearest] / max(rank[0], 1e-30)),
    }


def _fit(result: Result, found: Compared) -> dict[str, float]:
    """How the chosen start explains the pattern, and how much the pattern says."""
    problem = result.problem
    x = found.aligned[0]
    y, valid = to_numpy(problem.amplitude), to_numpy(problem.valid)
    held = np.zeros_like(valid) if result.held is None else np.fft.ifftshift(result.held) & valid
    p = to_numpy(problem.intensity(like(x[None].astype(np.complex64), problem.amplitude)))[0].clip(0)
    misfit = np.where(valid, (np.sqrt(p) - y) ** 2, 0)
    power = float((y[valid] ** 2).sum(dtype=float))
    noise = known_noise(problem)
    known = None if noise is None else noise.amplitude_noise
    sigma = math.nan if known is None else known
    shells = Shells.of(y, valid, sigma)
    amplitude, model = shells.normalised(y**2), shells.normalised(p)
    inside = np.abs(x) > INSIDE * np.abs(x).max()
    amplitude_inside = np.abs(x)[inside]
    told = to_numpy(problem.support) if problem.support is not None else None
    support = np.asarray(result.support if result.support is not None else inside if told is None else told)
    voxels = max(1, int(support.sum()))
    total = float(misfit.sum(dtype=float))
    explained = sum(float(_explained(noise, row)[seen].sum(dtype=float)) for row, seen in zip(p, valid, strict=True))
    excess = max(total - explained, 0) / power
    counts = power / (4 * sigma**2) / voxels
    contrast = float(amplitude_inside.std() / amplitude_inside.mean())
    structure = max(contrast, LEAST_CONTRAST) ** 2
    speckle = [n / width for n, width in zip(y.shape, widths(inside), strict=True)]
    return {
        **_transfer(result, found, shells),
        "excess": excess,
        "speckle_correlation": _correlation(amplitude, model, shells.loud & valid & ~held),
        "speckle_correlation_free": _correlation(amplitude, model, shells.loud & held),
        "filled_minima": filled_minima(y, p, valid, 4 * sigma**2, speckle) if x.ndim == 3 else math.nan,
        "worst_pixel": float(misfit.max()) / max(total, 1e-30),
        "hot_share": sum(pixel.intensity for pixel in hot_pixels(problem)) / power,
        "contrast": contrast,
        "structure_disagreement": float(1 - found.alike[0, found.nearest] ** 2) / structure,
        "structure_excess": excess / structure,
        "structure_counts": counts * structure,
        "fill": float((inside & support).sum() / voxels),
        "counts_per_voxel": counts,
        "pixels_per_voxel": float((shells.loud & valid).sum() / voxels),
        "asymmetry": asymmetry(y, valid),
        "may_be_real": float(may_be_real(to_numpy(problem.amplitude), valid, problem.likelihood)),
    }


def _explained(noise: Likelihood | None, p: NDArray[np.floating]) -> NDArray[np.floating]:
    """(√P − √I)² as far as noise explains it, (*shape)."""
    if isinstance(noise, Gaussian):
        return np.asarray(noise.sigma**2 * noise.expected_deviance(p))
    if isinstance(noise, Poisson):
        return np.asarray(np.interp(noise.scale * p, *_root_variance()) / noise.scale)
    return np.zeros_like(p)


@cache
def _root_variance() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """λ, and E(√k − √λ)² of k counts where λ are expected: 2λ for λ ≪ 1, ¼ for λ ≫ 1."""
    rate, k = np.append(0, np.geomspace(1e-4, 100, 100)), np.arange(200)
    share = np.exp(xlogy(k, rate[:, None]) - rate[:, None] - gammaln(k + 1))
    return rate, (share * (np.sqrt(k) - np.sqrt(rate)[:, None]) ** 2).sum(axis=1)


def _transfer(result: Result, found: Compared, shells: Shells) -> dict[str, float]:
    """Σ|mean F|/Σ mean|F| of the chosen start and the nearest: over all measured pixels, and in the worst shell."""
    problem = result.problem
    one, other = (
        to_numpy(problem.operator.forward(like(found.aligned[k][None].astype(np.complex64), problem.amplitude)))[0]
        for k in (0, found.nearest)
    )
    each = (np.abs(one) + np.abs(other)) / 2
    agreed = np.abs(one + other) / 2
    if agreed.shape != problem.amplitude.shape:  # the detector sees other pixels than the far field's
        return {"prtf": float(agreed.sum(dtype=float) / max(float(each.sum(dtype=float)), 1e-30)), "prtf_least": math.nan}
    agreed, each = shells.sums(agreed), shells.sums(each)
    by_shell = agreed / np.maximum(each, 1e-30)
    return {
        "prtf": float(agreed.sum() / max(float(each.sum()), 1e-30)),
        "prtf_least": float(by_shell[shells.known].min()) if shells.known.any() else math.nan,
    }


def _blur(result: Result) -> dict[str, float]:
    """The widest standard deviation of the kernel that was fitted (px), and R without it over R with it."""
    problem = result.problem
    if not isinstance(problem.detector, PartialCoherence):
        return {"blur": 0.0, "blur_gain": 1.0}
    x = like(result.estimates[result.chosen][None], problem.amplitude)
    plain, blurred = (float(to_numpy(p.r_factor(x))[0]) for p in (problem.replace(detector=None), problem))
    return {"blur": float(max(problem.detector.widths)), "blur_gain": plain / max(blurred, 1e-30)}


def _correlation(a: NDArray[np.floating], b: NDArray[np.floating], mask: NDArray[np.bool_]) -> float:
    """Pearson on the pixels of a mask, NaN if they are too few."""
    pixels = int(mask.sum())
    if pixels < LEAST_PIXELS:
        return math.nan
    first, second = (sum(float(row[some].sum(dtype=float)) for row, some in zip(x, mask, strict=True)) / pixels for x in (a, b))
    squares = np.zeros((2, 2))
    for row, other, some in zip(a, b, mask, strict=True):
        both = np.stack([row[some].astype(float) - first, other[some].astype(float) - second])
        squares += both @ both.T
    norms = math.sqrt(squares[0, 0] * squares[1, 1])
    return float(np.clip(squares[0, 1] / norms, -1, 1)) if norms else 0.0


@dataclass(frozen=True)
class Shells:
    """Shells of |q|, `SHELL_THICKNESS` thick.

    index: (*shape), of each pixel.  valid: bool (*shape), where measured.  pixels: (shells,), how many are measured.
    known: bool (shells,), where the pattern says something: not the innermost, and intensities above the noise.
    loud: bool (*shape), the same by pixel.
    """

    index: NDArray[np.int32]
    valid: NDArray[np.bool_]
    pixels: NDArray[np.float64]
    known: NDArray[np.bool_]
    loud: NDArray[np.bool_]

    @classmethod
    def of(cls, y: NDArray[np.floating], valid: NDArray[np.bool_], sigma: float) -> Shells:
        """The shells of amplitudes y (*shape), zero frequency first; sigma: their noise, NaN if unknown."""
        index = shell_index(y.shape, SHELL_THICKNESS)
        pixels = sums_over(index, valid, int(index.max()) + 1)
        bare = cls(index, valid, pixels, pixels > 0, valid)
        mean = bare.sums(y**2) / np.maximum(pixels, 1)
        known = (mean > (0 if math.isnan(sigma) else SIGNAL_TO_NOISE * sigma**2)) & (pixels >= 4)
        known[0] = False
        return replace(bare, known=known, loud=known[index])

    def sums(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """The sum of values (*shape) over the measured pixels of each shell, (shells,)."""
        return sums_over(self.index, values, len(self.pixels), self.valid)

    def normalised(self, intensity: NDArray[np.floating]) -> NDArray[np.floating]:
        """√(I/mean I of its shell), (*shape)."""
        mean = self.sums(intensity) / np.maximum(self.pixels, 1)
        return np.sqrt(intensity / np.maximum(mean, 1e-30).astype(np.float32)[self.index])
