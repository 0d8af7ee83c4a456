"""A support for PyNX and cdiutils, which open no result without one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

THRESHOLD = 0.1
"""Share of the largest amplitude above which a pixel counts as inside, where the solver had no support."""
ESTIMATED = "threshold"
"""The attribute of a support that is a threshold of the object. `starting_point` leaves such a support aside."""


def support_of(x: NDArray[np.complexfloating], support: NDArray[np.bool_] | None) -> tuple[NDArray[np.uint8], dict[str, float]]:
    """The support (*shape), 1 inside, or x above a threshold if the solver had none; and the attributes that say so."""
    if support is not None:
        return support.astype(np.uint8), {}
    amplitude = np.abs(x)
    return (amplitude > THRESHOLD * amplitude.max()).astype(np.uint8), {ESTIMATED: THRESHOLD}
