"""Equations of the site as MathML, which browsers draw without a script, a font or a network.

A page writes `$x$` in a line and `$$x$$` on lines of its own. `pymdownx.arithmatex` marks both; this extension of Python-Markdown
replaces the marks. Every generator that renders with Python-Markdown takes it: list `docs.equations` in `markdown_extensions`.
"""

from __future__ import annotations

import html
import re

from latex2mathml.converter import convert
from markdown import Markdown
from markdown.extensions import Extension
from markdown.postprocessors import Postprocessor

MARKED = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)
LAST = -100  # priority; the marks are in the text only when all other postprocessors are done


def mathml(text: str) -> str:
    """The HTML with its marked equations as MathML."""

    def one(found: re.Match[str]) -> str:
        block = found[1] == "div"
        math = convert(html.unescape(found[2]).strip(), display="block" if block else "inline")
        return f'<div class="equation">{math}</div>' if block else math

    return MARKED.sub(one, text)


class MathML(Postprocessor):
    """The last step of a page."""

    def run(self, text: str) -> str:
        """The HTML with its marked equations as MathML."""
        return mathml(text)


class Equations(Extension):
    """Adds `MathML` to Python-Markdown."""

    def extendMarkdown(self, md: Markdown) -> None:
        """Called by Python-Markdown."""
        md.postprocessors.register(MathML(md), "equations", LAST)


def makeExtension(**options: object) -> Equations:
    """Called by Python-Markdown."""
    return Equations(**options)
