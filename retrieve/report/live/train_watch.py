"""What the live page hears of a training: loss, validations and pictures; and the page that it leaves."""

from __future__ import annotations

import base64
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...files import write_text
from ..numbers import NONE, number
from ..page.render import fragment, render
from ..panels import ChartCurve, CurvePanel, spans_decades
from ..tables import percent
from .screen import Screen, Tile, duration

if TYPE_CHECKING:
    from ...priors.training.state import ProgressMessage

LOOK_SECONDS = 0.5
"""Between two looks at a step."""
MOST_POINTS = 400
"""Of a curve; above that every second one goes."""
MOST_VALIDATIONS = 6
"""Curves of validation losses; of more the first, the last and those evenly between."""


class TrainWatch:
    """The observer of a training: `on_step` calls it.

    Parameters
    ----------
    screen : Screen
        Where it shows what it hears.
    title, lead : str
        What is trained, and how.
    folder : Path
        Where the training writes its pictures.
    """

    def __init__(self, screen: Screen, title: str, lead: str, folder: Path) -> None:
        self.screen, self.title, self.lead, self.folder = screen, title, lead, folder
        self.looked = -math.inf
        self.first: ProgressMessage | None = None
        self.last: ProgressMessage | None = None
        self.losses: list[tuple[float, float]] = []
        self.validations: dict[str, list[tuple[float, float]]] = {}
        screen.show(lead=lead, stage="begins")

    def __call__(self, message: ProgressMessage) -> None:
        """Take note of a step."""
        now = time.monotonic()
        self.first = self.first or message
        checked = self.last is not None and message.validation != self.last.validation
        if now - self.looked < LOOK_SECONDS and not checked and message.progress < 1:
            return
        self.looked, self.last = now, message
        if math.isfinite(message.loss):
            self.losses.append((message.objects, message.loss))
        if checked:
            for name, value in message.validation.items():
                self.validations.setdefault(name, []).append((message.objects, value))
        if len(self.losses) > MOST_POINTS:
            del self.losses[1::2]
        self.screen.show(stage=f"{message.objects} objects", tiles=self._tiles(message))
        self.screen.progress(message.progress)
        shown = self._content()
        self.screen.offer(lambda: fragment("live_train.html", **shown, picture=self._picture()))

    def write(self, path: Path, words: str, card: Mapping[str, Any] | None = None) -> Path:
        """Write the page of the training as far as it has come. words: how it ended.  card: of its weights."""
        tiles = [] if self.last is None else self._tiles(self.last)
        shown = {**self._content(), "picture": self._picture()}
        text = render("training.html", title=self.title, lead=self.lead, words=words, tiles=tiles, card=card, **shown)
        return write_text(path, text)

    def _tiles(self, message: ProgressMessage) -> list[Tile]:
        first = self.first or message
        spent = message.seconds - first.seconds
        speed = (message.objects - first.objects) / spent if spent > 0 else math.nan
        checked = list(message.validation.items())
        name, value = checked[len(checked) // 2] if checked else ("none yet", None)
        return [
            ("Loss", number(message.loss), "mean over the last steps"),
            ("Validation", number(value), name),
            ("Trained for", duration(message.seconds), f"{percent(message.progress)} of the training"),
            ("Speed", f"{number(round(speed))} /s" if math.isfinite(speed) else NONE, "objects"),
        ]

    def _content(self) -> dict[str, Any]:
        """The charts, of copies of the curves."""
        charts = [curves_of("loss", {"loss": list(self.losses)}, "Loss on the training's objects")]
        names = list(self.validations)
        step = max(1, math.ceil(len(names) / MOST_VALIDATIONS))
        chosen = {name: list(self.validations[name]) for name in names[::step]}
        charts.append(curves_of("validation", chosen, "Loss on other objects, with averaged weights"))
        return {"charts": [chart for chart in charts if chart.curves]}

    def _picture(self) -> str:
        """The newest picture as the URI of a PNG; empty if there is none."""
        pictures = sorted(self.folder.glob("picture-*.png"))
        if not pictures:
            return ""
        return "data:image/png;base64," + base64.b64encode(pictures[-1].read_bytes()).decode()


def curves_of(ylabel: str, curves: Mapping[str, list[tuple[float, float]]], title: str) -> CurvePanel:
    """Curves of (objects, loss) by name."""
    made = []
    for series, (name, points) in enumerate(curves.items()):
        if points:
            x, y = zip(*points, strict=True)
            made.append(ChartCurve(series, x, y, name if len(curves) > 1 else "", marks=len(points) < 20))
    log = spans_decades([np.array([y for _, y in points]) for points in curves.values()])
    return CurvePanel(title, made, "objects", ylabel, f"{ylabel} against the objects trained on", log=log)
