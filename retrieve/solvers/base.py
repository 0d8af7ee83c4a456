"""The interface of a solver: an immutable bag of options and a generator of steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from ..numerics.arrays import Array, like, namespace, to_numpy
from ..operators import Operator
from ..plugins.options import validate
from ..problem import Problem
from ..problem.autocorrelation import fill_unmeasured


class Step(NamedTuple):
    """One iteration of a solver, as the driver sees it.

    Parameters
    ----------
    x : Array
        The object (batch, *shape). It counts only inside `support`, if one is given.
    support : Array, optional
        bool (batch, *shape).
    detector : Operator, optional
        The intensity operator that the solver refined, such as a coherence blur.
    stage : str
        Name of the running part. Empty: the solver's name.
    total : int, optional
        Number of steps there will be, as far as is known now.
    evaluations : float
        Forward passes that each start spent on networks since the last step. A gradient through the network counts three.
    account : sequence of sequence of str
        For each start, sentences on what was done with it.
    excluded : ndarray, optional
        bool (*detector), zero frequency first: pixels that do not belong to the object's pattern.
    more : bool
        True if another step is guaranteed. The solver may then reuse x's memory.
    """

    x: Array
    support: Array | None = None
    detector: Operator | None = None
    stage: str = ""
    total: int | None = None
    evaluations: float = 0
    account: Sequence[Sequence[str]] = ()
    excluded: np.ndarray | None = None
    more: bool = False

    @property
    def estimate(self) -> Array:
        """The object that this step stands for."""
        if self.support is None:
            return self.x
        xp = namespace(self.x)
        return xp.where(self.support, self.x, xp.zeros((), dtype=self.x.dtype, device=self.x.device))


@dataclass(frozen=True)
class Streams:
    """Random numbers for a batch: every start has its own generator, so a batch equals its starts one by one."""

    generators: Sequence[np.random.Generator]

    @classmethod
    def of(cls, seed: int, starts: Sequence[int]) -> Streams:
        """One generator for each start number, seeded by (seed, start)."""
        return cls([np.random.default_rng([seed, 1 + start]) for start in starts])

    def normal(self, shape: tuple[int, ...]) -> np.ndarray:
        """Standard normal float32 (batch, *shape), on the host."""
        return np.stack([g.standard_normal(shape, dtype=np.float32) for g in self.generators])

    def uniform(self, shape: tuple[int, ...]) -> np.ndarray:
        """Uniform on [0, 1), float32 (batch, *shape), on the host."""
        return np.stack([g.random(shape, dtype=np.float32) for g in self.generators])

    def __len__(self) -> int:
        return len(self.generators)


@dataclass(frozen=True)
class Solver(ABC):
    """Hyper-parameters and nothing else; subclasses are frozen dataclasses of `option` fields.

    name: how the command line calls it.  library: "any" for array-API code, "torch" for networks.
    source: the paper.  starts: how many it is best given.  batch: how many it likes to run in one array.
    agree: correlation of the best starts at which more are not worth their while, 0 for never.
    """

    name: ClassVar[str] = ""
    library: ClassVar[str] = "any"
    source: ClassVar[str] = ""
    starts: ClassVar[int] = 1
    batch: ClassVar[int] = 1
    agree: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        validate(self)

    @abstractmethod
    def steps(self, problem: Problem, x: Array, rng: Streams) -> Iterator[Step]:
        """Improve the start `x` (batch, *shape), yielding after each iteration.

        Never writes into `problem`, prints or stops itself early but by its own options.
        """

    def resolve_for(self, problem: Problem) -> Self:
        """This solver with what its options leave to the problem decided; the manifest keeps it so."""
        return self

    def check(self, problem: Problem) -> None:  # noqa: B027
        """Raise `InputError` where this solver cannot do the problem; called before any work."""

    def starts_for(self, problem: Problem) -> int:
        """How many starts it is best given on this problem."""
        return self.starts

    def batch_for(self, problem: Problem) -> int:
        """How many starts it likes to run in one array on this problem; as `batch` says for any."""
        return self.batch

    def record(self) -> dict[str, Any]:
        """What a manifest keeps besides the options, such as the SHA-256 of weights."""
        return {}

    def start(self, problem: Problem, rng: Streams) -> Array:
        """The first x, on the host: the measured amplitudes with random phases, transformed back."""
        return random_phases(problem, rng)

    def samples(self, problem: Problem, x: Array, rng: Streams) -> Iterator[Step]:
        """Chains from estimates x (batch, *shape) whose last step is a sample each of the posterior, where a solver has them."""
        raise NotImplementedError(f"{self.name} draws no posterior samples")

    @property
    def total(self) -> int | None:
        """The number of steps it will take, where that is known."""
        return None


def random_phases(problem: Problem, rng: Streams) -> Array:
    """The measured amplitudes under random phases, transformed back: complex64 (batch, *shape).

    Unmeasured pixels take their neighbours' amplitude. With a detector operator the amplitudes are
    spread over its finer samples.
    """
    xp = namespace(problem.amplitude)
    amplitude = fill_unmeasured(to_numpy(problem.amplitude), to_numpy(problem.valid))
    phases = like(rng.uniform(problem.operator.out_shape), problem.amplitude)
    phases *= 2 * np.pi
    y = like(amplitude, problem.amplitude)[None, ...]
    if problem.detector is not None and tuple(problem.detector.in_shape) != tuple(amplitude.shape):
        share = problem.detector.forward(xp.ones((1, *problem.detector.in_shape), dtype=y.dtype, device=y.device))
        y = xp.sqrt(problem.detector.adjoint(y**2 / share))
    field = xp.exp(1j * phases)
    field *= y
    return problem.operator.adjoint(field)
