"""The page: a result, comparison, analysis or strain as one self-contained HTML file, which opens without a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...files import check_writable, write_text

if TYPE_CHECKING:
    from ...evaluate.analyze import Analysis
    from ...evaluate.comparison import Comparison
    from ...io.result import Result
    from ...strain.record import Strain

__all__ = ["page", "write_page"]


def page(content: Result | Comparison | Analysis | Strain) -> str:
    """Make the HTML document of a result, a comparison, an analysis or a strain.

    The document holds its pictures as PNG data, its charts as SVG, its style and its script. A content security policy
    forbids it to fetch anything. The same content gives the same text.

    Parameters
    ----------
    content : Result, Comparison, Analysis or Strain
        As `solve`, `compare`, `analyze` or `strain_of` returns it.

    Returns
    -------
    str
        The HTML.
    """
    from ...evaluate.analyze import Analysis
    from ...evaluate.comparison import Comparison
    from ...strain.record import Strain
    from .render import render

    if isinstance(content, Analysis):
        from ..analysis_panels import analysis_page

        return render("analysis.html", **analysis_page(content))
    if isinstance(content, Comparison):
        from ..comparison_panels import comparison_page

        return render("comparison.html", **comparison_page(content))
    if isinstance(content, Strain):
        from ..strain_panels import strain_page

        return render("strain.html", **strain_page(content))
    from ..result_panels import result_page
    from .added import added_sections

    return render("result.html", **result_page(content), added=added_sections(content))


def write_page(content: Result | Comparison | Analysis | Strain, path: str | Path) -> Path:
    """Write the page of a result, a comparison, an analysis or a strain.

    Parameters
    ----------
    content : Result, Comparison, Analysis or Strain
        As `solve`, `compare`, `analyze` or `strain_of` returns it.
    path : str or Path
        The file, which is written beside its place and renamed.

    Returns
    -------
    Path
        The same path.

    Raises
    ------
    InputError
        When the place cannot be written.
    """
    check_writable(path)
    return write_text(path, page(content))
