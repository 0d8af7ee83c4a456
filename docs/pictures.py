"""Makes the pictures of the pages with the commands that stand below them, and shrinks them.

    python docs/pictures.py            # all, about five minutes; pictures of a page need playwright and chromium
    python docs/pictures.py crystal2d  # those of one group

A picture of more than `LIMIT` bytes is refused.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from PIL import Image

DOCS = Path(__file__).resolve().parent
FIGURES = DOCS / "figures"
LIMIT = 150_000
COLOURS = 256
TRAIN = "--dark train.h5:/dark --gain train.h5:/gain --flat train.h5:/flat --background train.h5:/background"
SHOT = f"{sys.executable} {DOCS / 'screenshot.py'}"
WIDEST = 1200
"""Pixels to which wider pictures are reduced."""


class Group(NamedTuple):
    """Commands that run in one folder, and which of the files they leave becomes which picture.

    frames: whether the script of *phase your first scan* makes frames.npy first.
    """

    commands: tuple[str, ...]
    pictures: dict[str, str]
    frames: bool = False


GROUPS = {
    "crystal2d": Group(("retrieve run example:crystal2d",), {"example-crystal2d.retrieved.png": "crystal2d.png"}),
    "first_scan": Group(
        (
            "retrieve prepare scan frames.npy --out scan.cxi",
            "retrieve run scan.cxi --starts 4 --agree 0 --out crystal.cxi --report crystal.html",
            "retrieve analyze crystal.cxi",
            f"{SHOT} crystal.html page.png",
        ),
        {
            "scan.png": "first_scan_prepared.png",
            "crystal.png": "first_scan_result.png",
            "crystal.analysis.png": "first_scan_analysis.png",
            "page.png": "first_scan_page.png",
        },
        frames=True,
    ),
    "strain": Group(
        (
            f"{sys.executable} {DOCS / 'made_up.py'} crystal.npz",
            "retrieve run crystal.npz --starts 3 --agree 0 --out crystal.cxi --no-picture",
            "retrieve strain crystal.cxi --hkl 1,1,1 --lattice 4.08",
        ),
        {"crystal.strain.png": "strain.png"},
    ),
    "gallery": Group(
        (
            "retrieve run example:crystal3d --report crystal3d.html",
            f"{SHOT} crystal3d.html page.png --size 1000x700",
            f"{SHOT} crystal3d.html dark.png --size 1000x700 --dark",
            f"{SHOT} crystal3d.html solid.png --element figure.solid",
        ),
        {
            "example-crystal3d.retrieved.png": "gallery_crystal3d.png",
            "page.png": "gallery_page.png",
            "dark.png": "gallery_page_dark.png",
            "solid.png": "gallery_solid.png",
        },
    ),
    "live": Group(
        (f"{SHOT} - live.png --live 'run example:crystal3d --no-picture' --size 1180x1000 --until 'all of the pattern'",),
        {"live.png": "live.png"},
    ),
    "domains": Group(
        (
            "retrieve simulate domains2d-10-cells --seed 3000000 --sigma 0.01 --out film.cxi",
            "retrieve run film.cxi --solver diffusion --starts 3",
        ),
        {"film.retrieved.png": "gallery_domains.png"},
    ),
    "compare": Group(
        (
            "retrieve compare --benchmark domains2d-10-cells --objects 3 --starts 3 --noise 0,0.01 --ffts 1200 "
            "--solver hio --solver raar --solver rrr --report compare.html",
            f"{SHOT} compare.html compare.png --size 1000x820",
        ),
        {"compare.png": "gallery_compare.png"},
    ),
    "pulses": Group(
        ("retrieve simulate pulses --out train.h5", f"retrieve prepare pulses train.h5 {TRAIN} --ranges :24,-55: --out set.cxi"),
        {"set.png": "prepare_pulses.png"},
    ),
}


def frames_script() -> str:
    """The script that *phase your first scan* shows for a reader without a scan."""
    return re.search(r"```python\n(.*?)```", (DOCS / "first_scan.md").read_text(), re.DOTALL)[1]  # type: ignore[index]


def shrink(source: Path, target: Path) -> int:
    """Write a picture with few colours; its size in bytes."""
    image = Image.open(source).convert("RGB")
    image.thumbnail((WIDEST, WIDEST), Image.Resampling.LANCZOS)
    image.quantize(COLOURS, kmeans=3, dither=Image.Dither.NONE).save(target, optimize=True)
    return target.stat().st_size


def main() -> int:
    """Make the named groups, or all; 1 if a picture is too large."""
    status = 0
    for name in sys.argv[1:] or GROUPS:
        group = GROUPS[name]
        with tempfile.TemporaryDirectory() as folder:
            if group.frames:
                subprocess.run([sys.executable, "-c", frames_script()], cwd=folder, check=True)
            for command in group.commands:
                subprocess.run(command, shell=True, cwd=folder, check=True)
            for source, target in group.pictures.items():
                size = shrink(Path(folder) / source, FIGURES / target)
                status |= size > LIMIT
                print(f"{target}: {size} bytes" + (f", more than {LIMIT}" if size > LIMIT else ""))
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
