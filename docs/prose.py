"""Checks the prose of the READMEs and the user pages: sentence lengths, and words that make a reader try three times.

    python docs/prose.py               # prints offending sentences with file and line, then the figures; exit code 1 for any
    python docs/prose.py docs/index.md # one page

A sentence counts from four words on. Tables, headings, quotes, code blocks and comments are no prose.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[1]
GENERATED = ("reference", "formats", "api", "changelog")
PAGES = [
    ROOT / "README.md",
    *(page for page in sorted((ROOT / "docs").glob("*.md")) if page.stem not in GENERATED),
    *sorted((ROOT / "plugins").glob("*/README.md")),
]

MEAN = 17.0
"""Words that a sentence may have on average, over all pages that are checked together."""
LONGEST = 35
"""Words that any sentence may have."""
LEAST = 4
"""Words from which a piece of text counts as a sentence."""

WORD = re.compile(r"[^\W\d_][\w'’-]*")
ENDS = re.compile(r"(?<![.\s][A-Za-z])(?<!et al)(?<!\bvs)(?<!\bsec)[.!?][)\"”*_]*\s+(?=[^a-z])")
NO_PROSE = ("table_open", "blockquote_open", "heading_open")

BANNED = {
    "a clause as subject": re.compile(
        r"^(?:What|Where|Whether|Whoever|Whatever|That which|How (?:the|these|those|this|they|it))\b"
    ),
    "a clause after a preposition": re.compile(r"\b(?:of|for|with|by|from|than|in|on|as) what\b|\bthat which\b", re.I),
    "`such` alone": re.compile(r"\bsuch\b(?! as\b)", re.I),
    "`told`": re.compile(r"\btold\b", re.I),
    "`of it`": re.compile(r"\bof it\b"),
    "`so` alone": re.compile(
        r"\b(?:is|are|was|were|be|do|does|did|done|said|or|if) so\b(?=[.,;:)]|$)|\bso (?:is|are|does|do|did|has)\b"
    ),
    "an idiom": re.compile(r"\b(?:come by|came by|to be had|for want of|taken for|in the stead|all but)\b", re.I),
}


class Sentence(NamedTuple):
    """A sentence of a page, with the line on which it begins."""

    page: str
    line: int
    text: str

    @property
    def words(self) -> int:
        """How many there are."""
        return len(WORD.findall(self.text))

    @property
    def faults(self) -> list[str]:
        """The rules that it breaks, in words."""
        found = [f"{self.words} words, at most {LONGEST}"] if self.words > LONGEST else []
        if self.text.endswith("?"):
            return found
        return found + [name for name, pattern in BANNED.items() if pattern.search(self.text)]


def paragraphs(text: str) -> Iterator[tuple[int, str]]:
    """First line and plain text of every paragraph and list item."""
    skipped: list[str] = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type in NO_PROSE:
            skipped.append(token.type.replace("_open", "_close"))
        elif skipped and token.type == skipped[-1]:
            skipped.pop()
        elif token.type == "inline" and not skipped and token.map:
            yield token.map[0] + 1, plain(token.children or [])


def plain(tokens: list[Token]) -> str:
    """The text of inline tokens, line breaks and code marks kept; pictures and comments left out."""
    texts = {"text": "{}", "code_inline": "`{}`", "softbreak": "\n", "hardbreak": "\n"}
    return "".join(texts.get(token.type, "").format(token.content) for token in tokens)


def sentences(page: str, text: str) -> list[Sentence]:
    """All sentences of a page that count."""
    found = []
    for line, paragraph in paragraphs(text):
        begin = 0
        for end in [*(match.end() for match in ENDS.finditer(paragraph)), len(paragraph)]:
            piece = paragraph[begin:end]
            one = Sentence(page, line + paragraph.count("\n", 0, begin), " ".join(piece.split()))
            if one.words >= LEAST:
                found.append(one)
            begin = end
    return found


def check(pages: list[Path]) -> tuple[list[str], float, int]:
    """Complaints about the pages, one a line, with the mean and the largest number of words."""
    every = [one for page in pages for one in sentences(_name(page), page.read_text())]
    complaints = [f"{one.page}:{one.line}: {', '.join(faults)}: {one.text}" for one in every if (faults := one.faults)]
    lengths = [one.words for one in every] or [0]
    mean = sum(lengths) / len(lengths)
    if mean > MEAN:
        complaints.append(f"the mean sentence has {mean:.1f} words, at most {MEAN:g}")
    return complaints, mean, max(lengths)


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT)) if page.is_relative_to(ROOT) else page.name


def main() -> int:
    """Check the named pages, or all; 1 for any complaint."""
    pages = [Path(name).resolve() for name in sys.argv[1:]] or PAGES
    complaints, mean, longest = check(pages)
    print(*complaints, sep="\n", end="\n" if complaints else "")
    print(
        f"{len(pages)} pages: mean sentence {mean:.1f} words (at most {MEAN:g}), longest {longest} ({LONGEST}), "
        f"{len(complaints)} complaints"
    )
    return int(bool(complaints))


if __name__ == "__main__":
    sys.exit(main())
