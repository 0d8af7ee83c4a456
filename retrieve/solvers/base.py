"""The interface of a solver: an immutable bag of options and a generator of steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from ..numerics.arrays import Array, like, namespace, to_numpy
from ..operators import Operator
from ..plugins.options import validate
from ..problem import Problem
from ..problem.autocorrelation import fill_unmeasured
from .shrinkwrap import ShrinkWrap


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
    share : float, optional
        Share of the start that is done, as a guess, where the number of steps is not known.
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
    share: float | None = None

    @property
    def estimate(self) -> Array:
        """The object that this step stands for."""
        if self.support is None:
            return self.x
        xp = namespace(self.x)
        return xp.where(self.support, self.x, xp.zeros((), dtype=self.x.dtype, device=self.x.device))


@dataclass(frozen=True)
class Streams:
    """Random numbers for a batch. Every start has its own generator, so that a batch equals its starts one by one.

    Parameters
    ----------
    generators : sequence of numpy.random.Generator
        One for each start of the batch.
    """

    generators: Sequence[np.random.Generator]

    @classmethod
    def of(cls, seed: int, starts: Sequence[int]) -> Streams:
        """Return one generator for each of the start numbers, seeded by (seed, start)."""
        return cls([np.random.default_rng([seed, 1 + start]) for start in starts])

    def normal(self, shape: tuple[int, ...]) -> np.ndarray:
        """Draw standard normal float32 (batch, *shape), on the host."""
        return np.stack([g.standard_normal(shape, dtype=np.float32) for g in self.generators])

    def uniform(self, shape: tuple[int, ...]) -> np.ndarray:
        """Draw float32 (batch, *shape) uniform on [0, 1), on the host."""
        return np.stack([g.random(shape, dtype=np.float32) for g in self.generators])

    def some(self, rows: Iterable[int]) -> Streams:
        """The random numbers of some starts of the batch."""
        return Streams([self.generators[int(k)] for k in rows])

    def __len__(self) -> int:
        return len(self.generators)


@dataclass(frozen=True)
class Solver(ABC):
    """A solver: its options, and a generator of steps. Subclasses are frozen dataclasses of `option` fields.

    Attributes
    ----------
    name : str
        Name on the command line.
    library : str
        "any" for array-API code, "torch" for networks.
    source : str
        The paper.
    starts : int
        Default number of starts.
    batch : int
        Number of starts to run in one array.
    agree : float
        Correlation of the best starts at which no more are run; 0: all are run.
    averaging : str
        How the object is made of the starts: "best", the chosen one, or "agreeing", the mean of those that agree.
    uses_start : bool
        False if a given start (`x0`, ``--start``) has no effect. It is then refused.
    deterministic : bool
        True if all starts give the same object, so that one is enough.
    FORMERLY : mapping
        Values of options that are newer than some records and change what those meant. A record that lacks them means these.
    """

    name: ClassVar[str] = ""
    library: ClassVar[str] = "any"
    source: ClassVar[str] = ""
    starts: ClassVar[int] = 1
    batch: ClassVar[int] = 1
    agree: ClassVar[float] = 0.0
    averaging: ClassVar[str] = "best"
    uses_start: ClassVar[bool] = True
    deterministic: ClassVar[bool] = False
    FORMERLY: ClassVar[Mapping[str, Any]] = {}

    def __post_init__(self) -> None:
        validate(self)

    @abstractmethod
    def steps(self, problem: Problem, x: Array, rng: Streams) -> Iterator[Step]:
        """Improve the starts x, and yield after each iteration.

        It never writes into `problem` and never prints. Only its options may end it early.

        Parameters
        ----------
        problem : Problem
            What was measured, without the held-out pixels and the truth.
        x : Array
            The starts (batch, *shape), as `start` gives them.
        rng : Streams
            The only source of random numbers.

        Yields
        ------
        Step
            The object after an iteration.
        """

    def resolve_for(self, problem: Problem) -> Self:
        """Return this solver with every option decided that depends on the problem; the manifest records that solver."""
        return self

    def check(self, problem: Problem) -> None:  # noqa: B027
        """Raise `InputError` if this solver cannot solve the problem; called before any work."""

    def starts_for(self, problem: Problem) -> int:
        """Return the default number of starts on this problem."""
        return self.starts

    def batch_for(self, problem: Problem) -> int:
        """Return the number of starts to run in one array on this problem."""
        return self.batch

    def record(self) -> dict[str, Any]:
        """Return what a manifest records besides the options, such as the SHA-256 of weights."""
        return {}

    def shrink_wraps(self) -> Mapping[str, ShrinkWrap]:
        """Return the options of the support's updates by name; the driver names one whose support vanishes."""
        return {}

    def start(self, problem: Problem, rng: Streams) -> Array:
        """Return the starts (batch, *shape): the measured amplitudes with random phases, transformed back."""
        return random_phases(problem, rng)

    def samples(self, problem: Problem, x: Array, rng: Streams) -> Iterator[Step]:
        """Yield the steps of chains from estimates x (batch, *shape); the last is one sample of each posterior."""
        raise NotImplementedError(f"{self.name} draws no posterior samples")

    @property
    def total(self) -> int | None:
        """The number of steps at most; None if unknown."""
        return None


def random_phases(problem: Problem, rng: Streams) -> Array:
    """The measured amplitudes with random phases, transformed back: complex64 (batch, *shape).

    Unmeasured pixels get their neighbours' amplitude. A detector operator spreads the amplitudes over its finer samples.
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
