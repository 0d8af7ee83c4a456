"""Which blobs can be found at all: the truth against the exact posterior.

    python benchmarks/reachable.py                          # 40 test objects at noise 0.05
    python benchmarks/reachable.py --seed 2000000 --objects 6 --noise 0.1

Blobs are nearly a Gaussian field, whose covariance C in the known support is exact: 50 places and phases are drawn evenly. So
−log p(x | I) = Σ(|A x| − y)²/2σ² + x* C⁻¹ x up to a constant. Its minimum is followed from the truth, and from each of many
linear searches (`retrieve.solvers.learned.linear_search`), by x ← E[x | A x has the measured amplitudes and the phases of A x].
Hamiltonian Monte Carlo then samples the posterior about the deepest minimum of all, the truth's among them. The mean of the
samples is the best estimate that data and prior allow there.

An object is *reachable* if that mean correlates with the truth above 0.95. Otherwise it is *unreachable*: who knows data and
prior would take a wrong object (*another* is as deep as the truth's minimum or deeper), or the noise leaves the right one below
0.95 (*noise*). It is *missed* if it is reachable, but the deepest minimum of the searches is another object, less deep. Writes
benchmarks/results/reachable.json.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.fft
import torch
from numpy.typing import NDArray
from scipy.ndimage import zoom

from retrieve.evaluate.metrics import evaluate
from retrieve.numerics.alignment import align
from retrieve.numerics.arrays import find_device, to_numpy
from retrieve.provenance import versions
from retrieve.simulate import TEST_SEED, Noise
from retrieve.simulate.domains import PEAK_DEVIATIONS, Domains2D
from retrieve.solvers.base import Streams
from retrieve.solvers.learned.linear_search import wiener_raar
from retrieve.solvers.projections import RRR

TARGET = Path(__file__).parent / "results" / "reachable.json"
SAME, EQUAL = 0.95, 0.5
"""The correlation above which two objects are the same; by how much −log p may differ between two that no data tell apart."""


class Field(NamedTuple):
    """The Gaussian field of blobs in its support, as x = U s z with z complex normal of unit variance.

    support: (*shape).  u: (pixels, modes).  s: (modes,).
    """

    support: NDArray[np.bool_]
    u: NDArray[np.complex64]
    s: NDArray[np.float32]

    @classmethod
    def of(cls, films: Domains2D, support: NDArray[np.bool_], fine: int = 2) -> Field:
        """From the covariance, with the blobs' middles on a grid of `fine` points a pixel."""
        ellipse = films.ellipse(np.zeros((1, 3)))
        width = films.width * (np.prod(ellipse.semi[0]) / films.domains) ** 0.5
        middles = np.argwhere(zoom(support.astype(float), fine, order=1) > 0.5) / fine
        apart = ((np.argwhere(support)[:, None] - middles) ** 2).sum(axis=2)
        blobs = np.exp(-apart / (2 * width**2)) / (PEAK_DEVIATIONS * np.sqrt(np.pi) * films.width)
        variances, u = np.linalg.eigh(blobs @ blobs.T * (films.domains / len(middles)))
        kept = np.flatnonzero(np.cumsum(variances[::-1]) <= (1 - 1e-4) * variances.sum())[::-1]
        order = len(variances) - 1 - kept
        return cls(support, u[:, order].astype(np.complex64), np.sqrt(variances[order]).astype(np.float32))

    def minimum(self, y: NDArray, sigma: float, x: NDArray[np.complex64], iterations: int) -> tuple[NDArray, NDArray]:
        """The minima of −log p near x (batch, *shape), and their depths (batch,)."""
        share = self.s**2 / (self.s**2 + 2 * sigma**2)
        for _ in range(iterations):
            far = scipy.fft.fft2(x, norm="ortho")
            data = scipy.fft.ifft2(far * (y / (np.abs(far) + 1e-12)), norm="ortho")
            z = (data[:, self.support] @ self.u.conj()) * share
            x = np.zeros_like(x)
            x[:, self.support] = z @ self.u.T
        misfit = (np.abs(scipy.fft.fft2(x, norm="ortho")) - y) ** 2
        return x, misfit.sum(axis=(1, 2)) / (2 * sigma**2) + (np.abs(z / self.s) ** 2).sum(axis=1)

    def objects(self, z: NDArray[np.complex64]) -> NDArray[np.complex64]:
        """x = U s z (batch, *shape) of whitened z (batch, modes)."""
        x = np.zeros((len(z), *self.support.shape), np.complex64)
        x[:, self.support] = (z * self.s) @ self.u.T
        return x

    def slope(self, y: NDArray, sigma: float, z: NDArray[np.complex64]) -> tuple[NDArray, NDArray]:
        """−log p for whitened z (batch, modes), and its gradient by the real and imaginary part of z."""
        far = scipy.fft.fft2(self.objects(z), norm="ortho")
        modulus = np.abs(far) + 1e-12
        back = scipy.fft.ifft2(far * ((modulus - y) / modulus), norm="ortho")[:, self.support]
        value = ((modulus - y) ** 2).sum(axis=(1, 2)) / (2 * sigma**2) + (np.abs(z) ** 2).sum(axis=1)
        return value, self.s * (back @ self.u.conj()) / sigma**2 + 2 * z

    def samples(self, y: NDArray, sigma: float, x: NDArray[np.complex64], given: argparse.Namespace) -> tuple[NDArray, float]:
        """Draws of the posterior about x (*shape) by Hamiltonian Monte Carlo, at its phase, and the share of accepted steps."""
        rng = np.random.default_rng(given.seed)
        z = np.repeat((x[self.support] @ self.u.conj() / self.s)[None], given.chains, axis=0).astype(np.complex64)
        step = given.stride / np.sqrt(2 + (self.s.max() / sigma) ** 2)
        value, slope = self.slope(y, sigma, z)
        kept, accepted = [], []
        for number in range(given.samples):
            speed = (rng.normal(size=z.shape) + 1j * rng.normal(size=z.shape)).astype(np.complex64)
            before = value + (np.abs(speed) ** 2).sum(axis=1) / 2
            there, found, force = z, value, slope
            for _ in range(given.leaps):
                speed = speed - step / 2 * force
                there = (there + step * speed).astype(np.complex64)
                found, force = self.slope(y, sigma, there)
                speed = speed - step / 2 * force
            after = found + (np.abs(speed) ** 2).sum(axis=1) / 2
            taken = np.log(rng.random(len(z))) < before - after
            accepted.append(taken.mean())
            z = np.where(taken[:, None], there, z)
            value, slope = np.where(taken, found, value), np.where(taken[:, None], force, slope)
            if number >= given.samples // 4:
                kept.append(z)
        drawn = self.objects(np.concatenate(kept))
        turn = np.tensordot(drawn.conj(), x, axes=2)
        return drawn * (turn / abs(turn))[:, None, None], float(np.mean(accepted))


