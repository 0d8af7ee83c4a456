"""What the pages show runs: every block of code, or it says why not."""

import importlib.util
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))
blocks = __import__("blocks")
sys.path.remove(str(ROOT / "docs"))


def needs(page):
    """The module of a plugin's page that is not installed, where it is one."""
    project = page.parent / "pyproject.toml"
    if page.parent == ROOT or not project.exists():
        return None
    setuptools = tomllib.loads(project.read_text())["tool"]["setuptools"]
    module = (setuptools.get("py-modules") or setuptools["packages"])[0]
    return None if importlib.util.find_spec(module) else module


@pytest.mark.slow
@pytest.mark.parametrize("page", blocks.PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_blocks_of_a_page_run(page):
    if module := needs(page):
        pytest.skip(f"{module} is not installed; .ci/run runs this page where it is")
    skipped = blocks.run(page)
    assert all(block.reason for block in skipped)


def page(tmp_path, text):
    (tmp_path / "page.md").write_text(text)
    return tmp_path / "page.md"


def test_what_fails_is_named_with_its_line(tmp_path):
    with pytest.raises(RuntimeError, match=r"page\.md:3 ended with 1(.|\n)*false"):
        blocks.run(page(tmp_path, "# Page\n\n```sh\nfalse\n```\n"))
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        blocks.run(page(tmp_path, "```python\n1 / 0\n```\n"))


def test_setup_replacement_and_saved_files_are_kept_for_what_follows(tmp_path):
    text = """
<!-- setup: echo three > a.txt -->
<!-- run with: four -> three; not there -> a.txt -->
```sh
grep four not there
```
<!-- save as mine.py -->
```python
VALUE = 3
```
<!-- save as test_mine.py -->
```python
from mine import VALUE


def test_it():
    assert VALUE == 3
```
<!-- not run: it would fail -->
```sh
false
```
"""
    (left,) = blocks.run(page(tmp_path, text))
    assert left.reason == "it would fail"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("```toml\na = 1\n```\n", "a block of toml needs"),
        ("```\nretrieve run\n```\n", "a block of no language needs"),
        ("<!-- not run: -->\n```sh\nfalse\n```\n", "says nothing more"),
        ("<!-- run with: a -> b -->\n```sh\ntrue\n```\n", "replaces nothing"),
    ],
)
def test_what_is_not_understood_is_told(tmp_path, text, told):
    with pytest.raises(ValueError, match=told):
        blocks.run(page(tmp_path, text))
