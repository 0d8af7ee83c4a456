"""Figures as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..files import check_writable, replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURE_KINDS = ("png", "pdf", "svg", "svgz", "eps", "ps", "jpg", "jpeg", "tif", "tiff", "webp")


def check_picture(path: str | Path) -> Path:
    """Check that a picture can be drawn and written at a path, before long work.

    Parameters
    ----------
    path : str or Path
        The file. Its suffix gives the format.

    Returns
    -------
    Path
        The same path.

    Raises
    ------
    InputError
        For a suffix that cannot be drawn, and for a place that cannot be written.
    """
    _kind(Path(path))
    return check_writable(path)


def write_figure(figure: Figure, path: str | Path) -> Path:
    """Write a figure beside its place and rename it.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    path : str or Path
        The file. Its suffix gives the format: PNG without one, or pdf, svg, …

    Returns
    -------
    Path
        The same path.

    Raises
    ------
    InputError
        For a suffix that cannot be drawn, and for a place that cannot be written.
    """
    path = Path(path)
    kind = _kind(path)
    with replacing(path) as file:
        figure.savefig(file, format=kind)
    return path


def _kind(path: Path) -> str:
    kind = path.suffix[1:].lower() or "png"
    if kind not in PICTURE_KINDS:
        raise InputError(f"cannot draw a picture as {path.name!r}; end it in one of {', '.join(PICTURE_KINDS)}")
    return kind
