"""What the benchmarks of speed have in common: a clock, the unit, data, the machine's facts, files of results."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.fft

import retrieve as rt
from retrieve.numerics import fast
from retrieve.provenance import versions

os.environ.setdefault("RETRIEVE_THREADS", "1")  # both are read when the first transform, or JAX, asks for them
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")


def clocked(work: Callable[[], object]) -> np.ndarray:
    """CPU and wall seconds."""
    begun = time.process_time(), time.perf_counter()
    work()
    return np.array([time.process_time() - begun[0], time.perf_counter() - begun[1]])


def floor(shape: tuple[int, ...], count: int) -> np.ndarray:
    """CPU and wall seconds of two of scipy's transforms of complex64, one thread."""
    x = np.random.default_rng(0).standard_normal((2, *shape)).astype(np.float32)
    x = (x[:1] + 1j * x[1:]).astype(np.complex64)
    axes = tuple(range(1, x.ndim))

    def pairs() -> None:
        for _ in range(count):
            y = scipy.fft.fftn(x, axes=axes, norm="ortho", workers=1)
            scipy.fft.ifftn(y, axes=axes, norm="ortho", workers=1)

    return clocked(pairs) / count


def problem(shape: tuple[int, ...]) -> rt.Problem:
    """Random amplitudes under a box support of an eighth of the array; iterations cost what any data cost."""
    rng = np.random.default_rng(0)
    support = np.zeros(shape, bool)
    support[tuple(slice(n // 4, n // 4 + n // 2) for n in shape)] = True
    x = np.where(support, rng.standard_normal(shape) + 1j * rng.standard_normal(shape), 0).astype(np.complex64)
    return rt.Problem.from_arrays(amplitude=np.abs(np.fft.fftn(x, norm="ortho")), support=support, centred=False)


def facts() -> dict[str, Any]:
    """The machine and what runs on it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())
    found = versions()
    for peer in ("cohere-core", "qoraphase", "jax"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[peer] = importlib.metadata.version(peer)
    machine = {"machine": platform.machine(), "processor": name, "cores": os.cpu_count(), "versions": found}
    return {**machine, "transform": fast.describe((64, 64))}


def save(name: str, found: dict[str, Any]) -> None:
    """Into benchmarks/results/NAME.json, beside what other commands left there, each part with its machine's facts."""
    target = Path(__file__).parent / "results" / f"{name}.json"
    before = json.loads(target.read_text()) if target.exists() else {}
    about = {key: {"machine": facts(), "found": value} for key, value in found.items()}
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps({**before, **about}, indent=1, default=float) + "\n")
