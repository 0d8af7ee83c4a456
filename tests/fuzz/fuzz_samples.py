"""The formats: a whole file of each, how it is mutated, and the commands that a user reads it with."""

import contextlib
import json
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import fuzz_mutators as m
import h5py
import numpy as np
import scipy.io
import tifffile

from retrieve.cli import main
from retrieve.geometry.diffractometers import EXAMPLE
from retrieve.io.result import write_problem
from retrieve.problem import Problem
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


@dataclass(frozen=True)
class Format:
    """A format of the campaign.

    name: of the format.  mutant: the file that is mutated.  make: writes it, and what it needs, into a folder.
    mutate: damages the file, by a generator.  reads: the commands for the seed of a mutant.
    outputs: what the commands may write.  kept: what may be there after a refusal.
    """

    name: str
    mutant: str
    make: Callable[[Path], None]
    mutate: Callable
    reads: Callable[[int], list[list[str]]]
    outputs: tuple[str, ...] = ("out.cxi",)
    kept: tuple[str, ...] = ()

    def files(self, folder):
        """The whole file and what it needs, written into a folder."""
        folder.mkdir()
        self.make(folder)
        return sorted(path for path in folder.iterdir() if path.is_file())

    def commands(self, seed):
        """What is called for a mutant."""
        return self.reads(seed)


@cache
def pattern():
    """A 16×16 pattern of counts, centred, and the support of its object."""
    x, support = blobs((16, 16), seed=1, fill=0.06)
    counts = np.random.default_rng(0).poisson(1e3 * measure(x))
    return np.fft.fftshift(counts).astype(np.int32), support


def _run(name):
    return lambda seed: [["run", name, *SOLVER, "--no-picture", "--out", "out.cxi", "-q"]]


def npz(path):
    counts, support = pattern()
    np.savez(path, intensity=counts, mask=np.ones(counts.shape, bool), support=support, meta=np.array(json.dumps(META)))


def hdf5(path):
    counts, _ = pattern()
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry")
        entry.attrs["NX_class"] = "NXentry"
        data = entry.create_group("data")
        data.attrs["NX_class"], data.attrs["signal"] = "NXdata", "data"
        data.create_dataset("data", data=counts, chunks=(8, 16), compression="gzip")
        entry["instrument/detector/distance"] = 1.2
        entry["instrument/detector/x_pixel_size"] = 5.5e-5
        entry["instrument/detector/pixel_mask"] = np.zeros(counts.shape, np.uint32)
        entry["instrument/source/energy"] = 9.0
        entry["title"] = "a film"


def cxi(path):
    counts, support = pattern()
    write_problem(Problem.from_arrays(intensity=np.fft.ifftshift(counts), support=support, meta=META), path)


def fabio_image(kind):
    """A writer of an image with fabio; it needs the extra `detectors`."""

    def write(path):
        import importlib

        counts, _ = pattern()
        image = getattr(importlib.import_module(f"fabio.{kind.lower()}"), kind)
        image(data=counts).write(str(path))

    return write


def result(path):
    npz(path.with_name("scan.npz"))
    main(["run", str(path.with_name("scan.npz")), *SOLVER[:2], "--starts", "2", "--no-picture", "--out", str(path), "-q"])


