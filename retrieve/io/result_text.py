"""A result in words and as a table."""

from __future__ import annotations

from typing import Any

from ..plugins.shown import frame_of

COLUMNS = ("r", "r_free", "nll", "deviance", "deviance_free", "failure")


def text_of(result: Any) -> str:
    """The chosen start's score and the verdict on one line: set as the method `__repr__`."""
    shape, said = " × ".join(map(str, result.object.shape)), "no verdict"
    if result.verdict is not None:
        said = result.verdict.headline
    return f"Result({shape} px, start {result.chosen} of {len(result.scores)}, R {result.score.r:.3g}, {said})"


def table_of(result: Any) -> Any:
    """Return a pandas DataFrame with a line a start: whether it was chosen, its scores, why it failed."""
    columns = {name: [getattr(score, name) for score in result.scores] for name in COLUMNS}
    return frame_of({"chosen": [k == result.chosen for k in range(len(result.scores))], **columns}).rename_axis("start")
