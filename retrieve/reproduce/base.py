"""What a figure of the paper becomes here: our figures beside the paper's, a picture, and how it was made."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

from ..solvers.learned.diffusion import Diffusion
from ..solvers.learned.dps import DPS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Effort(NamedTuple):
    """How much is spent on a figure.

    objects: of each set and noise level; volumes: of them in 3D.  starts: of the solvers that take several.
    samples: from the posterior.  search, evaluations: of `diffusion`.  timesteps: of `dps`.  workers: processes.
    """

    objects: int = 40
    volumes: int = 40
    starts: int = 8
    samples: int = 100
    search: int = Diffusion.search
    evaluations: int | None = Diffusion.evaluations
    timesteps: int = DPS.UNTOLD["timesteps"]
    workers: int = 1


QUICK = Effort(objects=2, volumes=1, starts=4, samples=12, search=1000, evaluations=120, timesteps=60)
"""A look at every figure within minutes; its numbers are no results."""


class Line(NamedTuple):
    """One number: what it is, ours, the key of the paper's in paper.json (none: ours alone), and why they differ."""

    what: str
    ours: float
    paper: str | None = None
    why: str = ""


class Reproduction(NamedTuple):
    """A figure of the paper made here. how: what was run, in words.  figure: drawn.  details: more for the JSON."""

    how: str
    lines: list[Line]
    figure: Figure
    details: dict[str, Any]


@lru_cache(maxsize=1)
def paper() -> dict[str, Any]:
    """The paper's title, figures and numbers, with where each stands."""
    record: dict[str, Any] = json.loads((files(__package__) / "paper.json").read_text("utf-8"))
    return record


def line_record(line: Line) -> dict[str, Any]:
    """A line with the paper's number, or its words, for JSON and page."""
    theirs = {} if line.paper is None else paper()["values"][line.paper]
    return {
        "what": line.what,
        "ours": line.ours,
        "paper": theirs.get("value", theirs.get("says")),
        "where": theirs.get("where"),
        "why": line.why,
    }
