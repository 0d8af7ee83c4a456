"""Small made-up files for the blocks of the pages: python -m made_up scan.npz film.npz …"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
from scipy.spatial.transform import Rotation

from retrieve.geometry.experiment import Experiment
from retrieve.geometry.space import q_of, voxel_vectors
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


def crystal(path: Path) -> None:
    """A rocking scan at 34-ID-C of a gold crystal with {111} and {100} facets and an inclusion that is wider by 0.1 %."""
    shape = (48, 64, 64)
    experiment = Experiment(
        diffractometer="34idc",
        energy_kev=9.0,
        distance_m=0.5,
        pixel_size_um=(110.0, 110.0),
        angles_deg={"delta": 32.174, "gamma": 12.6346, "theta": tuple(0.028 * k for k in range(shape[0]))},
        nominal=("direct_beam",),
    )
    edges, (q, _) = voxel_vectors(experiment, shape), q_of(experiment, shape)
    index = np.stack(np.meshgrid(*(np.arange(n) - n // 2 for n in shape), indexing="ij"))
    r = np.einsum("i...,ij->j...", index, edges)
    along = q / np.linalg.norm(q)
    turn, _ = Rotation.align_vectors([along, np.cross(along, [0, 1, 0])], [[1, 1, 1], [1, -1, 0]], weights=[1e6, 1])
    planes = [h for h in itertools.product((-1, 0, 1), repeat=3) if sum(map(abs, h)) in (1, 3)]
    faces = [turn.apply(np.array(h) / np.linalg.norm(h)) for h in planes]
    depth = np.min([(120 if 0 not in h else 128) - np.tensordot(f, r, 1) for h, f in zip(planes, faces, strict=True)], axis=0)
    away = r - np.array([20.0, -15.0, 10.0])[:, None, None, None]
    distance = np.maximum(np.linalg.norm(away, axis=0), 1e-3)
    moved = 1e-3 * np.minimum(1, (50 / distance) ** 3) * np.tensordot(along, away, 1)
    x = np.clip(depth / 10 + 0.5, 0, 1) * np.exp(-1j * np.linalg.norm(q) * moved)
    far = np.abs(np.fft.fftshift(np.fft.fftn(x))) ** 2
    counts = np.random.default_rng(0).poisson(far * (1e7 / far.sum()))
    np.savez(path, intensity=counts, meta=json.dumps({"experiment": experiment.as_meta()}))


def objects(path: Path) -> None:
    """A folder of objects to train on."""
    path.mkdir()
    np.save(path / "stack.npy", np.stack([blobs((32, 32), seed=seed, number=6)[0] for seed in range(12)]))


def of_pynx(path: Path) -> None:
    """The object of scan.npz in the layout of PyNX."""
    x = scan()
    with h5py.File(path, "w") as file:
        file["cxi_version"] = 150
        file.attrs["creator"], file.attrs["default"] = "PyNX", "/entry_1"
        entry = file.create_group("entry_1")
        entry["program_name"] = "PyNX"
        entry["image_1/data"], entry["image_1/mask"] = x["truth"] * 31, x["support"].astype(np.int8)
        entry["image_1/support"] = h5py.SoftLink("/entry_1/image_1/mask")


def of_cohere(path: Path) -> None:
    """The object of scan.npz as a folder of cohere: the conjugate, its maximum 1."""
    path.mkdir()
    x = scan()
    np.save(path / "image.npy", np.conj(x["truth"]) / np.abs(x["truth"]).max())
    np.save(path / "support.npy", x["support"].astype(int))


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
    "crystal.npz": crystal,
    "my-objects": objects,
    "pynx.cxi": of_pynx,
    "results_phasing": of_cohere,
}

if __name__ == "__main__":
    for name in sys.argv[1:]:
        MADE[name](Path(name))
