"""`retrieve.solve` and `retrieve.compare`: the driver and the harness with solvers by name, and with a verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..io.result import Result
from ..plugins.flags import solver_from
from ..problem import Problem
from ..solvers.base import Solver

if TYPE_CHECKING:
    import numpy as np

    from ..driver.progress import Progress
    from ..driver.run_spec import Budget
    from .comparison import Comparison


def solve(
    solver: Solver | str,
    problem: Problem,
    *,
    starts: int | None = None,
    seed: int = 0,
    device: str = "auto",
    on_step: Callable[[Progress], object] | None = None,
    budget: Budget | None = None,
    strict: bool = True,
    hold_out: float = 0.03,
    batch: int | None = None,
    agree: float | None = None,
    samples: int = 0,
    score_every: int = 20,
    x0: np.ndarray | None = None,
    workers: int = 1,
    executor: str | None = None,
    average: str | None = None,
    keep: int | None = None,
    verdict: bool = True,
) -> Result:
    """Run `solver` from random starts and choose the start that predicts the held-out pixels best.

    Parameters
    ----------
    solver : Solver or str
        The solver with its options, or its name with options: ``"auto"``, ``"hio:beta=0.8,iterations=300"``.
    problem : Problem
        What was measured, and what is known.
    starts : int, optional
        Number of random starts. The solver's own number unless given.
    seed : int
        Start k draws from a generator seeded by (seed, k). It gives the same estimate whatever the number of starts.
    device : str
        "auto", "cpu", "cuda", "cuda:N", "torch" or "torch:cuda:N".
    on_step : callable, optional
        Called with a `Progress` after every step, with workers after every start. The run stops if it returns True.
    budget : Budget, optional
        What one start may spend.
    strict : bool
        True: a failed start raises. False: it is kept as failed, and the others go on.
    hold_out : float
        Share of the measured pixels that the solver does not see, in islands of a speckle's size, in [0, 0.5). With 0
        the working R chooses among the starts.
    batch : int, optional
        Starts that run in one array. The solver's own number unless given.
    agree : float, optional
        After a batch no more starts run if the two of the best scores correlate by `agree`, in [0, 1]; 0 for never. The
        solver's own value unless given.
    samples : int
        Samples of the posterior, by solvers that draw them. Chains begin at the starts that fit as well as the chosen one.
    score_every : int
        Steps between two scores.
    x0 : ndarray, optional
        complex (*shape) or (starts, *shape): what the starts begin with, in place of the solver's random start.
    workers : int
        Processes that share the starts. Each start then runs by itself in one thread. The result is the same to the bit
        for any number of workers.
    executor : str, optional
        What shares the starts, as NAME or NAME:WHERE: see `retrieve.driver.executors`.

    average : str, optional
        What the object is: "best", the chosen start; "agreeing", the mean of the starts that agree; "mean" of all; or
        "common-mode". The solver's own way unless given: "agreeing" of `auto`, "best" of the others.
    keep : int, optional
        Starts that "common-mode" keeps.
    verdict : bool
        False: neither verdict nor uncertainty is taken, which saves their time.

    Returns
    -------
    Result
        Every start with its scores, the chosen object, its verdict and uncertainty, the cost, and a manifest that
        replays the run.

    Raises
    ------
    InputError
        For an unknown name, an argument out of range, a problem that the solver cannot do, and one that does not fit into
        memory.
    SolverError
        For a failed start, for all of them if not `strict`, and for a start that its workers die of.
    """
    from ..driver.run_spec import Budget, RunSpec
    from ..driver.solve import run
    from .averaging import average_starts

    spec = RunSpec(
        solver=solver_of(solver),
        starts=starts,
        seed=seed,
        hold_out=hold_out,
        budget=budget or Budget(),
        agree=agree,
        samples=samples,
        device=device,
        averaging=average,
        keep=keep,
        batch=batch,
        score_every=score_every,
        strict=strict,
    )
    result = run(spec, check_problem(problem), x0=x0, on_step=on_step, workers=workers, executor=executor)
    averaging = average or spec.solver.averaging
    if verdict:
        return judged(result, averaging, keep)
    return result if averaging == "best" else average_starts(result, averaging, keep)


def judged(
    result: Result, averaging: str = "best", keep: int | None = None, say: Callable[[str], object] | None = None
) -> Result:
    """The result with its starts averaged, a verdict, and its uncertainty.

    Where starts failed or were interrupted, they may not average: the best start is kept, and `say` hears why.
    """
    from .averaging import average_starts
    from .uncertainty import uncertainty_of
    from .verdict import judge

    try:
        result = average_starts(result, averaging, keep)
    except InputError as error:
        if say is None:
            raise
        say(f"not averaged: {error}; the best start is kept")
    return replace(result, verdict=judge(result), uncertainty=uncertainty_of(result))


def compare(
    solvers: Mapping[str, Solver | str] | Sequence[Solver | str],
    problems: Problem | str | Path | Sequence[Problem | str | Path] | Mapping[str, Problem],
    *,
    noise: Sequence[float] | None = None,
    objects: int | None = None,
    **options: Any,
) -> Comparison:
    """Compare solvers on the same problems with the same starts, held-out pixels and budget.

    Parameters
    ----------
    solvers : mapping or sequence of Solver or str
        Solvers, or names with options such as ``"hio:beta=0.8"``. A mapping gives them labels.
    problems : Problem, path, str, or several
        Problems, files, or the name of a benchmark (``retrieve compare --list``).
    noise : sequence of float, optional
        Noise levels σ, of a benchmark.
    objects : int, optional
        How many objects, of a benchmark.
    **options
        As in `retrieve.evaluate.compare.compare`: starts, seed, seconds, workers, …

    Returns
    -------
    Comparison
        One row a start, and one for the start that the held-out pixels choose.

    Raises
    ------
    InputError
        For names, files and numbers that cannot be used.
    """
    from . import compare as harness
    from .benchmarks import benchmark, benchmark_names

    labelled = solvers.items() if isinstance(solvers, Mapping) else [(_label(solver), solver) for solver in _list_of(solvers)]
    competitors: dict[str, Any] = {}
    for label, solver in labelled:
        if label in competitors:
            raise InputError(f"two solvers are labelled {label!r}; give a mapping of labels to solvers")
        competitors[label] = solver_of(solver)
    if isinstance(problems, str) and problems.partition(":")[0] in benchmark_names():
        chosen = benchmark(problems)
        options = {"starts": chosen.starts, "seconds": None if "budget" in options else chosen.seconds, **options}
        levels = list(chosen.noise if noise is None else noise)
        about = {"benchmark": problems, "noise": levels, "objects": objects or chosen.objects}
        return harness.compare(competitors, chosen.cases(noise, objects), about=about, **options)
    if noise is not None or objects is not None:
        raise InputError("noise and objects belong to a benchmark; problems are compared as they are")
    cases = [harness.CompareCase(name, None, 0, problem) for name, problem in _named(problems)]
    return harness.compare(competitors, cases, **options)


def solver_of(solver: Solver | str) -> Solver:
    """A solver, or the one of a name with options such as ``"hio:beta=0.8"``.

    Raises `InputError` for an unknown name, and for what is no solver.
    """
    if isinstance(solver, Solver):
        return solver
    if isinstance(solver, str):
        found: Solver = solver_from(solver, {})
        return found
    if isinstance(solver, type) and issubclass(solver, Solver):
        raise InputError(f"solver={solver.__name__} is a class; make one: {solver.__name__}()")
    if isinstance(solver, Problem):
        raise InputError("solver is a Problem: the solver comes first, as in solve(solver, problem)")
    raise InputError(f"solver={solver!r} is no solver; give one, or its name (`retrieve solvers`)")


def check_problem(problem: Any) -> Problem:
    """The problem. Raises `InputError` for what is none."""
    if isinstance(problem, Problem):
        return problem
    if isinstance(problem, (str, Path)):
        raise InputError(f"problem={str(problem)!r} is a name; read it first: solve(solver, retrieve.read({str(problem)!r}))")
    raise InputError(
        f"problem is {type(problem).__name__}, no Problem; make one: Problem.from_arrays(intensity=…), or retrieve.read(FILE)"
    )


def _label(solver: Solver | str) -> str:
    return solver if isinstance(solver, str) else str(getattr(solver, "name", solver))


def _list_of(items: Any) -> list[Any]:
    return list(items) if isinstance(items, (list, tuple)) else [items]


def _named(problems: Any) -> list[tuple[str, Problem]]:
    """The problems with a name each: of a mapping its keys, of a file its path, else a number."""
    from ..io import read

    if isinstance(problems, Mapping):
        return [(str(name), check_problem(problem)) for name, problem in problems.items()]
    named = []
    for number, problem in enumerate(_list_of(problems)):
        if isinstance(problem, (str, Path)):
            named.append((str(problem), read(problem)))
        else:
            named.append((f"problem {number}", check_problem(problem)))
    return named
