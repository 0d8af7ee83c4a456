"""One run: all that decides its result, and nothing of where or by how many workers it is computed."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ..errors import InputError
from ..files import enough_memory, from_record, short
from ..io.manifest import RESULT
from ..plugins.options import build, refuse_code, values_of
from ..plugins.registry import find
from ..problem.likelihood import Likelihood, stored_likelihood
from ..solvers.base import Solver

Stops = Mapping[int, int | None]
"""By the number of a start: the step after which it was stopped, None if it ran to its own end."""

Run = TypeVar("Run", bound=Callable[..., Any])
NEEDED = ("solver", "options", "starts", "seed", "likelihood", "input")
"""What a manifest must hold to be run again."""


@dataclass(frozen=True)
class Budget:
    """What one start may spend. The driver stops it at the first step that reaches a bound.

    Parameters
    ----------
    steps : int, optional
        Steps of the solver.
    seconds : float, optional
        Seconds of wall time, of all starts of a batch together.
    ffts : int, optional
        Fourier transforms.
    evaluations : float, optional
        Forward passes through a network.
    """

    steps: int | None = None
    seconds: float | None = None
    ffts: int | None = None
    evaluations: float | None = None

    def spent(self, steps: int, ffts: int, seconds: float, evaluations: float = 0) -> bool:
        """Tell whether a start that has used so much has reached a bound."""
        used = ((self.steps, steps), (self.ffts, ffts), (self.seconds, seconds), (self.evaluations, evaluations))
        return any(bound is not None and value >= bound for bound, value in used)


@dataclass(frozen=True)
class RunSpec:
    """All that decides the result of a run. The command line makes it, `run` takes it, the manifest stores it.

    A field that is None takes the solver's or the problem's own value when the run begins.

    Parameters
    ----------
    solver : Solver
        The solver with its options.
    starts : int, optional
        Number of random starts.
    seed : int
        Seed of the starts and of the held-out pixels.
    hold_out : float
        Share of the measured pixels that no solver sees, in [0, 0.5).
    budget : Budget
        What one start may spend.
    agree : float, optional
        Correlation of the two best starts from which no more starts run, in [0, 1]; 0 for never.
    samples : int
        Number of posterior samples.
    device : str
        "auto", "cpu", "cuda", "cuda:N", "torch" or "torch:cuda:N".
    likelihood : Likelihood, optional
        The noise.
    averaging : str, optional
        How `average_starts` makes the object: "best", "agreeing", "mean" or "common-mode". The solver's own way unless given.
    keep : int, optional
        Number of starts that "common-mode" keeps.
    batch : int, optional
        Starts that run in one array.
    score_every : int
        Steps between two scores.
    strict : bool
        True if a failed start ends the run with an error, False if the others go on.
    separate : bool
        True if each start runs by itself in one thread, as it does in workers. Networks round differently in a batch.
    input : Mapping
        Path, SHA-256 and reading options of the measurement.
    x0 : str, optional
        SHA-256 of the array that the starts began with, if one was given.
    stopped, samples_stopped : Mapping, optional
        The starts and the chains of samples that ran, and where each was stopped. A run with these values runs the
        same starts to the same steps, whatever the budget. None: to the end or the budget.
    """

    solver: Solver
    starts: int | None = None
    seed: int = 0
    hold_out: float = 0.03
    budget: Budget = Budget()
    agree: float | None = None
    samples: int = 0
    device: str = "auto"
    likelihood: Likelihood | None = None
    averaging: str | None = None
    keep: int | None = None
    batch: int | None = None
    score_every: int = 20
    strict: bool = True
    separate: bool = False
    input: Mapping[str, Any] = field(default_factory=dict)
    x0: str | None = None
    stopped: Stops | None = None
    samples_stopped: Stops | None = None

    def check(self, shape: tuple[int, ...], given: tuple[int, ...] | None) -> None:
        """Raise `InputError` for a value out of range. shape: of the object.  given: the shape of x0, if there is one."""
        least = {"starts": 1, "seed": 0, "batch": 1, "score_every": 1, "samples": 0}
        for name, low in least.items():
            value = getattr(self, name)
            if value != int(value) or value < low:
                raise InputError(f"{name}={value!r} must be a whole number of at least {low}")
        if not 0 <= self.hold_out < 0.5:
            raise InputError(f"hold_out={self.hold_out!r} must be at least 0 and below 0.5")
        if self.agree is None or not 0 <= self.agree <= 1:
            raise InputError(f"agree={self.agree!r} is out of range; give a correlation in [0, 1], 0 for never")
        if self.samples and type(self.solver).samples is Solver.samples:
            name = self.solver.name
            raise InputError(f"solver {name} draws no posterior samples; take diffusion, or samples=0 and several starts")
        if given is not None and not self.solver.uses_start:
            raise InputError(f"solver {self.solver.name} searches from its own starts; give a start to recipe, hio or diffusion")
        if given not in (None, shape, (1, *shape), (self.starts, *shape)):
            raise InputError(
                f"x0 has shape {given}; give one of the object's shape {shape}, or one for each of {self.starts} starts"
            )

    def record(self) -> dict[str, Any]:
        """The run as a mapping for JSON: what a manifest keeps. `from_record` reads it back."""
        special = {
            "solver": self.solver.name,
            "options": values_of(self.solver),
            "record": self.solver.record(),
            "budget": dataclasses.asdict(self.budget),
            "likelihood": self.likelihood and self.likelihood.record(),
            "input": dict(self.input),
            "stopped": _with_text(self.stopped),
            "samples_stopped": _with_text(self.samples_stopped),
        }
        return special | {name: getattr(self, name) for name in FIELDS if name not in special}

    @classmethod
    def from_record(cls, record: Mapping[str, Any], named: Collection[Any] = ()) -> RunSpec:
        """Read the run of a manifest, also of an older version.

        Parameters
        ----------
        record
            The manifest.
        named
            Values of options that the user named. Of values that run code, only these are taken.

        Raises
        ------
        InputError
            If a field is missing or wrong, if the solver, its weights or the likelihood are not those of the record, or if an
            option runs code.
        """
        record = from_record(record, RESULT, "the manifest")
        if missing := [name for name in NEEDED if record.get(name) is None]:
            raise InputError(f"the manifest lacks {missing[0]}; only a result of a whole run replays")
        kind = find("solvers", record["solver"])
        solver = build(kind, {**kind.FORMERLY, **record["options"]})
        refuse_code(solver, named)
        if solver.record() != record.get("record", {}):
            raise InputError(f"the weights {record['options'].get('weights')} have changed since; put the old ones back")
        older = {"agree": 0.0, "averaging": "best", "strict": record["starts"] == 1}
        plain = older | {name: record[name] for name in FIELDS if name in record}
        return cls(
            **plain
            | {
                "solver": solver,
                "budget": Budget(**record.get("budget", {})),
                "likelihood": _likelihood(record["likelihood"]),
                "stopped": _with_numbers(record.get("stopped")),
                "samples_stopped": _with_numbers(record.get("samples_stopped")),
            }
        )


FIELDS = tuple(spec_field.name for spec_field in dataclasses.fields(RunSpec))


def _with_text(stops: Stops | None) -> dict[str, int | None] | None:
    """The numbers of starts as JSON knows keys."""
    return None if stops is None else {str(start): step for start, step in stops.items()}


def _with_numbers(stops: Mapping[str, int | None] | None) -> Stops | None:
    return None if stops is None else {int(start): step for start, step in stops.items()}


def _likelihood(record: Mapping[str, Any]) -> Likelihood:
    """The likelihood of a record: ours, or one that a plugin registers."""
    found = stored_likelihood(record)
    if found is None:
        raise InputError(f"the likelihood {short(record.get('name'))} is unknown here; install the plugin that registers it")
    return found


def within_memory(function: Run) -> Run:
    """Decorate a function of a run and its problem: a want of memory becomes a `NotEnoughMemory` that says of what."""

    @functools.wraps(function)
    def run(*given: Any, **options: Any) -> Any:
        spec, problem, *_ = given
        what = f"{spec.solver.name} with {spec.starts or 'its'} start(s) of {'×'.join(map(str, problem.shape))}"
        with enough_memory(what, "crop or bin the pattern (`retrieve prepare`), run fewer starts, or take a larger machine"):
            return function(*given, **options)

    return run  # type: ignore[return-value]
