"""Equations of the site as MathML, which browsers draw without a script, a font or a network.

A page writes `$x$` in a line and `$$x$$` on lines of its own; pymdownx.arithmatex marks both, this hook of mkdocs replaces them.
"""

from __future__ import annotations

import html
import re
from typing import Any

MARKED = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)


def on_page_content(text: str, **_: Any) -> str:
    """The page's HTML with its equations as MathML."""
    from latex2mathml.converter import convert

    def mathml(found: re.Match[str]) -> str:
        display = "block" if found[1] == "div" else "inline"
        return convert(html.unescape(found[2]).strip(), display=display)

    return MARKED.sub(mathml, text)
