"""Complex objects as one PNG: amplitude as brightness, phase as colour."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def image_grid(x: NDArray, path: str | Path, *, columns: int = 4, zoom: int = 4) -> None:
    """Write objects (count, *shape), complex, in rows of `columns`; of 3D ones the middle slice of the first axis."""
    from matplotlib.colors import hsv_to_rgb
    from PIL import Image

    x = x if x.ndim == 3 else x[:, x.shape[1] // 2]
    amplitude = np.abs(x) / (np.abs(x).max(axis=(1, 2), keepdims=True) + 1e-12)
    rgb = hsv_to_rgb(np.stack([np.angle(x) / (2 * np.pi) % 1, np.ones_like(amplitude), amplitude], axis=-1))
    rows = -(-len(x) // columns)
    tiles = np.ones((rows * columns, x.shape[1] + 1, x.shape[2] + 1, 3))
    tiles[: len(x), :-1, :-1] = rgb
    sheet = tiles.reshape(rows, columns, *tiles.shape[1:]).swapaxes(1, 2).reshape(rows * tiles.shape[1], -1, 3)
    image = Image.fromarray((255 * sheet).astype(np.uint8))
    image.resize((image.width * zoom, image.height * zoom), Image.Resampling.NEAREST).save(path)
