"""Figures 2 and 3 of Lee et al. (2026) with this package's solvers, from the cells that `learned.py` has finished.

    python benchmarks/learned_figures.py            # docs/figures/learned_figure2.png and learned_figure3.png

Takes the options of `learned.py`, to find the same cells; those that are not there are left out, which is told.
The example is object 0 of each set, chosen before anything was run; the estimate is the best by the free score.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib
from learned import HERE, arguments, entries, found, gathered, parser
from matplotlib.figure import Figure

from retrieve.reproduce.gallery import DPI, STYLE, figure2, figure3

NOISE = 0.01  # of figure 2


def main() -> None:
    parse = parser()
    parse.add_argument("--figures", type=Path, default=HERE.parent / "docs" / "figures")
    given = arguments(parse)
    chosen, left = entries(given)
    cells = [(name, level, label) for name in given.sets for level in given.noise for label in chosen]
    parts = {cell: found(*cell, chosen[cell[2]], given) for cell in cells}
    missing = [f"{name} σ={level:g} {label}" for (name, level, label), part in parts.items() if part is None]
    print("left out: " + ("; ".join([*left, *missing]) or "none"))
    finished = [part for part in parts.values() if part is not None]
    if not finished:
        sys.exit(f"no finished cell in {given.parts}; run benchmarks/learned.py first")
    whole = gathered(finished, chosen, left)
    given.figures.mkdir(parents=True, exist_ok=True)
    levels = sorted({row.noise for row in whole.rows if row.noise is not None})
    with matplotlib.rc_context(STYLE):
        save(figure2(whole, min(levels, key=lambda level: abs(level - NOISE))), given.figures / "learned_figure2.png")
        save(figure3(whole, levels), given.figures / "learned_figure3.png")


def save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=DPI, facecolor="white", pil_kwargs={"optimize": True})
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
