"""The figures and the table of times of Lee et al. (2026), made with this package and put beside the paper's numbers."""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..evaluate.store import Store
from ..files import json_value, write_text
from ..plugins.options import unknown
from ..provenance import versions
from ..report.figure import write_figure
from ..report.tables import Column, TablePanel
from .base import QUICK, Effort, Reproduction, line_record, paper

__all__ = ["COMPARED", "FIGURES", "QUICK", "Effort", "reproduce", "write_overview"]

FIGURES = {
    "fig2": "simulated:fig2",
    "fig3": "simulated:fig3",
    "fig4": "train:fig4",
    "fig5": "train:fig5",
    "fig6": "volume:fig6",
    "speed": "simulated:speed",
}
"""Names, with the function of each."""

COMPARED = ("fig2", "fig3", "fig6")
"""Those of many runs, each of which a store keeps."""


def reproduce(name: str, effort: Effort, folder: Path, command: str = "", store: Store | None = None) -> dict:
    """Make a figure, and write ``name.png`` and ``name.json`` into the folder; returns the content of the JSON.

    command: the command line, for the JSON.  store: of runs, for the figures of `COMPARED`; runs that it holds are not repeated.
    Raises `InputError` for an unknown name, and the errors of its solvers.
    """
    if name not in FIGURES:
        raise InputError(unknown("figure", name, FIGURES))
    module, _, function = FIGURES[name].partition(":")
    make: Callable[..., Reproduction] = getattr(importlib.import_module(f".{module}", __name__), function)
    begun, before = time.perf_counter(), store.taken if store else 0
    made = make(effort, store) if name in COMPARED else make(effort)
    content = {
        "figure": name,
        "title": paper()["figures"][name],
        "paper": paper()["paper"],
        "command": command,
        "seconds": round(time.perf_counter() - begun, 1),
        "kept_runs": store.taken - before if store else 0,
        "how": made.how,
        "lines": [line_record(line) for line in made.lines],
        "effort": effort._asdict(),
        "versions": versions(),
        "details": made.details,
    }
    write_figure(made.figure, folder / f"{name}.png")
    write_text(folder / f"{name}.json", json.dumps(json_value(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return content


def write_overview(folder: Path) -> Path:
    """The page of all figures that the folder holds, ``index.html``; returns its path."""
    from ..report.page.render import render

    contents = {name: json.loads(path.read_text("utf-8")) for name in FIGURES if (path := folder / f"{name}.json").exists()}
    pictures = {name: (folder / f"{name}.png").read_bytes() for name in contents if (folder / f"{name}.png").exists()}
    figures = {name: (content, pictures.get(name), _table(name, content)) for name, content in contents.items()}
    source = next((content["paper"] for content in contents.values()), "")
    return write_text(folder / "index.html", render("reproduction.html", figures=figures, paper=source))


def _table(name: str, content: Mapping[str, Any]) -> TablePanel:
    """Our numbers beside the paper's."""
    heads = {
        "what": "what",
        "ours": "here",
        "paper": "paper",
        "where": "where in the paper",
        "why": "why they differ, or a remark",
    }
    columns = [
        Column(head, [line[key] or None if key == "why" else line[key] for line in content["lines"]])
        for key, head in heads.items()
    ]
    return TablePanel(f"{name}-table", f"{content['title']}: here and in the paper", columns)
