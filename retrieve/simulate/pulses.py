"""A pulse train at a free-electron laser: many weak frames of one object on a raw detector, some of them bad."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..numerics.grids import pixels
from ..plugins.options import option, validate, values_of
from .base import ObjectSet
from .noise import measure
from .seeds import NOISE_STREAM, stream

CHIP_PIXELS = 64  # px of a chip of an AGIPD along each axis
UNITS_PER_PHOTON = 60  # of a photon, about


@dataclass(frozen=True)
class PulseTrain:
    """The recording of a train: pulses that fluctuate in energy and place, stray light, gaps, bad pulses.

    The object is padded to a square of twice its size. The detector covers rows × columns px around the middle of its
    pattern. A bad pulse has no beam, or misses the object and scatters from its holder.
    """

    frames: int = option(140, "pulses of the train", ge=1, le=1_000_000)
    rows: int = option(128, "pixels of the detector along its first axis", ge=16)
    columns: int = option(102, "pixels of the detector along its second axis", ge=16)
    photons: float = option(0.5, "photons a pixel of a mean pulse", gt=0, le=1e6)
    fluctuation: float = option(
        0.4, "standard deviation of a pulse's energy, gamma distributed, relative to its mean", ge=0, le=2
    )
    jitter: float = option(0.3, "standard deviation of the beam's place on the object along each axis (px)", ge=0, le=10)
    background: float = option(0.02, "photons a pixel of stray light, more of it to one side", ge=0)
    readout: float = option(0.1, "standard deviation of the readout noise (photons)", ge=0)
    gap: int = option(2, "width of the gaps between chips of 64 px (px)", ge=0, le=32)
    bad: float = option(0.44, "share of bad pulses", ge=0, lt=1)
    elsewhere: float = option(
        0.0, "share of the bad pulses that hit the film elsewhere: each another object of the set", ge=0, le=1
    )

    def __post_init__(self) -> None:
        validate(self)


class Recording(NamedTuple):
    """A recorded train with its calibration, and the facts that a user of real data does not know.

    frames: uint16 (n, rows, columns), raw units.  dark: float32 (rows, columns), raw units without light.
    gain: raw units a photon.  flat: relative response, mean 1.  background: photons a pixel without object.
    mask: bool, True where measured; gaps read 0.
    good: bool (n,).  energy: (n,), mean 1.  truth: complex64, support: bool (*object), centred.  meta: its recipe.
    """

    frames: NDArray[np.uint16]
    dark: NDArray[np.float32]
    gain: NDArray[np.float32]
    flat: NDArray[np.float32]
    background: NDArray[np.float32]
    mask: NDArray[np.bool_]
    good: NDArray[np.bool_]
    energy: NDArray[np.float64]
    truth: NDArray[np.complex64]
    support: NDArray[np.bool_]
    meta: dict[str, Any]


def record(objects: ObjectSet, train: PulseTrain, seed: int, number: int = 0) -> Recording:
    """Record a train of object `number` of a seed. The same arguments give the same train.

    Raises
    ------
    InputError
        For a set that is not square and in 2D, or a detector larger than twice its size.
    """
    side = 2 * objects.shape[0]
    if len(objects.shape) != 2 or objects.shape[0] != objects.shape[1]:
        raise InputError(f"objects of shape {objects.shape} make no train; give a square set in 2D, such as crystal2d")
    if max(train.rows, train.columns) > side:
        raise InputError(f"rows={train.rows}, columns={train.columns} do not fit a pattern of {side} px; give at most {side}")
    x, support = objects.objects(1, seed, number)
    rng = stream(seed, number, NOISE_STREAM)
    shape = (train.rows, train.columns)
    scale = train.photons / _detected_pattern(x[0], shape).mean()
    good = np.ones(train.frames, bool)
    good[rng.permutation(train.frames)[: round(train.bad * train.frames)]] = False
    energy = _pulse_energies(train, rng)
    stray = train.background * np.linspace(0.5, 1.5, shape[1], dtype=np.float32) * np.ones(shape, np.float32)
    away = np.hypot(*pixels(shape)) / (0.6 * max(shape))
    holder = np.exp(-away) / np.exp(-away).mean() * train.photons
    dark = (rng.normal(120, 6, shape)).astype(np.float32)
    gain = rng.normal(UNITS_PER_PHOTON, 2, shape).astype(np.float32)
    flat = (1 + 0.05 * np.sin(pixels(shape)[1] / 9) + rng.normal(0, 0.01, shape)).astype(np.float32)
    mask = _chip_mask(shape, train.gap)
    frames = np.empty((train.frames, *shape), np.uint16)
    for k in range(train.frames):
        if good[k]:
            light = scale * _detected_pattern(_lit_off_centre(x[0], rng.normal(0, train.jitter, 2)), shape)
        elif rng.random() < train.elsewhere:
            other, _ = objects.objects(1, seed, number + 1 + k)
            light = scale * _detected_pattern(other[0], shape)
        else:
            light = holder if rng.random() < 0.5 else np.zeros(shape)
        light = energy[k] * light
        counts = rng.poisson((light + stray) * flat) + rng.normal(0, train.readout, shape)
        frames[k] = np.where(mask, np.clip(np.rint(dark + gain * counts), 0, 65534), 0)
    meta: dict[str, Any] = {
        "source": f"simulated pulse train of {type(objects).__name__}",
        "set": values_of(objects),
        "train": values_of(train),
    }
    meta |= {"seed": seed, "object": number}
    return Recording(frames, dark, gain, flat, stray, mask, good, energy, x[0], support[0], meta)


def write_recording(made: Recording, path: str | Path) -> Path:
    """Write a train as HDF5: frames, dark, gain, flat, background, mask; under known/ what a real train does not tell."""
    import h5py

    from ..files import replacing, to_json

    with replacing(path) as place, h5py.File(place, "w") as file:
        file.create_dataset("frames", data=made.frames, chunks=(1, *made.frames.shape[1:]), compression="gzip", shuffle=True)
        for name in ("dark", "gain", "flat", "background"):
            file[name] = getattr(made, name)
        file["mask"] = made.mask.astype(np.uint8)
        file["mask"].attrs["note"] = "1 = measured"
        file["meta"] = to_json(made.meta)
        for name in ("good", "energy", "truth", "support"):
            file[f"known/{name}"] = getattr(made, name)
    return Path(path)


def _pulse_energies(train: PulseTrain, rng: np.random.Generator) -> NDArray[np.float64]:
    if not train.fluctuation:
        return np.ones(train.frames)
    modes = train.fluctuation**-2
    return rng.gamma(modes, 1 / modes, train.frames)


def _lit_off_centre(x: NDArray[np.complex64], by: NDArray[np.float64]) -> NDArray[np.complex64]:
    """x (*shape) lit by a Gaussian beam that is `by` px off: exp(−|r − d|²/2w²)/exp(−|r|²/2w²), w² the object's own spread."""
    r, weight = pixels(x.shape), np.abs(x) ** 2
    width2 = float(np.sum(weight * np.sum(r**2, axis=0)) / np.sum(weight))
    return (x * np.exp((np.tensordot(by, r, 1) - by @ by / 2) / width2)).astype(np.complex64)


def _detected_pattern(x: NDArray[np.complex64], shape: tuple[int, int]) -> NDArray[np.float64]:
    """The pattern of x padded to twice its size, on the `shape` px in its middle."""
    padded = np.pad(x, [(n // 2, n - n // 2) for n in x.shape])
    whole = measure(padded).astype(float)
    return whole[tuple(slice(n // 2 - m // 2, n // 2 - m // 2 + m) for n, m in zip(whole.shape, shape, strict=True))]


def _chip_mask(shape: tuple[int, int], gap: int) -> NDArray[np.bool_]:
    """True where measured: chips of `CHIP_PIXELS` px with gaps of `gap` px. The pattern's middle is in the middle of a chip."""
    mask = np.ones(shape, bool)
    for axis, n in enumerate(shape):
        place = (np.arange(n) - n // 2 + CHIP_PIXELS // 2) % CHIP_PIXELS
        np.moveaxis(mask, axis, 0)[(place < gap - gap // 2) | (place >= CHIP_PIXELS - gap // 2)] = False
    return mask