def one(films: Domains2D, number: int, given: argparse.Namespace) -> dict[str, Any]:
    """The minimum of the truth and the deepest that the searches reach, of one object."""
    problem = films.problem(number, given.seed, Noise(sigma=given.noise))
    y, sigma = to_numpy(problem.amplitude), float(problem.likelihood.amplitude_noise or 0)
    field = Field.of(films, to_numpy(problem.support))
    there, streams = problem.to(find_device("cpu", "torch")), Streams.of(number, range(given.searches))
    *_, d = wiener_raar(there, torch.as_tensor(RRR().start(there, streams)), 0.95)
    rough, depth = field.minimum(y, sigma, to_numpy(d), 50)
    few = np.argsort(depth)[: max(1, given.searches // 6)]
    ended, depth = field.minimum(y, sigma, rough[few], given.iterations)
    truth, depth_of_truth = field.minimum(y, sigma, problem.truth[None], given.iterations)
    best = ended[depth.argmin()]
    deeper = float(depth_of_truth[0] - depth.min())
    drawn, accepted = field.samples(y, sigma, best if deeper > 0 else truth[0], given)
    mean = drawn.mean(axis=0)
    right = [align(each, problem.truth).correlation for each in (truth[0], best, mean)]
    other = deeper > -EQUAL and align(best, truth[0]).correlation < SAME
    missed = deeper < -EQUAL and right[1] < SAME
    what = ("missed" if missed else "reachable") if right[2] > SAME else "another" if other else "noise"
    names, amplitude = ("truth", "deepest", "mean"), evaluate(mean, problem, problem.truth)["amplitude_correlation"]
    every = {"object": number, **dict(zip(names, right, strict=True)), "amplitude_of_mean": float(amplitude)}
    every["covered"] = coverage(
        np.array([align(each, problem.truth).object for each in drawn[::4]]), problem.truth, field.support
    )
    return {**every, "deeper": deeper, "accepted": accepted, "what": what}


def coverage(drawn: NDArray, truth: NDArray, support: NDArray) -> float:
    """Share of the support's pixels whose true amplitude is in the 80 % interval of the draws (count, *shape).

    The quantiles are unbiased: another draw is covered in 80 % of the pixels, however few there are.
    """
    low, high = np.quantile(np.abs(drawn[:, support]), [0.1, 0.9], axis=0, method="weibull")
    inside = np.abs(truth[support])
    return float(np.mean((low <= inside) & (inside <= high)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=40)
    parser.add_argument("--noise", type=float, default=0.05, help="of the amplitude, a share of its maximum")
    parser.add_argument("--searches", type=int, default=192, help="of each object")
    parser.add_argument("--iterations", type=int, default=300, help="to each minimum")
    parser.add_argument("--chains", type=int, default=8, help="of Hamiltonian Monte Carlo")
    parser.add_argument("--samples", type=int, default=60, help="of each chain, of which the first quarter is left out")
    parser.add_argument("--leaps", type=int, default=25, help="steps of a trajectory")
    parser.add_argument("--stride", type=float, default=0.9, help="length of a step, over that of the stiffest mode")
    parser.add_argument("--seed", type=int, default=TEST_SEED)
    parser.add_argument("--out", type=Path, default=TARGET)
    given = parser.parse_args()
    films, rows, begun = Domains2D(domains=50, kind="blobs"), [], time.process_time()
    for number in range(given.objects):
        rows.append(one(films, number, given))
        said = (
            "{object}: truth {truth:.3f}, deepest {deepest:.3f}, deeper by {deeper:.1f}, mean {mean:.3f} ({accepted:.2f}), {what}"
        )
        print(said.format(**rows[-1]), flush=True)
    counted = {what: sum(row["what"] == what for row in rows) for what in ("reachable", "missed", "another", "noise")}
    of_all = {name: round(float(np.median([row[name] for row in rows])), 4) for name in ("mean", "amplitude_of_mean")}
    of_all["covered"] = round(float(np.mean([row["covered"] for row in rows])), 4)
    print(f"medians, and the mean of what 80 % intervals cover: {of_all}")
    print(f"{counted} of {given.objects}, {time.process_time() - begun:.0f} CPU s")
    kept = json.loads(given.out.read_text()) if given.out.exists() else {}
    about = {
        "seed": given.seed,
        "objects": given.objects,
        "searches": given.searches,
        "samples": given.samples,
        "versions": versions(),
    }
    kept[f"blobs {given.noise:g}"] = {**about, **counted, "of_all": of_all, "rows": rows}
    given.out.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
