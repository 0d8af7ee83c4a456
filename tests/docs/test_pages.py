"""Links, pictures and quoted messages of the pages are what they claim to be."""

import re
import sys
import tomllib
from pathlib import Path

import pytest

import retrieve

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


def test_every_page_is_linked_from_another():
    def targets(page):
        return {(page.parent / target).resolve() for target in links(page)}

    linked = set().union(*(targets(page) - {page} for page in PAGES if page.parent != ROOT))
    alone = [page.name for page in DOCS.rglob("*.md") if page.resolve() not in linked | {DOCS / "index.md"}]
    assert alone == []


def test_many_pages_show_pictures():
    showing = [page.name for page in PAGES if any(target.endswith(".png") for target in links(page))]
    assert len(showing) >= 15
    how_to = {"README.md", "index.md", "first_scan.md", "prepare.md", "beamline.md", "analyze.md", "strain.md", "gallery.md"}
    assert how_to <= set(showing)
    assert sum(path.stat().st_size for path in (DOCS / "figures").iterdir()) < 2.5e6


def test_the_page_of_the_api_has_every_public_name():
    listed = set(re.findall(r"^::: retrieve\.(\w+)$", (DOCS / "api.md").read_text(), re.MULTILINE))
    assert sorted(set(retrieve.__all__) - listed) == []


def test_the_site_and_the_citation_tell_the_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"retrieve {version}" in (ROOT / "mkdocs.yml").read_text()
    assert f"version: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"version = {{{version}}}" in (DOCS / "cite.md").read_text()


def test_no_table_of_the_reference_is_empty():
    lines = (DOCS / "reference.md").read_text().splitlines()
    empty = [lines[k - 1] for k, line in enumerate(lines[:-1]) if line.startswith("|---") and not lines[k + 1].startswith("| ")]
    assert empty == []
    text = "\n".join(lines)
    for title in ("retrieve simulate", "retrieve train diffusion", "retrieve train unet", "Options of `retrieve prepare scan`"):
        section = text.partition(f"\n### {title}\n")[2].partition("\n### ")[0]
        assert section.count("\n| `--") >= 5, title


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
        if line.startswith(("| message |", "| warning |", "| the program says |")):
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
