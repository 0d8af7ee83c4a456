"""Which blobs can be found at all: is the truth where the exact posterior is highest?

    python benchmarks/reachable.py                          # 40 test objects at noise 0.05
    python benchmarks/reachable.py --seed 2000000 --objects 6 --noise 0.1

Blobs are nearly a Gaussian field, whose covariance C in the known support is exact: 50 places and phases are drawn evenly. So
−log p(x | I) = Σ(|A x| − y)²/2σ² + x* C⁻¹ x up to a constant. Its minimum is followed from the truth, and from each of many
linear searches (`retrieve.solvers.learned.linear_search`), by x ← E[x | A x has the measured amplitudes and the phases of A x].

Of every object the table gives how near to the truth are its own minimum and the deepest one that a search reached, and how much
deeper that is. An object is *found* if the two are the same, by a correlation above 0.95. It is *unreachable* if the other is as
deep or deeper: no method that knows the data and the prior can then tell which of them is the truth. It is *missed* if the
truth's is deeper than all that the searches reached. Writes benchmarks/results/reachable.json.
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
    right = [align(each, problem.truth).correlation for each in (truth[0], best)]
    deeper = float(depth_of_truth[0] - depth.min())
    same = align(best, truth[0]).correlation > SAME
    what = "found" if same else "unreachable" if deeper > -EQUAL else "missed"
    return {"object": number, "truth": right[0], "deepest": right[1], "deeper": deeper, "what": what}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=40)
    parser.add_argument("--noise", type=float, default=0.05, help="of the amplitude, a share of its maximum")
    parser.add_argument("--searches", type=int, default=96, help="of each object")
    parser.add_argument("--iterations", type=int, default=300, help="to each minimum")
    parser.add_argument("--seed", type=int, default=TEST_SEED)
    parser.add_argument("--out", type=Path, default=TARGET)
    given = parser.parse_args()
    films, rows, begun = Domains2D(domains=50, kind="blobs"), [], time.process_time()
    for number in range(given.objects):
        rows.append(one(films, number, given))
        print("{object}: truth {truth:.3f}, deepest {deepest:.3f}, deeper by {deeper:.1f}, {what}".format(**rows[-1]), flush=True)
    counted = {what: sum(row["what"] == what for row in rows) for what in ("found", "missed", "unreachable")}
    print(f"{counted} of {given.objects}, {time.process_time() - begun:.0f} CPU s")
    kept = json.loads(given.out.read_text()) if given.out.exists() else {}
    about = {"seed": given.seed, "objects": given.objects, "searches": given.searches, "versions": versions()}
    kept[f"blobs {given.noise:g}"] = {**about, **counted, "rows": rows}
    given.out.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
