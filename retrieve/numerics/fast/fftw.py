"""FFTW in pieces that fit the cache. Each piece is measured once, and its plan is kept on disk.

A transform of (n0, *rest) goes slab by slab over the trailing axes. It then goes block of columns by block of columns over the
first axis, through a small buffer; `transform_and_back` works on the spectrum while it is in that buffer. Other processes
do not disturb the measurement of a piece, which takes milliseconds. They do disturb that of a large transform, which takes
seconds. The pieces depend on neither threads nor batch, so neither changes a bit of a result.
"""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pyfftw

from ..processors import at_most
from .plan_files import kept_wisdom, plan_name

WHOLE = 1 << 17
"""Points up to which a transform is one piece."""
PIECE = 1 << 16
"""Points of a piece of a larger transform: 512 kB, about a core's second cache."""
PATIENT = 1 << 13
"""Points from which on a single piece is measured with FFTW's patience, for seconds: it saves a quarter of the time at 256²."""

Between = Callable[[np.ndarray, slice], object]
"""Works in place on a block (n0, width) of a spectrum without its factor; the slice: its columns of the flat trailing axes."""


class TransformPlan:
    """A plan of FFTW, with arrays of its own to hold between calls, so that it keeps no others alive."""

    def __init__(self, x: np.ndarray, y: np.ndarray, axes: Sequence[int], direction: str, *flags: str) -> None:
        spent = () if x is y or direction == "FFTW_FORWARD" else ("FFTW_DESTROY_INPUT",)
        self.own = (x, y)
        self.plan = pyfftw.FFTW(x, y, axes=axes, direction=direction, flags=(*flags, *spent), threads=1)
        self.execute = self.plan.execute

    def __call__(self, x: np.ndarray, y: np.ndarray) -> None:
        """Transform x into y, which may be x; through copies if a slab of an odd number of points is not aligned."""
        try:
            self.plan.update_arrays(x, y)
            self.execute()
        except ValueError:
            there = x.copy()
            back = there if np.shares_memory(x, y) else np.empty_like(y)
            self.plan.update_arrays(there, back)
            self.execute()
            np.copyto(y, back)

    def release(self) -> None:
        """Hold its own arrays alone."""
        self.plan.update_arrays(*self.own)


class Pieces(NamedTuple):
    """Plans of one shape.

    slabs: of the first axis.  columns: blocks of the flat trailing axes.
    there, back: by a slab's thickness, forward and backward over the trailing axes.
    lead: by a block's width, its buffer, and forward and backward over the first axis; empty for a transform of one piece.
    """

    slabs: list[slice]
    columns: list[slice]
    there: dict[int, TransformPlan]
    back: dict[int, TransformPlan]
    lead: dict[int, tuple[np.ndarray, TransformPlan, TransformPlan]]


@lru_cache(maxsize=256)
def wisdom_for(shape: tuple[int, ...], real: bool = False) -> bytes | None:
    """FFTW's wisdom on the pieces of this shape, measured at the first call ever; None if it cannot be kept on disk."""

    def holds(wisdom: bytes) -> bool:
        try:
            _make(shape, real, wisdom)
        except RuntimeError:  # FFTW cannot read it, or it lacks a plan
            return False
        return True

    return kept_wisdom(plan_name(shape, real), lambda: _make(shape, real, None)[1], holds)


@contextmanager
def plans_used() -> Iterator[set[str]]:
    """The plans that this process uses in the block: names and hashes of their wisdom."""
    used: set[tuple[tuple[int, ...], bool]] = set()
    said: set[str] = set()
    with _LOCK:
        _WATCHING.append(used)
    try:
        yield said
    finally:
        with _LOCK:
            _WATCHING[:] = [one for one in _WATCHING if one is not used]
        said |= {f"{plan_name(*one)} {hashlib.sha256(wisdom_for(*one) or b'').hexdigest()[:12]}" for one in used}


