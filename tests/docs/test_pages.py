"""Links, pictures and quoted messages of the pages are what they claim to be."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
LINK = re.compile(r"!?\[[^\]]*\]\((?!https?:)([^)#\s]*)(?:#[^)\s]*)?\)")
SOURCE = "\n".join(path.read_text() for path in (ROOT / "retrieve").rglob("*.py"))

sys.path.insert(0, str(DOCS))
pictures = __import__("pictures")
sys.path.remove(str(DOCS))


def links(page):
    """The targets of a page's relative links and pictures."""
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)
    return [target for target in LINK.findall(prose) if target]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_to_files(page):
    assert [target for target in links(page) if not (page.parent / target).exists()] == []


def test_the_site_lists_every_page():
    listed = set(re.findall(r": ([\w/]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    assert listed == {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}


def test_pictures_are_made_by_a_command_and_small():
    made = {target for group in pictures.GROUPS.values() for target in group.pictures.values()}
    shown = {Path(target).name for page in PAGES for target in links(page) if target.endswith(".png")}
    for name in made:
        assert (DOCS / "figures" / name).stat().st_size <= pictures.LIMIT
    assert made <= shown


def test_every_picture_has_a_description():
    for page in PAGES:
        for description in re.findall(r"!\[([^\]]*)\]\(", page.read_text()):
            assert len(description.split()) >= 2, f"{page.name}: {description!r} does not say what the picture shows"


def quoted():
    """The pieces of messages in the first column of the tables of messages and warnings."""
    page, wanted = (DOCS / "troubleshooting.md").read_text(), False
    for line in page.splitlines():
        if line.startswith("| message |") or line.startswith("| warning |"):
            wanted = True
        elif not line.startswith("|"):
            wanted = False
        elif wanted:
            yield from re.findall(r"`([^`]+)`", line.split(" | ")[0])


@pytest.mark.parametrize("piece", list(quoted()))
def test_quoted_messages_are_in_the_program(piece):
    assert piece in SOURCE, f"no message contains {piece!r} any more; quote the new one in docs/troubleshooting.md"


def test_many_messages_are_quoted():
    assert len(list(quoted())) > 25
