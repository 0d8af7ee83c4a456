"""cohere-core as a solver: its iteration as it is, its conventions translated.

| | `retrieve` | cohere |
|---|---|---|
| data | amplitude, zero frequency at index 0, masked where not measured | amplitude, its maximum in the middle, no mask |
| forward transform | exp(−2πi qr)/√N | exp(+2πi qr): its objects are the complex conjugates |
| start | seeded, the same for every solver | uniform numbers, seeded by the clock |
| result | in the units of the data | divided by its maximum |
"""

from __future__ import annotations

import contextlib
import io
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from retrieve import Array, InputError, OptionError, Problem, Solver, Step, Streams, hookimpl, option
from retrieve.numerics.arrays import like, to_numpy
from retrieve.solvers.learned.base import is_plain

PART = r"[1-9]\d*\*(?:ER|HIO|SF|RAAR)"
SEQUENCE = re.compile(rf"(?:{PART}|[1-9]\d*\*\({PART}(?:\+{PART})+\))(?:\+(?:{PART}|[1-9]\d*\*\({PART}(?:\+{PART})+\)))*")
"""What cohere's parser of `algorithm_sequence` takes: a group has two parts at least, and no group within."""


@dataclass(frozen=True)
class Cohere(Solver):
    """cohere-core on the CPU: ER, HIO, SF and RAAR in sequence, shrink-wrap, with its options under its names.

    A known support is kept; an unknown one begins as cohere's box and is found by its shrink-wrap. Its transforms are its own:
    they are not counted, so compare it by iterations or seconds.
    """

    name: ClassVar[str] = "cohere"
    source: ClassVar[str] = "Frosik, Harder et al., cohere (Advanced Photon Source), pip: cohere-core"
    algorithm_sequence: str = option("3*(20*ER+180*HIO)+20*ER", "algorithms in sequence, in cohere's notation, by + and *")
    hio_beta: float = option(0.9, "relaxation β of HIO", gt=0, le=2)
    raar_beta: float = option(0.45, "relaxation β of RAAR, as cohere writes it", gt=0, le=1)
    shrink_wrap: int = option(5, "iterations between shrink-wraps where the support is unknown, 0 for none", ge=0)
    shrink_wrap_threshold: float = option(0.1, "threshold of the shrink-wrap, relative to the maximum", gt=0, lt=1)
    shrink_wrap_gauss_sigma: float = option(1.0, "blur before the threshold, px", gt=0)
    initial_support_area: float = option(
        0.5, "side of the first box over that of the array, where no support is known", gt=0, le=1
    )
    twin: int | None = option(None, "iteration at which all but a quarter is set to zero, to break the twin; 3D alone", ge=0)
    guess: str = option(
        "start", "the start that every solver gets, or uniform numbers as cohere makes them", choices=("start", "cohere")
    )
    unmeasured: str = option(
        "free", "pixels that are not measured keep the model's value, or are dark as cohere has them", choices=("free", "dark")
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not SEQUENCE.fullmatch(self.algorithm_sequence.replace(" ", "")):
            raise OptionError(
                f"option algorithm_sequence={self.algorithm_sequence!r} is not cohere's; write ER, HIO, SF, RAAR with numbers of "
                "iterations, such as 3*(20*ER+180*HIO)+20*ER, two parts at least in a group"
            )
        if self.twin is not None and self.twin >= self.total:
            raise OptionError(f"option twin={self.twin} is past the last of {self.total} iterations; give a smaller one")

    @property
    def total(self) -> int:
        """The iterations of the sequence."""
        parts = re.findall(r"(\d+)\*(?:\(([^)]*)\)|[A-Z]+)", self.algorithm_sequence.replace(" ", ""))
        return sum(int(n) * (sum(map(int, re.findall(r"\d+", group))) if group else 1) for n, group in parts)

    def check(self, problem: Problem) -> None:
        """Refuse what cohere has no word for: operators other than the far field, its twin operation in 2D."""
        if not is_plain(problem):
            raise InputError("cohere takes the far field as it is measured, without further operators; prepare the data first")
        if self.twin is not None and len(problem.shape) == 2:
            raise InputError(f"cohere's twin operation (twin={self.twin}) works in three axes alone; leave it out")

    def record(self) -> dict[str, Any]:
        """The version of cohere-core."""
        from importlib.metadata import version

        return {"cohere_core": version("cohere-core")}

    def steps(self, problem: Problem, x: Array, rng: Streams) -> Iterator[Step]:
        """One of cohere's iterations after the other, for each start."""
        valid = to_numpy(problem.valid)
        y = np.where(valid, to_numpy(problem.amplitude), 0).astype(float)
        scale = y.max() or 1.0  # of the data in cohere, which takes a field below 1e-9 for zero
        free = ~valid if self.unmeasured == "free" and not valid.all() else None
        support = None if problem.support is None else to_numpy(problem.support)
        unit = scale * np.sqrt(y.size)  # cohere's forward transform has no 1/√N
        runs = [self.reconstruction(y / scale, support) for _ in range(x.shape[0])]
        for run, guess in zip(runs, self.guesses(x, rng, unit), strict=True):
            run.ds_image = guess * run.support if self.guess == "cohere" else guess
        iterations = [iterate(run, free) for run in runs]
        for _ in range(self.total):
            for iteration in iterations:
                next(iteration)
            found = np.stack([run.ds_image.conj() * unit for run in runs]).astype(np.complex64)
            yield Step(like(found, x), like(np.stack([run.support > 0 for run in runs]), problem.valid))

    def reconstruction(self, amplitude: np.ndarray, support: np.ndarray | None) -> Any:
        """cohere's `Rec` on amplitudes (*shape) with zero frequency at index 0, ready for its first iteration.

        It reads files, prints, and seeds NumPy's generator by the clock: the files are temporary, the rest is undone.
        """
        from cohere_core.controller.phasing import create_rec

        params: dict[str, Any] = {
            "algorithm_sequence": self.algorithm_sequence,
            "hio_beta": self.hio_beta,
            "raar_beta": self.raar_beta,
            "initial_support_area": [self.initial_support_area] * amplitude.ndim,
        }
        if support is None and self.shrink_wrap and self.shrink_wrap < self.total:
            params |= {
                "shrink_wrap_trigger": [1, self.shrink_wrap],
                "shrink_wrap_type": "GAUSS",
                "shrink_wrap_threshold": self.shrink_wrap_threshold,
                "shrink_wrap_gauss_sigma": self.shrink_wrap_gauss_sigma,
            }
        if self.twin is not None:
            params["twin_trigger"] = [self.twin]
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as told, numpy_state():
            np.save(Path(folder, "data.npy"), np.fft.ifftshift(amplitude))  # cohere's fftshift leads back, for odd axes, too
            if support is not None:
                np.save(Path(folder, "support.npy"), support.astype(int))
                params["continue_dir"] = folder
            run = create_rec(params, str(Path(folder, "data.npy")), "np", -1, debug=True)
        if run is None:
            raise InputError(f"cohere does not take the problem: {told.getvalue().strip()}")
        return run

    def guesses(self, x: Array, rng: Streams, unit: float) -> Iterator[np.ndarray]:
        """The first objects in cohere's terms: from the starts x, or its own kind of random numbers from `rng`."""
        if self.guess == "start":
            yield from to_numpy(x).conj().astype(complex) / unit
        else:
            for real, imaginary in rng.uniform((2, *x.shape[1:])).astype(float):
                yield real + 1j * imaginary


def iterate(run: Any, free: np.ndarray | None) -> Iterator[None]:
    """cohere's flow of operations, a step an iteration; where `free`, the field keeps its value over the modulus operation."""
    for operation in run.flow:
        if operation.__name__ == "next" and run.iter >= 0:
            yield
        kept = run.rs_amplitudes[free] if operation.__name__ == "modulus" and free is not None else None
        operation()
        if kept is not None:
            run.rs_amplitudes[free] = kept
    yield


@contextlib.contextmanager
def numpy_state() -> Iterator[None]:
    """NumPy's global generator is given back as it was."""
    before = np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002


@hookimpl
def register_solvers() -> dict[str, Any]:
    """Adds `cohere`."""
    return {"cohere": Cohere}
