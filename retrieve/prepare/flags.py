"""Values of a detector's frames that are flags: pixels without a measurement."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..io.conventions import flagged


def flags_to_nan(block: NDArray[Any], found: set[str], mask: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    """The block, NaN at flags; NaN and flags of measured pixels are added to `found` in words."""
    flags, _ = flagged(block, detector=True, mask=mask)
    odd = block.dtype.kind == "f" and not (np.isfinite(block) | (False if mask is None else ~mask)).all()
    found |= {"NaN"} if odd else set()
    values = block.astype(np.float32)
    if flags is not None:
        lowest, highest = block[flags].min(), block[flags].max()
        found |= {"flagged (below zero)"} if lowest < 0 else set()
        if highest > 0:
            found.add(f"saturated ({highest:.0f})" if block.dtype.itemsize == 2 else f"flagged ({highest:.0f})")
        values[flags] = np.nan
    hidden = None if mask is None or mask.all() else flagged(block, detector=True)[0]
    if hidden is not None and mask is not None:
        values[hidden & ~mask] = np.nan
    return values
