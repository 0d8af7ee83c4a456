"""The cost of a solve."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """The cost of a solve, counted by the driver.

    Attributes
    ----------
    ffts : int
        Transforms of one array of the object's size.
    network_evaluations : int or float
        Forward passes through networks.
    seconds : float
        Wall time.
    steps : int
        Steps of all starts.
    """

    ffts: int = 0
    network_evaluations: int | float = 0
    seconds: float = 0.0
    steps: int = 0