def supported(shape: tuple[int, ...]) -> bool:
    """Whether arrays of this shape are transformed here: their plans can be kept, so that the next run has the same."""
    return math.prod(shape) > 1 and wisdom_for(shape) is not None


_LOCK = threading.RLock()  # FFTW plans with global state
_LOCAL = threading.local()
_WATCHING: list[set[tuple[tuple[int, ...], bool]]] = []


def _plans(shape: tuple[int, ...], real: bool) -> Pieces:
    """This thread's plans of a shape; FFTW's plans hold the arrays that they work on."""
    for used in _WATCHING:
        used.add((shape, real))
    try:
        pieces: Pieces = _LOCAL.plans[shape, real]
    except (AttributeError, KeyError):
        kept = _LOCAL.__dict__.setdefault("plans", {})
        if len(kept) >= 8:
            kept.pop(next(iter(kept)))
        pieces = kept[shape, real] = _make(shape, real, wisdom_for(shape, real))[0]
    return pieces


def _make(shape: tuple[int, ...], real: bool, wisdom: bytes | None) -> tuple[Pieces, bytes]:
    """Plans of a shape and FFTW's wisdom on them; other wisdom of this process is neither used nor lost.

    Raises `RuntimeError` if the wisdom is given and lacks a plan.
    """
    with _LOCK:
        others = pyfftw.export_wisdom()
        pyfftw.forget_wisdom()
        try:
            if wisdom is not None:
                pyfftw.import_wisdom((b"", wisdom, b""))
            return _pieces(shape, real, () if wisdom is None else ("FFTW_WISDOM_ONLY",)), bytes(pyfftw.export_wisdom()[1])
        finally:
            pyfftw.forget_wisdom()
            pyfftw.import_wisdom(others)


