"""Solvers whose process dies or is stopped, for the tests of what shares work among processes."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from retrieve.solvers import Solver, Step


@dataclass(frozen=True)
class Killed(Solver):
    """Leaves a file in a folder at each try and kills its own process, until there are so many."""

    name: ClassVar[str] = "killed"
    folder: str = ""
    times: int = 1

    def steps(self, problem, x, rng) -> Iterator[Step]:
        tries = Path(self.folder)
        number = len(list(tries.iterdir()))
        if number < self.times:
            (tries / str(number)).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        yield Step(x)


@dataclass(frozen=True)
class Announced(Solver):
    """Leaves a file in a folder at its first step, and goes on for a minute."""

    name: ClassVar[str] = "announced"
    folder: str = ""

    def steps(self, problem, x, rng) -> Iterator[Step]:
        begun = time.monotonic()
        while time.monotonic() - begun < 60:
            x = problem.fit_modulus(x)
            yield Step(x)
            (Path(self.folder) / f"{os.getpid()}-{threading.get_ident()}-{begun}").touch()
