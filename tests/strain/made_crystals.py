"""Results of crystals with known displacement, for the tests of strain."""

import numpy as np

from retrieve import Cost, Problem, Result, Score
from retrieve.strain.options import Measure
from retrieve.strain.scattering import Scattering

D_NM = 0.2355
"""Spacing of planes, nm."""


def places(shape, vectors):
    """Positions (3, *shape), nm, in the laboratory, of the voxels of an array, 0 at N//2."""
    index = np.stack(np.meshgrid(*(np.arange(n) - n // 2 for n in shape), indexing="ij"))
    return np.einsum("i...,ij->j...", index, vectors)


def result_of(estimates, scores=None, support=None, samples=None, meta=None, chosen=0):
    """A result whose starts are these objects."""
    estimates = np.asarray(estimates, np.complex64)
    scores = scores or [Score(0.01, 0.01) for _ in estimates]
    far = np.fft.fftshift(np.abs(np.fft.fftn(estimates[chosen])) ** 2)
    return Result(
        object=estimates[chosen],
        estimates=estimates,
        supports=None if support is None else np.stack([support] * len(estimates)),
        scores=tuple(scores),
        chosen=chosen,
        history=tuple({"step": [], "r": [], "r_free": []} for _ in estimates),
        cost=Cost(),
        problem=Problem.from_arrays(intensity=far, meta=meta or {}),
        samples=samples,
        manifest={"solver": "raar", "seed": 0},
    )


def scattering(direction=(0.0, 1.0, 0.0), hkl=(1.0, 1.0, 1.0), wave_number=45.6):
    """Q of the spacing `D_NM` along a direction of the laboratory."""
    q = np.asarray(direction, float) / np.linalg.norm(direction) * 2 * np.pi / D_NM
    return Scattering(q, float(np.linalg.norm(q)), wave_number, hkl)


def blurred(depth):
    """The amplitude at a depth (voxels, positive inside) below a sharp surface."""
    return np.clip(depth + 0.5, 0, 1)


def rms(values):
    """Root mean square of the finite values."""
    return float(np.sqrt(np.nanmean(np.square(values, dtype=float))))


OPTIONS = Measure()
