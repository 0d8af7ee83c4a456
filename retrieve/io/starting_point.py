"""Object and support of an earlier result, of whatever program, as the beginning of another run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, SolverError
from ..numerics.alignment import ComplexArray, shift_to_centre
from ..problem import Problem
from ..provenance import sha256
from .external import MIN_MARGIN, ExternalResult, likeness, scaled_to

CLEAR = 0.72
"""Correlation of speckles plus its margin over mirror images, from which an object explains a pattern.

Over 2D and 3D crystals and blobs at 10⁶ photons, other objects of the kind reach 0.69; the right way has 0.70 or more."""

Fit = Callable[[NDArray], NDArray]
"""Brings a complex array to the problem's shape."""


class StartingPoint(NamedTuple):
    """An object and its support on the array of a problem.

    object: complex64 (*shape), scaled to the data, zero outside the support.  support: bool (*shape) or None.
    note: what was done to them.  source: the file with its convention, and its SHA-256, for a manifest.
    """

    object: ComplexArray
    support: NDArray[np.bool_] | None
    note: str
    source: dict[str, str]


def starting_point(text: str, problem: Problem) -> StartingPoint:
    """Read object and support from ``FILE`` or ``FILE:CONVENTION``, and bring them to the problem's array.

    An array of another shape was measured on a detector cropped, padded or binned in another way. The way that explains the
    measured pattern is taken. cohere reads TIFF files with their axes reversed; the order that explains the pattern is taken.

    Parameters
    ----------
    text : str
        The result: ours, or of PyNX, cdiutils or cohere.
    problem : Problem
        What is measured now.

    Returns
    -------
    StartingPoint
        In our conventions.

    Raises
    ------
    InputError
        If the file cannot be read, or if none of the ways, or more than one, explains the pattern.
    """
    source = ExternalResult.named(text)
    try:
        x, support = source.read_with_support()
    except SolverError as error:
        raise InputError(str(error)) from error
    shape = tuple(problem.shape)
    if x.ndim == len(shape) + 1:
        x, support = x[0], None  # modes
    if x.ndim != len(shape):
        raise InputError(f"{source.path} has shape {x.shape}, the problem's object {shape}; give a result of this pattern")
    (words, fit), likely = _way(x, problem, source)
    x = fit(x)
    if support is not None:
        support = np.abs(fit(support.astype(np.complex64))) > 0.5
        x = np.where(support, x, 0)
    x = scaled_to(x.astype(np.complex64), problem)
    note = f"start from {source.path} ({source.convention}){words}" + (
        f", whose pattern correlates {likely:.2f}" if likely else ""
    )
    return StartingPoint(x, support, note, {"start": f"{source.path}:{source.convention}", "start_sha256": sha256(source.path)})


def _way(x: ComplexArray, problem: Problem, source: ExternalResult) -> tuple[tuple[str, Fit], float | None]:
    """How to bring x to the problem's array, and how well it then explains the pattern; None if there is one way alone."""
    shape = tuple(problem.shape)
    ways = dict(_ways(x, shape, source.convention))
    if list(ways) == [""]:
        return ("", ways[""]), None
    rated = sorted(((*_likely(fit(x), problem), words) for words, fit in ways.items()), reverse=True)
    (best, margin, words), *others = rated
    clear = best + margin >= CLEAR and (not others or best - others[0][0] >= MIN_MARGIN)
    if not clear and "" in ways:  # of the same shape: a poor start is still a start
        return ("", ways[""]), None
    if not clear:
        tried = "; ".join(f"{way.strip(', ')}: {value:.2f}" for value, _, way in rated)
        raise InputError(
            f"{source.path} has shape {x.shape}, the problem's object {shape}, and no single way to bring one to the other "
            f"explains the pattern (correlations: {tried}); give a result of this very pattern, cropped and binned alike"
        )
    return (words, ways[words]), best


def _likely(x: NDArray, problem: Problem) -> tuple[float, float]:
    return likeness(x.astype(np.complex64), problem) if x.any() else (-1.0, 0.0)


def _ways(x: NDArray, shape: tuple[int, ...], convention: str) -> Iterator[tuple[str, Fit]]:
    """Each way to bring x, or an array of its shape, to the shape, with words on it; none for x as it is."""
    for turned in (False, True) if convention == "cohere" else (False,):
        said = ", axes reversed" * turned
        order: Fit = np.transpose if turned else np.asarray
        if order(x).shape == shape:
            yield said, order
            continue
        yield f"{said}, detector cropped or padded", partial(_cropped, order, shape)
        yield f"{said}, detector binned", partial(_binned, order, shift_to_centre(order(x)), shape)


def _cropped(order: Fit, shape: tuple[int, ...], x: NDArray) -> NDArray:
    return on_detector(order(x), shape)


def _binned(order: Fit, shift: tuple[int, ...], shape: tuple[int, ...], x: NDArray) -> NDArray:
    return in_window(order(x), shift, shape)


def on_detector(x: NDArray, shape: tuple[int, ...]) -> NDArray:
    """x (*any) on an array of the shape, whose pattern is a crop or a padding of its pattern: voxels become larger or smaller."""
    far = np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(x)))
    scale = np.prod(shape) / x.size
    return np.fft.fftshift(np.fft.ifftn(np.fft.ifftshift(_about_centre(far, shape)))) * scale


def in_window(x: NDArray, shift: tuple[int, ...], shape: tuple[int, ...]) -> NDArray:
    """x (*any), rolled by a shift, on an array of the shape with the same voxels, as binning of the detector cuts it."""
    return _about_centre(np.roll(x, shift, tuple(range(x.ndim))), shape)


def _about_centre(x: NDArray, shape: tuple[int, ...]) -> NDArray:
    """x cut or padded with zeros to the shape, N//2 at N//2."""
    made = np.zeros(shape, x.dtype)
    first = [max(0, n // 2 - m // 2) for n, m in zip(x.shape, shape, strict=True)]
    place = [max(0, m // 2 - n // 2) for n, m in zip(x.shape, shape, strict=True)]
    size = [min(n, m) for n, m in zip(x.shape, shape, strict=True)]
    cut = tuple(slice(a, a + s) for a, s in zip(first, size, strict=True))
    made[tuple(slice(a, a + s) for a, s in zip(place, size, strict=True))] = x[cut]
    return made
