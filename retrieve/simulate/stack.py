"""Many simulated measurements in one npz file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..io.cxi import to_json
from ..io.numpy_files import save_arrays
from ..plugins.options import values_of
from ..problem import Problem


def write_stack(problems: Sequence[Problem], path: str | Path) -> Path:
    """Write problems of one shape as arrays (count, *shape), centred; returns the path.

    intensity float32; mask and support uint8 (support only where all problems tell theirs); truth
    complex64; meta, JSON, of the first problem with `object`, `sigma` (the noise of the amplitude) and
    `likelihood` for each.  `load(path, frame=k)` reads one of them back, with its noise.  The file takes
    its place only when it is complete.  Raises InputError when it cannot be written.
    """
    axes = tuple(range(1, problems[0].amplitude.ndim + 1))
    each = {"object": [p.meta["object"] for p in problems], "sigma": [values_of(p.likelihood)["sigma"] for p in problems]}
    each["likelihood"] = [{"name": "gaussian", "sigma": sigma} for sigma in each["sigma"]]
    arrays = {
        "intensity": np.fft.fftshift([p.amplitude for p in problems], axes) ** 2,
        "mask": np.fft.fftshift([p.valid for p in problems], axes).astype(np.uint8),
        "truth": np.array([p.truth for p in problems]),
        "meta": np.array(to_json({**problems[0].meta, **each})),
    }
    if all(p.support is not None for p in problems):
        arrays["support"] = np.array([p.support for p in problems], np.uint8)
    return save_arrays(path, **arrays)
