"""Objects, supports, solvers and faults of the blind runs of `verdict_kinds.py`, each drawn from a stream of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

import retrieve as rt
from retrieve.numerics.arrays import to_numpy
from retrieve.numerics.grids import pixels
from retrieve.simulate import Noise, object_set
from retrieve.simulate.crystal_kinds import KINDS, CrystalKinds
from retrieve.simulate.crystals import crystal
from retrieve.simulate.geometry import unit_vectors
from retrieve.simulate.noise import simulated_problem
from retrieve.simulate.seeds import stream
from retrieve.solvers import HIO, RAAR, RRR, Recipe
from retrieve.solvers.base import Solver
from retrieve.solvers.blind.auto import Auto

CONDITIONS = 2
"""Part of a number's random streams that the conditions of a run are drawn from; 0 is the object's, 1 the noise's."""
FLAT, VOLUME, LARGE = (64, 64), (32, 32, 32), (48, 48, 48)
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Draw:
    """One run of a kind: its number under a seed, its random conditions, the shape of its array."""

    seed: int
    number: int
    rng: np.random.Generator
    shape: tuple[int, ...]

    @classmethod
    def of(cls, seed: int, number: int, shape: tuple[int, ...]) -> Draw:
        """The run of this number."""
        return cls(seed, number, stream(seed, number, CONDITIONS), shape)

    def chance(self, share: float) -> bool:
        """True in this share of the runs."""
        return bool(self.rng.random() < share)

    def measured(self, x: NDArray, noise: dict[str, Any], support: Mask | None = None) -> rt.Problem:
        """The problem of an object measured with this noise, with a support or none told."""
        problem = simulated_problem(x, x != 0, Noise(**noise), seed=self.seed, number=self.number)
        return problem.replace(support=support)

    # objects

    def weak_crystal(self) -> NDArray[np.complex64]:
        """A facetted crystal with a smooth phase."""
        rng = self.rng
        return crystal(self.shape, seed=stream(self.seed, self.number), fill=rng.uniform(0.2, 0.45), phase=rng.uniform(0.2, 2.5))

    def strong_crystal(self) -> NDArray[np.complex64]:
        """A facetted crystal with a dislocation and a wall, or with domains of random phase."""
        x = crystal(self.shape, seed=stream(self.seed, self.number), fill=self.rng.uniform(0.25, 0.45), strong=True)
        if self.chance(0.5):
            inside = np.argwhere(x != 0)
            middles = inside[self.rng.choice(len(inside), int(self.rng.integers(3, 15)), replace=False)]
            r = np.moveaxis(np.indices(self.shape), 0, -1)
            nearest = np.stack([((r - middle) ** 2).sum(axis=-1) for middle in middles]).argmin(axis=0)
            x = (np.abs(x) * np.exp(2j * np.pi * self.rng.random(len(middles))[nearest])).astype(np.complex64)
        return x

    def any_crystal(self) -> NDArray[np.complex64]:
        """A crystal of one of the kinds in three dimensions."""
        kinds = CrystalKinds(kind=str(self.rng.choice(KINDS)), size=self.shape[0])
        return np.asarray(kinds.generate(self.seed, range(self.number, self.number + 1))[0][0])

    def film(self) -> NDArray[np.complex64]:
        """Domains of a thin film under a beam, of 64²."""
        name = f"domains2d-{self.rng.choice([10, 25, 50])}-{self.rng.choice(['blobs', 'cells'])}"
        return np.asarray(object_set(name).generate(self.seed, range(self.number, self.number + 1))[0][0])

    def real_object(self, positive: bool = True) -> NDArray[np.complex64]:
        """A textured box, ellipsoid or crystal without phase: positive, or with domains of either sign."""
        rng, shape = self.rng, self.shape
        reach = rng.uniform(0.09, 0.22, len(shape)) * shape[0]
        r = np.abs(pixels(shape)) / reach.reshape(-1, *[1] * len(shape))
        outline = int(rng.integers(3))
        if outline == 2:
            inside = np.abs(crystal(shape, seed=stream(self.seed, self.number), fill=0.35)) > 0.5
        else:
            inside = (r.max(axis=0) if outline else (r**2).sum(axis=0)) <= 1
        field = ndimage.gaussian_filter(rng.normal(size=shape), rng.uniform(0, 2.5))
        x = inside * (rng.uniform(0.05, 0.5) + (field - field[inside].min()) / np.ptp(field[inside]))
        if not positive:
            x = x * np.sign(ndimage.gaussian_filter(rng.normal(size=shape), 3))
        return x.astype(np.complex64)

    # noise

    def counts(self, low: float, high: float = 8, noiseless: float = 0.1) -> dict[str, Any]:
        """Photons from 10^low to 10^high, or no noise."""
        return {} if self.chance(noiseless) else {"photons": float(10 ** self.rng.uniform(low, high))}

    def holes(self) -> dict[str, Any]:
        """Unmeasured pixels."""
        rng = self.rng
        return {
            "beam_stop": float(rng.choice([0, 1.5, 2.5, 4])),
            "gaps": int(rng.integers(0, 4)),
            "dead": float(rng.choice([0, 0.02])),
        }

    # supports

    def box(self, x: NDArray, factor: float) -> Mask:
        """The box around an object, its sides times a factor, at most half the array in all."""
        made, most = np.ones(x.shape, bool), 0.5 ** (1 / x.ndim)
        for axis, n in enumerate(x.shape):
            line = np.flatnonzero((x != 0).any(axis=tuple(a for a in range(x.ndim) if a != axis)))
            side = min(factor * (line[-1] - line[0] + 1), most * n - 1)
            place = np.abs(np.arange(n) - (line[0] + line[-1]) / 2) <= side / 2
            made &= place.reshape([-1 if a == axis else 1 for a in range(x.ndim)])
        return made

    def loose(self, x: NDArray) -> Mask:
        """A support that is too wide: a box, or grown by some pixels."""
        if self.chance(0.5):
            return self.box(x, self.rng.uniform(1.0, 1.8))
        grown = ndimage.binary_dilation(x != 0, iterations=int(self.rng.integers(1, 5)))
        return np.asarray(grown if grown.mean() <= 0.5 else x != 0)

    def wrong(self, x: NDArray) -> Mask:
        """A support that is too small, moved, or turned."""
        way, inside = self.rng.integers(3), x != 0
        if way == 0:
            cut = ndimage.binary_erosion(inside, iterations=int(self.rng.integers(1, 4)))
            return np.asarray(cut if cut.any() else inside)
        if way == 1:
            return np.roll(inside, self.rng.integers(2, 7, x.ndim), axis=range(x.ndim))
        return np.asarray(np.rot90(inside))

    # solvers

    def projections(self, **options: Any) -> Solver:
        """HIO, RAAR or RRR of 20 to 1,000 iterations."""
        kind = (HIO, HIO, RAAR, RRR)[int(self.rng.integers(4))]
        return kind(iterations=int(10 ** self.rng.uniform(1.3, 3)), **options)

    def recipe(self) -> Solver:
        """The default recipe, in half of the runs a shorter one."""
        rng = self.rng
        cycles, hio = (3, 180) if self.chance(0.5) else (int(rng.integers(1, 3)), int(rng.integers(30, 180)))
        return Recipe(recipe=f"20 er + {cycles}*({hio} hio + 40 er) + 20 cg")

    def blind(self) -> Solver:
        """`auto` in a third of the runs of two axes, or a recipe."""
        return Auto() if len(self.shape) == 2 and self.chance(1 / 3) else self.recipe()

    def starts(self) -> int:
        """2 to 8 starts."""
        return int(self.rng.integers(2, 9))

    # faults

    def hot(self, problem: rt.Problem) -> rt.Problem:
        """One to three pixels of 10⁶ to 10⁹ counts, at least ten times the brightest."""
        intensity = to_numpy(problem.amplitude).astype(float) ** 2
        places = self.rng.choice(intensity.size, int(self.rng.integers(1, 4)), replace=False)
        intensity.flat[places] = np.maximum(10 ** self.rng.uniform(6, 9, len(places)), 10 * intensity.max())
        return with_intensity(problem, intensity)

    def with_another(self, problem: rt.Problem, distance: float | None = None) -> rt.Problem:
        """The pattern with that of another crystal added, as bright or a few times weaker.

        Its peak lies `distance` px away in a random direction, or 3 to 7 px along each axis.
        """
        other = crystal(self.shape, seed=stream(self.seed, self.number, CONDITIONS + 1), fill=self.rng.uniform(0.25, 0.45))
        intensity = to_numpy(problem.amplitude).astype(float) ** 2
        added = np.abs(np.fft.fftn(other)) ** 2
        added *= self.rng.uniform(0.3, 1) * intensity.sum() / added.sum()
        if distance is None:
            aside = self.rng.integers(3, 8, 3)
        else:
            aside = np.rint(distance * unit_vectors(1, 3, self.rng)[0]).astype(int)
        moved = np.roll(added, aside, axis=(0, 1, 2))
        return with_intensity(problem, intensity + self.rng.poisson(moved))

    def spoiled(self, problem: rt.Problem, fault: str) -> rt.Problem:
        """Data that no object of the problem explains."""
        rng, intensity = self.rng, to_numpy(problem.amplitude).astype(float) ** 2
        shape = intensity.shape
        r2 = np.fft.ifftshift((pixels(shape) ** 2).sum(axis=0))
        if fault == "direct beam":
            beam = rng.uniform(0.5, 20) * intensity.max() * np.exp(-r2 / (2 * rng.uniform(0.3, 1.2) ** 2))
            return with_intensity(problem, intensity + rng.poisson(beam))
        if fault == "inverted mask":
            return with_intensity(problem, intensity, r2 > (rng.uniform(0.15, 0.3) * shape[0]) ** 2)
        if fault == "wrong centre":
            return with_intensity(problem, np.roll(intensity, rng.integers(1, 6, len(shape)), axis=tuple(range(len(shape)))))
        if fault == "shuffled":
            return with_intensity(problem, rng.permutation(intensity.ravel()).reshape(shape))
        if fault == "flat":
            return with_intensity(problem, rng.poisson(max(1.0, intensity.mean()), shape))
        background = rng.uniform(0.05, 1) * intensity.mean()
        return with_intensity(problem, intensity + rng.poisson(background, shape))


def imperfect(d: Draw, x: NDArray, support: Mask | None) -> rt.Problem:
    """Counts of pixels that differ in gain, on a weak background; in half of the runs with a flat-field correction."""
    rng = d.rng
    problem = d.measured(x, d.counts(5, 8, 0), support)
    expected = to_numpy(problem.intensity(to_numpy(problem.truth)[None]))[0].astype(float)
    expected = expected * rng.normal(1, 10 ** rng.uniform(-2.3, -0.9), x.shape).clip(0.2)
    counts = rng.poisson(expected + 10 ** rng.uniform(-4, -1.5) * expected.mean()).astype(float)
    return with_intensity(problem, counts * rng.normal(1, 0.01, x.shape) if d.chance(0.5) else counts)


FAULTS = ("direct beam", "inverted mask", "wrong centre", "shuffled", "flat", "background")


def with_intensity(problem: rt.Problem, intensity: NDArray, valid: Mask | None = None) -> rt.Problem:
    """The problem with another intensity, (*shape), zero frequency first, and another mask if given."""
    seen = to_numpy(problem.valid) if valid is None else valid
    return problem.replace(amplitude=np.sqrt(np.where(seen, intensity, 0)).astype(np.float32), valid=seen)
