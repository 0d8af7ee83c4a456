"""Small made-up files for the blocks of the pages: python -m made_up scan.npz film.npz …"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from retrieve.simulate import TEST_SEED, Noise, blobs, measure, object_set

SIZE = (48, 48)


def scan() -> dict[str, np.ndarray]:
    """A weak pattern of a small object, some pixels not measured."""
    x, support = blobs(SIZE, seed=1, number=8, fill=0.08)
    counts = np.random.default_rng(0).poisson(1e3 * measure(x))
    mask = np.ones(SIZE, bool)
    mask[30:32] = False
    return {"intensity": counts * mask, "mask": mask, "truth": x.astype(np.complex64), "support": support}


def film(path: Path) -> None:
    """Phase domains, for the priors that ship."""
    made = object_set("domains2d-10-cells").problem(0, TEST_SEED, Noise(sigma=0.01))
    np.savez(path, amplitude=np.fft.fftshift(made.amplitude), support=made.support, truth=made.truth)


def frames(path: Path) -> None:
    """A rocking scan of a small crystal, with its flat field beside it."""
    axes = np.meshgrid(*(np.arange(n) - n // 2 for n in (24, 40, 40)), indexing="ij")
    counts = np.random.default_rng(0).poisson(3e3 * np.prod([np.sinc(a / 6) ** 2 for a in axes], axis=0))
    with h5py.File(path, "w") as file:
        file["entry/data/data"] = counts.astype(np.uint32)
    with h5py.File(path.with_name("flat.h5"), "w") as file:
        file["entry/data/data"] = np.ones((40, 40), np.float32)


def id01(path: Path) -> None:
    """Two rocking scans of a small crystal in the layout of BLISS at ID01, the second one shifted."""
    axes = np.meshgrid(*(np.arange(n) - n // 2 for n in (24, 40, 40)), indexing="ij")
    with h5py.File(path, "w") as file:
        for scan, shift in ((12, 0), (13, 2)):
            moved = (axes[0], axes[1] - shift, axes[2])
            counts = np.random.default_rng(scan).poisson(3e3 * np.prod([np.sinc(a / 6) ** 2 for a in moved], axis=0))
            group = file.create_group(f"S1_{scan}.1")
            group["measurement/mpx1x4"] = counts.astype(np.uint32)
            group["measurement/imon"] = np.full(24, 1e5)
            positions = {"eta": 17 + 0.01 * np.arange(24), "phi": 0.0, "nu": 0.0, "delta": 34.0, "mononrj": 9.0}
            for name, value in positions.items():
                group[f"instrument/positioners/{name}"] = value
            for name, value in {"distance": 0.8, "x_pixel_size": 5.5e-5, "y_pixel_size": 5.5e-5}.items():
                group[f"instrument/mpx1x4/{name}"] = value


def objects(path: Path) -> None:
    """A folder of objects to train on."""
    path.mkdir()
    np.save(path / "stack.npy", np.stack([blobs((32, 32), seed=seed, number=6)[0] for seed in range(12)]))


MADE: dict[str, Callable[[Path], object]] = {
    "scan.npz": lambda path: np.savez(path, **{k: v for k, v in scan().items() if k in ("intensity", "mask")}),
    "known.npz": lambda path: np.savez(path, **scan()),
    "theirs.npy": lambda path: np.save(path, scan()["truth"]),
    "measured.npy": lambda path: np.save(path, scan()["mask"]),
    "hot.npy": lambda path: np.save(path, np.ones((40, 40), bool)),
    "support.npy": lambda path: np.save(path, scan()["support"]),
    "film.npz": film,
    "frames.h5": frames,
    "id01.h5": id01,
    "my-objects": objects,
}

if __name__ == "__main__":
    for name in sys.argv[1:]:
        MADE[name](Path(name))
