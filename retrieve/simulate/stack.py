"""Many simulated measurements in one npz file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..files import to_json
from ..io.numpy_files import save_arrays
from ..problem import Problem


def write_stack(problems: Sequence[Problem], path: str | Path) -> Path:
    """Write problems of one shape as arrays (count, *shape), centred; returns the path.

    intensity is float32; mask and support are uint8, support only if all problems have one; truth is complex64. meta (JSON) is
    that of the first problem, with lists of `object`, `sigma` and `likelihood`. `load(path, frame=k)` reads one problem back.
    Raises `InputError` if the file cannot be written.
    """
    axes = tuple(range(1, problems[0].amplitude.ndim + 1))
    likelihoods = [p.likelihood.record() for p in problems]
    each = {
        "object": [p.meta["object"] for p in problems],
        "sigma": [likelihood["sigma"] for likelihood in likelihoods],
        "likelihood": likelihoods,
    }
    arrays = {
        "intensity": np.fft.fftshift([p.amplitude for p in problems], axes) ** 2,
        "mask": np.fft.fftshift([p.valid for p in problems], axes).astype(np.uint8),
        "truth": np.array([p.truth for p in problems]),
        "meta": np.array(to_json({**problems[0].meta, **each})),
    }
    if all(p.support is not None for p in problems):
        arrays["support"] = np.array([p.support for p in problems], np.uint8)
    return save_arrays(path, **arrays)
