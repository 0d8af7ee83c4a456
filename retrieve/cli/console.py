"""The terminal: foreign text is printed as it is, never as markup, emoji codes or control sequences."""

from __future__ import annotations

import os
from typing import Any

from rich.console import Console
from rich.progress import Task, TextColumn
from rich.text import Text

from . import plain

UNWRAPPED = 10_000
"""The width, in characters, of what is no terminal: a program or a file reads whole lines."""


class PlainConsole(Console):
    """A console on which file names, notes and the names of plugins stay text, in tables and titles, too."""

    def __init__(self, **given: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **given)
        if not (self.is_terminal or self.is_jupyter or "width" in given or "COLUMNS" in os.environ):
            self.width = UNWRAPPED

    def render_str(self, text: str, **given: Any) -> Text:
        """Text without control characters."""
        return super().render_str(plain(text), **given)


class Words(TextColumn):
    """A column of a progress bar whose text is printed as it is."""

    def __init__(self, text_format: str) -> None:
        super().__init__(text_format, markup=False)

    def render(self, task: Task) -> Text:
        """Text without control characters."""
        return Text(plain(self.text_format.format(task=task)), style="none", justify="left")
