"""The peers' iterations by themselves, without our driver, so that no conversion of ours is on their bill.

Each function takes data and a start x, complex64 (*shape), and makes a generator that does a block of iterations each
time it is asked, and shows how to get at the object; None where the peer is not installed. PyNX, which needs a card
and is not on PyPI, is not among them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import islice
from typing import Any

import numpy as np

import retrieve as rt

Run = Iterator[Callable[[], np.ndarray]]


def cohere(data: rt.Problem, x: np.ndarray, block: int, sequence: str = "", single: bool = False) -> Run | None:
    """cohere-core: HIO under the known support unless a sequence is given, in its own precision or fed complex64."""
    try:
        from retrieve_cohere import Cohere, iterate
    except ImportError:
        return None
    solver = Cohere(algorithm_sequence=sequence or "1000000*HIO")
    y = np.where(data.valid, data.amplitude, 0).astype(float)
    unit = y.max() * np.sqrt(y.size)
    run = solver.reconstruction(y / y.max(), None if data.support is None else np.asarray(data.support))
    run.ds_image = x.conj().astype(complex) / unit
    if single:
        run.ds_image, run.data = run.ds_image.astype(np.complex64), np.asarray(run.data, np.float32)
        run.support = np.asarray(run.support, np.float32)
    free = None if bool(np.all(data.valid)) else ~np.asarray(data.valid)

    def blocks() -> Run:
        steps = iterate(run, free)
        while True:
            with contextlib.redirect_stdout(None):
                if len(list(islice(steps, block))) < block:
                    return
            yield lambda: np.where(run.support > 0, run.ds_image, 0).conj() * unit

    return blocks()


def qoraphase(data: rt.Problem, x: np.ndarray, block: int) -> Run | None:
    """qoraphase (JAX, Python ≥ 3.12): HIO under the known support, a block compiled as one."""
    try:
        import jax
        import qoraphase as qp
        from qoraphase.core.state import initial_state
    except ImportError:
        return None
    intensity, mask = np.fft.fftshift(np.asarray(data.amplitude) ** 2), np.fft.fftshift(~np.asarray(data.valid))
    known = qp.CDI(intensity, support=np.asarray(data.support), mask=mask)
    iterate = _compiled(block)

    def blocks() -> Run:
        state = initial_state(jax.random.key(0), known, jax.numpy.asarray(x))
        while True:
            state, _ = iterate(state, known)
            state.obj.block_until_ready()
            yield lambda state=state: np.where(state.support, state.obj, 0)

    return blocks()


@lru_cache
def _compiled(block: int) -> Callable[..., tuple[Any, Any]]:
    """So many iterations of qoraphase's HIO, compiled once for each shape."""
    import jax
    import qoraphase as qp

    compiled: Callable[..., tuple[Any, Any]] = jax.jit(qp.HIO(block).run)
    return compiled
