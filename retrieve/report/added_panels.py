"""Panels that plugins add to the page of a result: what they may return, and its text made plain."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import PluginError
from ..io.result import Result
from .panels import CurvePanel, DensityPanel, HistogramPanel, ImagePanel
from .tables import Column, TablePanel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    Content = CurvePanel | HistogramPanel | DensityPanel | ImagePanel | TablePanel | Figure | str

CHARTS = (CurvePanel, HistogramPanel, DensityPanel)


@dataclass(frozen=True)
class Panel:
    """A section of a result's page.

    Parameters
    ----------
    title
        The heading.
    target
        A function ``result -> content`` or its lazy name ``"module:function"``. Content is a `CurvePanel`, `HistogramPanel`,
        `DensityPanel`, `ImagePanel`, `TablePanel` or matplotlib `Figure`, a paragraph (str), or a list of these. For None the
        page has no such section. The function leaves the result as it is, and the same result gives the same content.
    sample
        A function ``() -> Result`` that makes a result of which the panel shows something. `retrieve.testing` uses it.
    """

    title: str
    target: str | Callable[[Result], Content | Sequence[Content] | None]
    sample: Callable[[], Result] | None = None

    @property
    def heading(self) -> str:
        """The title in one line, as nothing but text. Empty if it is no text."""
        return " ".join(str.__str__(self.title).split()) if isinstance(self.title, str) else ""

    def contents(self, result: Result) -> list[tuple[str, Any]]:
        """What it shows of a result, each with its kind: chart, image, table, figure or text. Empty for nothing.

        Raises
        ------
        PluginError
            If the function returns anything else.
        """
        target = self.target
        if isinstance(target, str):
            module, _, function = target.partition(":")
            target = getattr(importlib.import_module(module), function)
        found = target(result)
        if found is None:
            return []
        return [(_kind(one), _plain(one)) for one in (found if isinstance(found, (list, tuple)) else [found])]


def _kind(content: Any) -> str:
    if isinstance(content, CHARTS):
        return "chart"
    for kind, name in ((ImagePanel, "image"), (TablePanel, "table"), (str, "text")):
        if isinstance(content, kind):
            return name
    from matplotlib.figure import Figure

    if isinstance(content, Figure):
        return "figure"
    raise PluginError(
        f"its content is of type {type(content).__name__}; return a CurvePanel, TablePanel, Figure, text or a list of these"
    )


def _plain(value: Any) -> Any:
    """A value whose texts are nothing but text, which the page escapes: a subclass of str may call itself markup."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Column):
        return Column(_plain(value.title), [_plain(cell) for cell in value.cells], _plain(value.hint), value.choose)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(_plain, value))
    if isinstance(value, (list, tuple)):
        return (list if isinstance(value, list) else tuple)(map(_plain, value))
    if isinstance(value, Mapping):
        return {_plain(key): _plain(one) for key, one in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.replace(value, **{one.name: _plain(getattr(value, one.name)) for one in dataclasses.fields(value)})
    if isinstance(value, np.ndarray) and value.dtype.kind not in "biufc":
        raise PluginError(f"an array of its content is {value.dtype}; give numbers")
    return value
