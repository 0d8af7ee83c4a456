"""Seeded objects with known truth, and their simulated measurements.

::

    from retrieve.simulate import Noise, TEST_SEED, object_set
    film = object_set("domains2d-50-cells")
    x, support = film.objects(1000, TEST_SEED)
    problem = film.problem(7, TEST_SEED, Noise(sigma=0.05, beam_stop=2))

Objects are complex64 (*shape), centred at N//2, of two or three axes; the same seed gives the same
object on every machine, to rounding.  Patterns are centred as on disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .base import ObjectSet
from .catalogue import TIERS, object_set, set_names
from .crystals import Crystals, crystal
from .domains import Domains2D, Domains3D
from .examples import EXAMPLES, Example, example
from .mixtures import blobs
from .noise import Noise, beam_stop, measure, simulated_problem
from .pulses import PulseTrain, Recording, record
from .seeds import TEST_SEED, TRAIN_SEED, TUNE_SEED

if TYPE_CHECKING:
    from .dataset import ObjectBatch, torch_dataset

__all__ = [
    "EXAMPLES",
    "TEST_SEED",
    "TIERS",
    "TRAIN_SEED",
    "TUNE_SEED",
    "ObjectBatch",
    "Crystals",
    "Domains2D",
    "Domains3D",
    "Example",
    "Noise",
    "ObjectSet",
    "PulseTrain",
    "Recording",
    "beam_stop",
    "blobs",
    "crystal",
    "example",
    "measure",
    "object_set",
    "set_names",
    "simulated_problem",
    "record",
    "torch_dataset",
]


def __getattr__(name: str) -> Any:
    """Load what needs torch when it is first used."""
    if name in ("ObjectBatch", "torch_dataset"):
        from . import dataset

        return getattr(dataset, name)
    raise AttributeError(f"module 'retrieve.simulate' has no attribute {name!r}")
