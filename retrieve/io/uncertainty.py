"""The record of an uncertainty, as results keep it: a map of the object, and a statement on each shell of frequency."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple, Required

import numpy as np
from annotated_types import Ge, Predicate
from numpy.typing import NDArray
from typing_extensions import TypedDict

LIMITS = {
    "data": "the counts end",
    "starts": "the starts disagree",
    "model": "the model puts less than half of the measured amplitude there",
}
"""What ends the resolution, in words."""


class Shells(TypedDict, total=False):
    """The shells of frequency; see `Uncertainty`."""

    frequency: list[float]
    signal: list[float | None]
    hidden: list[float | None]
    agreement: list[float | None]
    limit: list[str]


def _are_whole(shells: Shells) -> bool:
    """Whether there are no shells, or as many entries in each list."""
    return not shells or (len(shells) == 5 and len({len(column) for column in shells.values()}) == 1)  # type: ignore[arg-type]


class UncertaintyRecord(TypedDict, total=False):
    """The record of an `Uncertainty`: all but its map."""

    words: Required[str]
    starts: tuple[Annotated[int, Ge(0)], ...]
    samples: Annotated[int, Ge(0)]
    noise: float
    undetermined: float | None
    level: float
    shells: Annotated[Shells, Predicate(_are_whole)]
    resolution: float | None


class Uncertainty(NamedTuple):
    """How far an object is determined, place by place and by spatial frequency.

    Attributes
    ----------
    words : str
        The summary in a sentence, or what it takes to make one.
    starts : tuple of int
        Numbers of the starts that explain the data as well as the chosen one, with the chosen one first.
    samples : int
        Number of the posterior samples that stand for the starts, 0 without.
    noise : float
        Standard deviation of a pixel of the object by the noise alone, in units of its amplitude.
    relative : ndarray or None
        float32 (*shape): the standard deviation over the local amplitude, 0 to 1, where 1 says that nothing is known; NaN
        outside the object. None with fewer than two starts that explain the data.
    undetermined : float or None
        Share of the object's pixels in which `relative` is above `level`.
    level : float
        From which a pixel is not determined.
    shells : mapping
        Lists of one length: frequency (1/px), signal (mean intensity of a pixel), hidden (the intensity that noise and a
        threshold hide), agreement (correlation of the chosen start with the others, −1 to 1) and limit: "" in a shell that is
        determined, else "data", "starts", "model", "not measured" or "one start". None stands for unknown numbers.
    resolution : float or None
        The last frequency (1/px) before the first shell that is not determined.
    """

    words: str
    starts: tuple[int, ...] = ()
    samples: int = 0
    noise: float = 0.0
    relative: NDArray[np.float32] | None = None
    undetermined: float | None = None
    level: float = 0.3
    shells: Mapping[str, list[Any]] = {}
    resolution: float | None = None

    def record(self) -> dict[str, Any]:
        """All but the map, ready for JSON."""
        made = {name: value for name, value in self._asdict().items() if name != "relative"}
        return {**made, "starts": list(self.starts), "shells": dict(self.shells)}
