"""How things look in a notebook. The room `report` draws them; it is named here, and imported when a notebook asks."""

from __future__ import annotations

import importlib
from typing import Any

DRAWN_BY = "retrieve.report.notebook"


def as_html(shown: Any) -> str:
    """The HTML that a notebook shows: set as the method `_repr_html_` of a class."""
    text: str = importlib.import_module(DRAWN_BY).html(shown)
    return text


def as_png(shown: Any) -> bytes:
    """The picture that a notebook shows: set as the method `_repr_png_` of a class."""
    data: bytes = importlib.import_module(DRAWN_BY).png(shown)
    return data


def frame_of(columns: dict[str, list[Any]]) -> Any:
    """A pandas DataFrame of columns of one length.

    Raises
    ------
    ImportError
        Where pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise ImportError("a table needs pandas: pip install pandas") from error
    return pandas.DataFrame(columns)
