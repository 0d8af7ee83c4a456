"""The page: a result, a comparison or an analysis as one self-contained HTML file that any browser opens without a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...files import check_writable, write_text

if TYPE_CHECKING:
    from ...evaluate.analyze import Analysis
    from ...evaluate.comparison import Comparison
    from ...io.result import Result

__all__ = ["page", "write_page"]


def page(content: Result | Comparison | Analysis) -> str:
    """The HTML document of a result, a comparison or an analysis.

    Everything is in it: pictures as PNG data, charts as SVG, style and script; a content security policy
    forbids it to fetch anything. The same content gives the same text.
    """
    from ...evaluate.analyze import Analysis
    from ...evaluate.comparison import Comparison

    if isinstance(content, Analysis):
        from .of_analysis import analysis_page

        return analysis_page(content)
    if isinstance(content, Comparison):
        from .of_comparison import comparison_page

        return comparison_page(content)
    from .of_result import result_page

    return result_page(content)


def write_page(content: Result | Comparison | Analysis, path: str | Path) -> Path:
    """Write the page of a result, a comparison or an analysis; returns the path.

    The file is written beside its place and renamed. Raises `InputError` when the place cannot be written.
    """
    check_writable(path)
    return write_text(path, page(content))
