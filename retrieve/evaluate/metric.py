"""The declaration of a metric: its formula, range, direction and source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ..errors import InputError


@dataclass(frozen=True)
class Metric:
    """One figure of merit. Calling it calls its function.

    Parameters
    ----------
    name : str
        As the command line and tables show it.
    function : callable
        From (x, truth, mask) or (estimate, problem), see `needs`, to a float.
    formula : str
        In symbols and words.
    range : tuple of float
        The lowest and the highest value.
    direction : {"higher", "lower"}
        Which value is better.
    source : str
        Who defined it.
    needs : {"truth", "data"}
        "truth" if it compares with the truth, "data" if it sees the measurement alone.

    Raises
    ------
    InputError
        For a range, direction or need that is none.
    """

    name: str
    function: Callable[..., float]
    formula: str
    range: tuple[float, float]
    direction: Literal["higher", "lower"]
    source: str
    needs: Literal["truth", "data"]

    def __post_init__(self) -> None:
        if self.direction not in ("higher", "lower"):
            raise InputError(f"metric {self.name!r} has direction={self.direction!r}; give higher or lower, whichever is better")
        if self.needs not in ("truth", "data"):
            raise InputError(f"metric {self.name!r} has needs={self.needs!r}; give truth or data")
        if not self.range[0] < self.range[1]:
            raise InputError(f"metric {self.name!r} has range={self.range}; give the lowest and the highest value")

    def __call__(self, *arguments: object) -> float:
        """The value for (x, truth, mask) or (estimate, problem)."""
        return float(self.function(*arguments))


def metric(
    formula: str,
    range: tuple[float, float],
    direction: Literal["higher", "lower"],
    source: str,
    needs: Literal["truth", "data"] = "truth",
) -> Callable[[Callable[..., float]], Metric]:
    """Turn a function into the metric of its name.

    Parameters
    ----------
    formula : str
        The definition, in symbols and words.
    range : tuple of float
        The lowest and the highest value.
    direction : {"higher", "lower"}
        The better direction.
    source : str
        The author of the definition.
    needs : {"truth", "data"}
        "truth" for a function of (x, truth, mask), "data" for one of (estimate, problem).

    Returns
    -------
    callable
        The decorator.
    """
    return lambda function: Metric(function.__name__, function, formula, range, direction, source, needs)