def result_reads(seed):
    return [
        [["inspect", "result.cxi"]],
        [["run", "--replay", "result.cxi", "--out", "out.cxi", "-q"]],
        [["run", "scan.npz", "--start", "result.cxi", *SOLVER, "--no-picture", "--out", "out.cxi", "-q"]],
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
        m.of_bytes(*m.BYTES, *m.TEXT)(path, rng)
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
        m.of_bytes(*m.BYTES)(path, rng)
        return
    state = torch.load(path, weights_only=True)
    inner = state[key] if isinstance(state[key := str(rng.choice(list(state)))], dict) and rng.random() < 0.7 else state
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
        m.of_bytes(*m.BYTES)(path, rng)
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


def _mat(path, rng):
    counts, support = pattern()
    arrays = {"intensity": counts, "support": support.astype(np.uint8)}
    name = str(rng.choice(list(arrays)))
    made = np.asarray(m.hostile(rng, arrays[name]))
    scipy.io.savemat(path, {**arrays, name: made.astype(float) if made.dtype.kind in "Mg" else made})


def _tif(path, rng):
    made = np.asarray(m.hostile(rng, pattern()[0]))
    if made.dtype.kind not in "iufbc" or made.dtype.itemsize > 16 or not made.size or made.ndim < 2:
        m.of_bytes(*m.BYTES)(path, rng)
    else:
        tifffile.imwrite(path, made.astype(np.float64) if made.dtype == np.longdouble else made)


def _prepare(name):
    return lambda seed: [["prepare", "scan", name, "--no-picture", "--out", "out.cxi", "-q"]]


def _at(name, write):
    return lambda folder: write(folder / name)


_bytes, _text = m.of_bytes(*m.BYTES), m.of_bytes(*m.TEXT)

FORMATS = (
    Format("npz", "scan.npz", _at("scan.npz", npz), m.either(_bytes, m.mutate_npz, m.mutate_npz), _run("scan.npz")),
    Format(
        "npy",
        "scan.npy",
        _at("scan.npy", lambda path: np.save(path, pattern()[0])),
        m.either(_bytes, m.mutate_npy),
        _run("scan.npy"),
    ),
    Format(
        "mat",
        "scan.mat",
        _at("scan.mat", lambda path: scipy.io.savemat(path, {"intensity": pattern()[0], "support": pattern()[1] * 1})),
        m.either(_bytes, _mat),
        _run("scan.mat"),
    ),
    Format(
        "tif",
        "scan.tif",
        _at("scan.tif", lambda path: tifffile.imwrite(path, pattern()[0])),
        m.either(_bytes, _tif),
        _run("scan.tif"),
    ),
    Format("edf", "scan.edf", _at("scan.edf", fabio_image("EdfImage")), m.either(_bytes, _text), _run("scan.edf")),
    Format("cbf", "scan.cbf", _at("scan.cbf", fabio_image("CbfImage")), m.either(_bytes, _text), _run("scan.cbf")),
    Format("hdf5", "scan.h5", _at("scan.h5", hdf5), m.either(_bytes, m.mutate_hdf5, m.mutate_hdf5), _run("scan.h5")),
    Format("cxi", "scan.cxi", _at("scan.cxi", cxi), m.either(_bytes, m.mutate_hdf5, m.mutate_hdf5), _run("scan.cxi")),
    Format(
        "result",
        "result.cxi",
        _at("result.cxi", result),
        m.either(_bytes, m.mutate_hdf5, m.mutate_hdf5, m.mutate_hdf5),
        result_reads,
    ),
    Format(
        "store",
        "table.rows.jsonl",
        _at("table.rows.jsonl", store),
        mutate_store,
        lambda seed: [[*COMPARE, "--resume"]],
        ("table.json", "table.rows.jsonl"),
        ("table.rows.jsonl",),
    ),
    Format(
        "weights",
        "prior.safetensors",
        _at("prior.safetensors", training),
        mutate_weights,
        lambda seed: [
            ["weights", "prior.safetensors", "--json"],
            ["call", "retrieve.priors.weights:load_weights", "prior.safetensors"],
        ],
        (),
    ),
    Format(
        "checkpoint",
        "checkpoint.pt",
        _at("checkpoint.pt", training),
        mutate_checkpoint,
        lambda seed: [TRAIN],
        ("picture-000000008.png",),
    ),
    Format(
        "toml",
        "mine.toml",
        _at("mine.toml", setup),
        _text,
        lambda seed: [["inspect", "rocking.npz", "--diffractometer", "./mine.toml", "--hkl", "1,1,1", "--energy", "9"]],
        (),
    ),
    Format(
        "frames npz",
        "frames.npz",
        _at("frames.npz", frames),
        m.either(_bytes, m.mutate_npz, m.mutate_npz),
        _prepare("frames.npz"),
    ),
    Format(
        "frames hdf5",
        "frames.h5",
        _at("frames.h5", frames_hdf5),
        m.either(_bytes, m.mutate_hdf5, m.mutate_hdf5),
        _prepare("frames.h5"),
    ),
)


def named(name):
    """The format of a name."""
    return replace(next(form for form in FORMATS if form.name == name))
