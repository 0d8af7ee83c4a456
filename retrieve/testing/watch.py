"""Watch over foreign code: a limit of time, and the global random generators, which no solver or prior may touch."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import c_ulong, py_object, pythonapi
from typing import Any

import numpy as np


class _Stopped(BaseException):
    """Raised inside code that ran out of its time."""


def within(seconds: float, function: Callable[[], Any]) -> Any:
    """The function's value; raises TimeoutError where it takes longer.

    It runs in a thread. When the time is over, an exception stops the thread at its next line of Python.
    """
    done: dict[str, Any] = {}

    def run() -> None:
        try:
            done["value"] = function()
        except _Stopped:
            pass
        except BaseException as error:  # carried over to the caller
            done["error"] = error

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        pythonapi.PyThreadState_SetAsyncExc(c_ulong(thread.ident or 0), py_object(_Stopped))
        thread.join(1.0)
        raise TimeoutError(f"not done after {seconds:g} s")
    if "error" in done:
        raise done["error"]
    return done["value"]


@contextmanager
def global_seed(seed: int) -> Iterator[None]:
    """Seed the global generators of Python, NumPy and, where it is loaded, torch; restore their states at the end."""
    torch = sys.modules.get("torch")
    before = random.getstate(), np.random.get_state(), torch and torch.get_rng_state()  # noqa: NPY002
    try:
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        if torch:
            torch.random.default_generator.manual_seed(seed)
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002
        if torch:
            torch.set_rng_state(before[2])


def global_state() -> dict[str, Any]:
    """The states of the global generators, in a form that can be compared."""
    numpy: Any = np.random.get_state()  # noqa: NPY002
    found = {"random": random.getstate(), "numpy.random": (numpy[0], numpy[1].tobytes(), *numpy[2:])}
    if torch := sys.modules.get("torch"):
        found["torch"] = torch.get_rng_state().numpy().tobytes()
    return found
