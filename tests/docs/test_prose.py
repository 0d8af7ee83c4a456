"""The prose check finds contorted sentences, leaves plain ones alone, and the pages pass it."""

import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
sys.path.insert(0, str(DOCS))
prose = __import__("prose")
sys.path.remove(str(DOCS))


def faults(text):
    return [fault for one in prose.sentences("page.md", text) for fault in one.faults]


def test_the_pages_pass():
    complaints, mean, longest = prose.check(prose.PAGES)
    assert complaints == []
    assert 8 < mean <= prose.MEAN
    assert 15 < longest <= prose.LONGEST


def test_every_user_page_is_checked():
    names = {page.name for page in prose.PAGES}
    assert {"README.md", "index.md", "first_scan.md", "troubleshooting.md"} <= names
    assert not {"reference.md", "api.md", "changelog.md", "measured.md"} & names


@pytest.mark.parametrize(
    "text",
    [
        "What was assumed of a file is printed.",
        "Where this ends a file is written.",
        "How these were made is in the notes.",
        "It says nothing of what the prior knows.",
        "Any such file is refused here.",
        "The reader is told the shape first.",
        "A copy of it stays in the folder.",
        "The same holds if this is so.",
        "HIO fails here, and so does RAAR.",
        "The pattern is taken for a blurred one.",
        "- an item with words told twice",
    ],
)
def test_contorted_sentences_are_found(text):
    assert len(faults(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "What does the verdict mean?",
        "Formats such as CXI and npz are read.",
        "A sum of items is written.",
        "The object is so small that no speckle is left.",
        "The mask is a file, so that a replay can read it.",
        "```sh\nsuch told of it\n```",
        "| such | told of it by what |\n|---|---|\n| what | told of it |",
        "<!-- such a comment is told of what -->",
        "# Where such a heading is told",
    ],
)
def test_plain_sentences_pass(text):
    assert faults(text) == []


def test_length_is_counted_by_sentence_and_line():
    long = " ".join(["word"] * 36)
    found = prose.sentences("page.md", f"Four words are here.\nLee et al. (2026) wrote five words.\n\n{long}.")
    assert [(one.line, one.words) for one in found] == [(1, 4), (2, 6), (4, 36)]
    assert found[2].faults == ["36 words, at most 35"]


def test_a_page_of_long_sentences_fails_by_its_mean(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(" ".join(["Word"] * 20) + ".")
    complaints, mean, _ = prose.check([page])
    assert mean == 20
    assert "mean" in complaints[0]
