"""Runs every code block of the pages, in order, in one temporary folder for each page.

    python docs/blocks.py                     # all pages
    python docs/blocks.py docs/plugins.md     # one
    python docs/blocks.py --list              # what is not run, and why

bash runs blocks of `sh`, Python blocks of `python`, both in the page's folder, which keeps their files. Comments before a
block, invisible to the reader, give directions:

    <!-- setup: python -m made_up scan.npz -->      runs first; may have several lines (see docs/made_up.py)
    <!-- run with: --starts 16 -> --starts 2 -->    replaces these words, to make the block quick; `;` separates pairs
    <!-- save as my_module.py -->                   saves the block, then runs it; pytest runs test_….py
    <!-- not run: needs a SLURM cluster -->         skips the block, for this reason

Blocks of other languages need `not run` or `save as`. `pip install PATH` installs for this page only.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "plugins").glob("*/README.md"))]
PIECE = re.compile(r"<!--(?P<said>.*?)-->|^```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE)
LIMIT = 600  # seconds that one block may take on a busy machine
PIP = """#!/bin/sh
set -- "$(for word; do case $word in install | -e | -q) ;; *) printf '%s\\n' "$word" ;; esac; done)"
exec "{python}" -m pip install -q --no-deps --no-build-isolation --no-index --target "{site}" $1
"""


class Block(NamedTuple):
    """A block of code, or a setup, with the directions of its comments."""

    line: int
    language: str
    code: str
    reason: str = ""
    file: str = ""


def blocks(page: Path) -> list[Block]:
    """The blocks of a page. Raises `ValueError` for an unknown direction, or a language that cannot run."""
    text, found, said = page.read_text(), [], {}
    for piece in PIECE.finditer(text):
        line = text.count("\n", 0, piece.start()) + 1
        if piece["code"] is None:
            name, colon, rest = piece["said"].strip().partition("save as " if "save as " in piece["said"] else ":")
            if name == "setup" and colon:
                found.append(Block(line, "sh", rest.strip() + "\n"))
            elif colon and name in ("run with", "not run", ""):
                said[name] = " ".join(rest.split())
                if not said[name]:
                    raise ValueError(f"{page.name}:{line}: `{name}` says nothing more")
            continue
        code = piece["code"]
        for pair in filter(None, said.get("run with", "").split("; ")):
            before, arrow, after = pair.partition(" -> ")
            if not arrow or before not in code:
                raise ValueError(f"{page.name}:{line}: `run with: {pair}` has no ` -> `, or replaces nothing in the block")
            code = code.replace(before, after)
        one = Block(line, piece["language"], code, said.get("not run", ""), said.get("", ""))
        if one.language not in ("sh", "python") and not one.reason and not one.file:
            raise ValueError(f"{page.name}:{line}: a block of {one.language or 'no language'} needs <!-- not run: REASON -->")
        found.append(one)
        said = {}
    return found


def run(page: Path) -> list[Block]:
    """Run the blocks of a page and return the skipped ones. Raises `RuntimeError` if one fails."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, _ended() as groups:
        here = Path(folder)
        env = _environment(here)
        for number, block in enumerate(blocks(page)):
            if block.reason:
                continue
            target = here / (block.file or f"block{number}.{'sh' if block.language == 'sh' else 'py'}")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.code)
            runs = {"sh": ["bash", "-euo", "pipefail"], "python": [sys.executable]}.get(block.language)
            if runs is None:
                continue
            if target.name.startswith("test_"):
                runs = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
            with (here / ".told").open("w+") as told:  # no pipe, which what goes on in the background would hold open
                done = subprocess.Popen([*runs, target.name], cwd=here, env=env, stdout=told, stderr=told, process_group=0)
                groups.append(done.pid)
                if (code := done.wait(LIMIT)) != 0:
                    told.seek(0)
                    raise RuntimeError(f"{page.name}:{block.line} ended with {code}:\n{block.code}\n{told.read()[-3000:]}")
    return [block for block in blocks(page) if block.reason]


@contextmanager
def _ended() -> Iterator[list[int]]:
    """A list of process groups. All of them end with the page."""
    groups: list[int] = []
    try:
        yield groups
    finally:
        for group in groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)


def _environment(here: Path) -> dict[str, str]:
    """The page's own `pip`, this interpreter's commands, and a copy of the plugins beside the page."""
    site, commands = here / ".site", here / ".bin"
    site.mkdir()
    commands.mkdir()
    (commands / "pip").write_text(PIP.format(python=sys.executable, site=site))
    (commands / "pip").chmod(0o755)
    left_out = shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT / "plugins", here / "plugins", ignore=left_out)
    path = [str(commands), str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    modules = [str(here), str(site), str(ROOT / "docs"), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RETRIEVE_THREADS"), "1")
    return {**os.environ, **one, "PATH": os.pathsep.join(path), "PYTHONPATH": os.pathsep.join(modules)}


def main() -> int:
    """Run the named pages, or all; 1 if one fails."""
    named = [Path(name).resolve() for name in sys.argv[1:] if not name.startswith("-")] or PAGES
    failed = left = ran = 0
    for page in named:
        begun = time.perf_counter()
        try:
            skipped = [block for block in blocks(page) if block.reason] if "--list" in sys.argv else run(page)
        except (RuntimeError, ValueError, subprocess.TimeoutExpired) as error:
            print(error)
            failed += 1
            continue
        count = len(blocks(page)) - len(skipped)
        ran, left = ran + count, left + len(skipped)
        print(f"{page.relative_to(ROOT)}: {count} run, {len(skipped)} not, {time.perf_counter() - begun:.1f} s")
        for block in skipped:
            print(f"  line {block.line}: {block.reason}")
    print(f"{ran} blocks run, {left} not run, {failed} pages failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