def _pieces(shape: tuple[int, ...], real: bool, flags: tuple[str, ...]) -> Pieces:
    n0, rest = shape[0], shape[1:]
    half = (*rest[:-1], rest[-1] // 2 + 1) if real else rest
    whole = math.prod(shape) <= WHOLE or not rest
    axes = tuple(range(0 if whole else 1, len(shape)))
    patient = whole and not real and math.prod(shape) >= PATIENT
    how = ("FFTW_PATIENT" if patient else "FFTW_MEASURE", *flags)
    slabs = _split(n0, n0 if whole else max(1, PIECE // math.prod(rest)))
    columns = _split(math.prod(half), math.prod(half) if whole else max(16, PIECE // n0))
    there, back, lead = {}, {}, {}
    for thickness in {s.stop - s.start for s in slabs}:
        x = np.empty((thickness, *rest), np.float32 if real else np.complex64)
        f = np.empty((thickness, *half), np.complex64)
        there[thickness] = TransformPlan(x, f, axes, "FFTW_FORWARD", *how)
        back[thickness] = TransformPlan(f, x if real else f, axes, "FFTW_BACKWARD", *how)
    for width in () if whole else {c.stop - c.start for c in columns}:
        block = pyfftw.empty_aligned((n0, width), np.complex64)
        lead[width] = (
            block,
            TransformPlan(block, block, (0,), "FFTW_FORWARD", *how),
            TransformPlan(block, block, (0,), "FFTW_BACKWARD", *how),
        )
    return Pieces(slabs, columns, there, back, lead)


def _split(n: int, size: int) -> list[slice]:
    return [slice(k, min(k + size, n)) for k in range(0, n, size)]


@lru_cache(maxsize=4)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)


def _share(work: Callable[[Sequence[slice]], None], pieces: list[slice], threads: int) -> None:
    """Work on all pieces, in this number of threads, or in fewer in a `Crowd`."""
    threads = at_most(threads)
    if threads == 1 or len(pieces) == 1:
        work(pieces)
    else:
        list(_pool(threads).map(work, [pieces[k::threads] for k in range(threads)]))


def fftn(x: np.ndarray, out: np.ndarray, ndim: int, threads: int) -> None:
    """Orthonormal transform over the last `ndim` axes of complex64 `x` (…, *shape), into `out`, another array."""
    for one, f in zip(_flat(x, ndim), _flat(out, ndim), strict=True):
        _slabs(one, f, True, False, threads)
        _columns(f, f, _scaling(one.size), (True, False), threads)


def ifftn(y: np.ndarray, out: np.ndarray, ndim: int, threads: int) -> None:
    """The inverse of `fftn`; `out` may be `y`."""
    for one, x in zip(_flat(y, ndim), _flat(out, ndim), strict=True):
        if out is not y and not _plans(one.shape, False).lead:
            np.copyto(x, one)
            one = x
        _columns(one, x, _scaling(one.size), (False, True), threads)
        _slabs(x, x, False, False, threads)


def _scaling(points: int) -> Between:
    """1/√N."""
    factor = np.float32(1 / math.sqrt(points))

    def scaled(block: np.ndarray, columns: slice) -> None:
        numbers = block.view(np.float32)
        np.multiply(numbers, factor, out=numbers)

    return scaled


def transform_and_back(x: np.ndarray, out: np.ndarray, between: Between, ndim: int, threads: int) -> None:
    """F⁻¹ between(F x) into `out`, another array, transforms without a factor; complex64, or float32 by half spectra."""
    real = x.dtype.kind == "f"
    pieces = _plans(x.shape[x.ndim - ndim :], real)
    for one, y in zip(_flat(x, ndim), _flat(out, ndim), strict=True):
        f = np.empty((*one.shape[:-1], one.shape[-1] // 2 + 1), np.complex64) if real else y
        if not pieces.lead:
            pieces.there[len(one)](one, f)
            between(f.reshape(len(f), -1), pieces.columns[0])
            pieces.back[len(one)](f, y)
            continue
        _slabs(one, f, True, real, threads)
        _columns(f, f, between, (True, True), threads, one.shape if real else None)
        _slabs(f, y, False, real, threads)


def inspect_spectrum(x: np.ndarray, between: Between, ndim: int, threads: int) -> None:
    """Call `between` on every block of F x; x is overwritten."""
    for one in _flat(x, ndim):
        _slabs(one, one, True, False, threads)
        _columns(one, None, between, (True, False), threads)


def _flat(x: np.ndarray, ndim: int) -> np.ndarray:
    return x if x.ndim == ndim + 1 else x.reshape(-1, *x.shape[x.ndim - ndim :])


def _slabs(x: np.ndarray, y: np.ndarray, forward: bool, real: bool, threads: int) -> None:
    """Over the trailing axes, from x to y."""
    shape = x.shape if forward or not real else y.shape

    def work(slabs: Sequence[slice]) -> None:
        pieces = _plans(shape, real)
        plans = pieces.there if forward else pieces.back
        for s in slabs:
            plan = plans[s.stop - s.start]
            if forward and x is y:
                np.copyto(plan.own[0], x[s])
                plan(plan.own[0], y[s])
            else:
                plan(x[s], y[s])
        for plan in plans.values():
            plan.release()

    _share(work, _plans(shape, real).slabs, threads)


def _columns(
    f: np.ndarray,
    out: np.ndarray | None,
    between: Between,
    ways: tuple[bool, bool],
    threads: int,
    real: tuple[int, ...] | None = None,
) -> None:
    """Over the first axis, from f to out: forward and backward, as `ways` says, with `between`. real: the shape if f is half."""
    shape, there, back = real or f.shape, *ways
    pieces = _plans(shape, real is not None)
    flat = f.reshape(f.shape[0], -1)
    if not pieces.lead:
        between(flat, pieces.columns[0])
        return
    target = None if out is None else out.reshape(flat.shape)

    def work(columns: Sequence[slice]) -> None:
        lead = _plans(shape, real is not None).lead
        for c in columns:
            block, forward, backward = lead[c.stop - c.start]
            np.copyto(block, flat[:, c])
            if there:
                forward.execute()
            between(block, c)
            if back:
                backward.execute()
            if target is not None:
                np.copyto(target[:, c], block)

    _share(work, pieces.columns, threads)
