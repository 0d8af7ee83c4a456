"""The named sets.

A name always means the same objects. Benchmarks and published figures use named sets under seeds from `TEST_SEED` on.
"""

from __future__ import annotations

from ..plugins.options import changed
from ..plugins.registry import available, find
from .base import ObjectSet
from .crystal_frames import CrystalFrames
from .crystal_kinds import KINDS, CrystalKinds
from .crystals import Crystals
from .domains import Domains2D, Domains3D
from .films import Films, Films3D

TIERS = (10, 25, 50, 100)
"""Numbers of domains, from easy to hard; the paper's film has about 50."""

SETS: dict[str, ObjectSet] = {
    "domains2d": Domains2D(),
    **{f"domains2d-{n}": Domains2D(domains=n) for n in TIERS},
    **{f"domains2d-{n}-{kind}": Domains2D(domains=n, kind=kind) for n in TIERS for kind in ("blobs", "cells")},
    "films2d": Films(),
    "films3d": Films3D(),
    "domains3d": Domains3D(),
    "domains3d-fits": Domains3D(preset="fits"),
    "domains3d-literal": Domains3D(preset="literal"),
    "crystal2d": Crystals(),
    "crystal2d-strong": Crystals(strong=True),
    "crystals2d": CrystalFrames(),
    "crystal3d": Crystals(dimensions=3),
    "crystal3d-strong": Crystals(dimensions=3, strong=True),
    **{f"crystal3d-{kind}": CrystalKinds(kind=kind) for kind in KINDS},
}


def set_names() -> tuple[str, ...]:
    """The names that `object_set` knows, those of plugins last. A plugin's set that does not load is left out with a warning."""
    return tuple(available("sets"))


def object_set(name: str) -> ObjectSet:
    """The set called `name`, ours or of a plugin, with the options behind a colon: ``"crystal2d:size=64"``.

    Raises
    ------
    InputError
        For an unknown name, with the nearest, and for an option that is unknown or out of range.
    PluginError
        For a set of a plugin that does not load.
    """
    if ":" not in name:
        found: ObjectSet = find("sets", name)
        return found
    from ..plugins.flags import split_spec

    base, given = split_spec(name, "set")
    made: ObjectSet = changed(find("sets", base), given)
    return made
