"""A problem in words, for whoever prints it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..numerics.arrays import to_numpy


def facts_of(problem: Any) -> dict[str, str]:
    """What a user asks for first, by name: size, share of measured pixels, intensity, noise, knowledge."""
    amplitude, valid = to_numpy(problem.amplitude), to_numpy(problem.valid).astype(bool)
    data, object_ = (" × ".join(map(str, shape)) for shape in (amplitude.shape, problem.shape))
    known = [name for name in ("support", "truth") if getattr(problem, name) is not None]
    facts = {
        "pattern": f"{data} px",
        "object": "" if data == object_ else f"{object_} px",
        "measured": f"{valid.mean():.1%} of the pixels",
        "intensity": f"{float(np.sum(amplitude[valid].astype(float) ** 2)):.4g} in all",
        "noise": type(problem.likelihood).__name__,
        "detector": "" if problem.detector is None else type(problem.detector).__name__,
        "known": " and ".join(known) or "no support",
    }
    return {name: text for name, text in facts.items() if text}


def text_of(problem: Any) -> str:
    """The problem on one line: set as the method `__repr__`."""
    return f"Problem({', '.join(f'{name}: {text}' for name, text in facts_of(problem).items())})"


def centred_intensity(problem: Any) -> np.ndarray:
    """The measured intensity, float32 (*detector), its peak at N//2 as on disk; NaN where not measured."""
    amplitude, valid = to_numpy(problem.amplitude), to_numpy(problem.valid).astype(bool)
    values: np.ndarray = np.fft.fftshift(np.where(valid, amplitude**2, np.nan)).astype(np.float32)
    return values
