"""``retrieve doctor``: versions, backends, plugins, and the speed of the Fourier transform."""

from __future__ import annotations

import importlib.util
import time

import click
import numpy as np
from rich.table import Table

from ..numerics.arrays import _cuda_devices, cores, fftn, threads_for
from ..numerics.fast import describe
from ..plugins.loading import LAZY, loaded
from ..plugins.registry import PLUGIN_KINDS, available
from ..provenance import versions
from .console import PlainConsole

TRANSFORM_SHAPES = ((64, 64), (256, 256), (1024, 1024), (64, 64, 64), (128, 128, 128))

EXTRAS = {"pyfftw": "fast", "fabio": "detectors", "hdf5plugin": "detectors", "dask": "dask"}

SLOW_IMPORT = 1.0
"""Seconds of a plugin's import, above which it is reported."""


@click.command("doctor", short_help="versions, backends, plugins and transform speed")
def command() -> None:
    """Print versions, array libraries, plugins (broken ones with the reason) and the speed of the Fourier transform."""
    console = PlainConsole()
    for name, version in versions().items():
        console.print(f"{name:20} {version}")
    cards = _cuda_devices()
    console.print(f"{'cores':20} {cores()}")
    console.print(f"{'backend':20} {'CuPy, ' + str(cards) + ' card(s)' if cards else 'NumPy on the CPU; no card through CuPy'}")
    console.print(f"{'transform 64×64':20} {describe((64, 64))}")
    console.print(f"{'numba':20} {'there' if importlib.util.find_spec('numba') else 'not installed (pip install numba)'}")
    for package, extra in EXTRAS.items():
        there = "there" if importlib.util.find_spec(package) else f"not installed (extra {extra})"
        console.print(f"{package:20} {there}")
    plugins = loaded()
    counts = {kind: len(available(kind)) for kind in PLUGIN_KINDS}
    console.print(f"{'plugins':20} {', '.join(plugins.origin)}; " + ", ".join(f"{n} {k}" for k, n in counts.items()))
    for name, reason in plugins.broken.items():
        console.print(f"{'broken plugin':20} {name}: {reason}", markup=False, soft_wrap=True)
    for name, seconds in plugins.seconds.items():
        if seconds > SLOW_IMPORT:
            console.print(f"{'slow plugin':20} {name}: its import took {seconds:.1f} s; {LAZY}", markup=False, soft_wrap=True)
    table = Table(
        "shape", "threads", "transform", title="complex64 Fourier transform", title_justify="left", box=None, pad_edge=False
    )
    for shape in TRANSFORM_SHAPES:
        table.add_row("×".join(map(str, shape)), str(threads_for(int(np.prod(shape)))), f"{_seconds(shape) * 1e3:.3g} ms")
    console.print(table)


def _seconds(shape: tuple[int, ...]) -> float:
    x = np.ones(shape, np.complex64)
    workers = threads_for(x.size)
    fftn(x, len(shape), workers)
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        fftn(x, len(shape), workers)
        times.append(time.perf_counter() - begun)
    return sorted(times)[2]
