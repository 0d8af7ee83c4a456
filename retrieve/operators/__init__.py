"""Linear operators of the measurement; compose them with ``@``."""

from .base import Composed, Operator
from .field import Crop, FarField, Mask, Pad
from .intensity import Binning, PartialCoherence, richardson_lucy

__all__ = ["Binning", "Composed", "Crop", "FarField", "Mask", "Operator", "Pad", "PartialCoherence", "richardson_lucy"]
