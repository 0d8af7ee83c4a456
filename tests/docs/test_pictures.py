"""Every picture of the pages is there, is shown on a page, and can be drawn again."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [DOCS.parent / "README.md", *DOCS.rglob("*.md")]


def drawer():
    """The module docs/draw.py."""
    spec = importlib.util.spec_from_file_location("draw", DOCS / "draw.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pages_show_pictures_that_exist():
    for page in PAGES:
        for shown in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text()):
            assert shown.startswith("http") or (page.parent / shown).is_file(), f"{page.name} shows {shown}"


def test_every_drawn_picture_is_shown():
    text = "".join(page.read_text() for page in PAGES)
    names = re.search(r"for f in \(([^)]*)\)", (DOCS / "draw.py").read_text())[1].split(", ")
    assert len(names) == 6
    assert [name for name in names if f"figures/{name}.png" not in text] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["classical", "blind", "learned", "trust", "training", "calibration"])
def test_a_picture_is_drawn(name):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(drawer().PICTURES[name]())
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    assert (pixels < 128).any(axis=-1).mean() > 0.02  # axes alone have fewer dark pixels
