"""One solve as the commands run it: workers, live progress, interruption and averaging."""

from __future__ import annotations

import signal
from dataclasses import replace
from types import FrameType
from typing import Any

from rich.console import Console

from ..errors import InputError
from .progress import live_progress


def sharing(given: dict[str, Any]) -> None:
    """Completes workers and executor in `given`. Raises `InputError` for an executor that is not there."""
    from ..driver.executors import factory
    from ..numerics.arrays import cores, find_device

    if given["executor"] is None and (given["workers"] or 1) > 1:
        given["executor"] = "processes"
    if given["executor"] is not None:
        factory(given["executor"])
        most = cores() if given["executor"] != "serial" and find_device(given["device"]).name == "cpu" else 1
        given["workers"] = given["workers"] or min(most, given["starts"])


def run_solver(chosen: Any, problem: Any, given: dict[str, Any], console: Console, quiet: bool) -> Any:
    """Solve with live progress; Ctrl-C stops at the next step, twice at once."""
    from ..driver.solve import Budget, solve
    from ..evaluate.averaging import average_starts
    from ..evaluate.verdict import judge
    from ..numerics.arrays import find_device

    where = find_device(given["device"], chosen.library)
    told = f"{chosen.name} on {where.name} ({where.describe()}), {given['starts']} start(s), seed {given['seed']}"
    executor = given.get("executor")
    told += f", {given['workers']} worker(s) of {executor}" if executor else ""
    with Interrupt(at_once=executor is not None) as interrupt, live_progress(console, quiet) as on_step:
        console.print(told, markup=False)
        result = solve(
            chosen,
            problem,
            starts=given["starts"],
            seed=given["seed"],
            device=given["device"],
            hold_out=given["hold_out"],
            agree=given["agree"],
            samples=given["samples"],
            on_step=lambda told: on_step(told) or interrupt.asked,
            strict=given["starts"] == 1,
            budget=Budget(seconds=given["seconds"]),
            workers=given.get("workers") or 1,
            executor=executor,
        )
    try:
        result = average_starts(result, given["combine"], given["keep"])
    except InputError as error:  # starts failed or were interrupted: what there is must not be lost
        console.print(f"not combined: {error}; the best start is kept", markup=False)
    return replace(result, verdict=judge(result))


class Interrupt:
    """Turns the first Ctrl-C into a request to stop, the second, or with `at_once` the first, into a KeyboardInterrupt."""

    def __init__(self, at_once: bool = False) -> None:
        self.asked, self.at_once = False, at_once

    def __enter__(self) -> Interrupt:
        self.before = signal.signal(signal.SIGINT, self._ask)
        return self

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked or self.at_once:
            raise KeyboardInterrupt
        self.asked = True

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self.before)
