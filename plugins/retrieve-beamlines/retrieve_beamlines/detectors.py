"""Detectors by the shape of their frames: lengths of pixels, and gaps between chips that no value marks.

Sources: the makers' data sheets (DECTRIS, X-Spectrum, ESRF Maxipix), cdiutils 0.2 (`Loader.get_mask`, the edges of the Maxipix).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PIXELS_UM = {
    (256, 256): 55.0,  # one chip of Timepix or Medipix
    (512, 512): 55.0,
    (514, 514): 55.0,
    (515, 515): 55.0,
    (516, 516): 55.0,
    (517, 516): 55.0,
    (120, 560): 130.0,  # XPAD
    (240, 560): 130.0,
    (512, 1028): 75.0,  # EIGER2 500K
    (514, 1030): 75.0,  # EIGER 500K
    (1062, 1028): 75.0,  # EIGER2 1M
    (1065, 1030): 75.0,  # EIGER 1M
    (2164, 1030): 75.0,  # EIGER 2M
    (2162, 1068): 75.0,
    (2162, 2068): 75.0,  # EIGER2 4M
    (2167, 2070): 75.0,  # EIGER 4M
    (3262, 3108): 75.0,  # EIGER2 9M
    (3269, 3110): 75.0,  # EIGER 9M
}
"""Lengths of pixels, µm, by rows and columns."""

MAXIPIX = (516, 516)
MAXIPIX_GAP = slice(255, 261)
"""Rows and columns between the four chips, with the pixels beside them, which are longer than the others."""


def pixel_um(shape: tuple[int, ...]) -> float | None:
    """The length of a pixel, µm, of a whole detector of this shape (rows, columns); None for an unknown one."""
    return PIXELS_UM.get((shape[0], shape[1]))


def chip_gaps(shape: tuple[int, ...]) -> tuple[NDArray[np.bool_] | None, str]:
    """The measured pixels (rows, columns) of a detector with gaps that no value marks, and this in words; None without gaps."""
    if shape != MAXIPIX:
        return None, ""
    measured = np.ones(shape, bool)
    measured[MAXIPIX_GAP] = measured[:, MAXIPIX_GAP] = False
    last = MAXIPIX_GAP.stop - 1
    return measured, f"rows and columns {MAXIPIX_GAP.start} to {last}, between the chips of the Maxipix, are not measured"
