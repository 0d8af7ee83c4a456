"""Whole files of our own formats, and of frames, with mutators that know their inside."""

import contextlib
import json
import struct
import tempfile
from functools import cache
from pathlib import Path

import fuzz_mutators as m
import h5py
import numpy as np
from fuzz_bytes import BYTES, TEXT, of_bytes

from retrieve.cli import main
from retrieve.geometry.diffractometers import EXAMPLE
from retrieve.simulate import blobs, crystal, measure

SOLVER = ["--solver", "er:iterations=3", "--starts", "1"]
META = {
    "energy_keV": 9.0,
    "voxel_size_nm": [10.0, 10.0],
    "pixel_size_m": 5.5e-5,
    "detector_distance_m": 1.2,
    "likelihood": {"name": "gaussian", "sigma": 0.5},
    "notes": ["made for a test"],
    "alien": {"pixels": 3, "share": 0.01},
    "title": "a film",
}


@cache
def pattern():
    """A 16×16 pattern of counts, centred, and the support of its object."""
    x, support = blobs((16, 16), seed=1, fill=0.06)
    counts = np.random.default_rng(0).poisson(1e3 * measure(x))
    return np.fft.fftshift(counts).astype(np.int32), support


def npz(path):
    counts, support = pattern()
    np.savez(path, intensity=counts, mask=np.ones(counts.shape, bool), support=support, meta=np.array(json.dumps(META)))


def result(path):
    npz(path.with_name("scan.npz"))
    main(["run", str(path.with_name("scan.npz")), *SOLVER[:2], "--starts", "2", "--no-picture", "--out", str(path), "-fq"])


def result_reads(seed):
    return [
        [["inspect", "result.cxi"]],
        [["run", "--replay", "result.cxi", "--out", "out.cxi", "-fq"]],
        [["run", "scan.npz", "--start", "result.cxi", *SOLVER, "--no-picture", "--out", "out.cxi", "-fq"]],
        [["call", "fuzz_child:analysed", "result.cxi"]],
        [["call", "retrieve.io.results:read_result", "result.cxi"]],
    ][seed % 5]


COMPARE = ["compare", "scan.npz", "--solver", "er:iterations=2", "--solver", "hio:iterations=2", "--starts", "1"]
COMPARE += ["--executor", "serial", "--json", "table.json", "-q"]


def in_folder(folder, *command):
    """Run a command in a folder."""
    with contextlib.chdir(folder), contextlib.suppress(SystemExit):
        main(list(command))


def store(path):
    npz(path.with_name("scan.npz"))
    in_folder(path.parent, *COMPARE)


def mutate_store(path, rng):
    """A store with one of its lines changed as JSON, or with bytes changed."""
    if rng.random() < 0.5:
        of_bytes(*BYTES, *TEXT)(path, rng)
        return
    lines = path.read_text().splitlines()
    at = int(rng.integers(len(lines)))
    lines[at] = m._without_lone(m.mutate_json(lines[at], rng))
    path.write_text("\n".join(lines) + "\n")


TRAIN = ["train", "diffusion", "domains2d:size=16,domains=3,fill=0.3,kind=blobs", "--base", "8", "--widths", "1"]
TRAIN += ["--attention", "none", "--embedding", "16", "--blocks", "1", "--patch", "1", "--objects", "8", "--batch", "8"]
TRAIN += ["--precision", "float32", "--threads", "1", "--quiet", "--out", ".", "--name", "prior"]


@cache
def trained():
    """The files of a training, by name: it is the same for checkpoints and for weights."""
    with tempfile.TemporaryDirectory() as folder:
        in_folder(folder, *TRAIN)
        return {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.is_file()}


def training(path):
    for name, content in trained().items():
        path.with_name(name).write_bytes(content)


def mutate_checkpoint(path, rng):
    """A checkpoint with one of its values changed, or with bytes changed."""
    import torch

    if rng.random() < 0.5:
        of_bytes(*BYTES)(path, rng)
        return
    state = torch.load(path, weights_only=True)
    key = str(rng.choice(list(state)))
    inner = state[key] if isinstance(state[key], dict) and state[key] and rng.random() < 0.7 else state
    key = list(inner)[int(rng.integers(len(inner)))]
    action = rng.random()
    if action < 0.3:
        del inner[key]
    elif isinstance(inner[key], torch.Tensor) and action < 0.8:
        inner[key] = [inner[key].double(), inner[key][..., None], inner[key] * torch.nan, inner[key][:0]][int(rng.integers(4))]
    else:
        inner[key] = m.hostile_value(rng, None)
    torch.save(state, path)


def mutate_weights(path, rng):
    """Weights with their header or card changed, or with bytes changed."""
    content = path.read_bytes()
    if rng.random() < 0.4:
        of_bytes(*BYTES)(path, rng)
        return
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    if rng.random() < 0.7:
        header["__metadata__"]["card"] = m.mutate_json(header["__metadata__"]["card"], rng)
        made = json.dumps(header)
    else:
        made = m.mutate_json(json.dumps(header), rng)
    made = m._without_lone(made).encode()
    claimed = len(made) if rng.random() < 0.9 else int(rng.choice([0, 2**40, 2**63 - 1, len(made) + 1]))
    path.write_bytes(struct.pack("<Q", claimed) + made + content[8 + length :])


def rocking(folder):
    """A result of a small rocking scan, for the options on the experiment."""
    x = crystal((12, 16, 16), seed=0, fill=0.2, phase=1.0)
    counts = np.random.default_rng(0).poisson(1e3 * measure(x))
    np.savez(folder / "rocking.npz", intensity=np.fft.fftshift(counts))


def setup(path):
    rocking(path.parent)
    path.write_text(EXAMPLE)


def frames(path):
    x = crystal((12, 16, 16), seed=0, fill=0.2, phase=1.0)
    counts = np.random.default_rng(0).poisson(1e3 * measure(x))
    np.savez(path, intensity=np.fft.fftshift(counts), meta=np.array(json.dumps({**META, "voxel_size_nm": [10.0] * 3})))


def frames_hdf5(path):
    frames(path.with_suffix(".npz"))
    with h5py.File(path, "w") as file:
        file.create_dataset(
            "entry/data", data=np.load(path.with_suffix(".npz"))["intensity"], chunks=(1, 16, 16), compression="gzip"
        )
        file["entry/energy"] = 9.0
    path.with_suffix(".npz").unlink()
