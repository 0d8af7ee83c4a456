"""The global random generators, which no solver or prior may touch."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


@contextmanager
def global_seed(seed: int) -> Iterator[None]:
    """Python's, NumPy's and, where it is loaded, torch's global generators begin with `seed`, and are given back as they were."""
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
    """Where each global generator stands, in a form that can be compared."""
    numpy: Any = np.random.get_state()  # noqa: NPY002
    found = {"random": random.getstate(), "numpy.random": (numpy[0], numpy[1].tobytes(), *numpy[2:])}
    if torch := sys.modules.get("torch"):
        found["torch"] = torch.get_rng_state().numpy().tobytes()
    return found
