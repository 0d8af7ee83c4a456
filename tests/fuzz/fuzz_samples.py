"""The formats: a whole file of each, how it is mutated, and the commands that a user reads it with."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import fuzz_mutators as m
import fuzz_own as own
import h5py
import numpy as np
import scipy.io
import tifffile
from fuzz_bytes import BYTES, TEXT, of_bytes
from fuzz_own import COMPARE, META, SOLVER, TRAIN, npz, pattern

from retrieve.io.result import write_problem
from retrieve.problem import Problem


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


def _run(name):
    return lambda seed: [["run", name, *SOLVER, "--no-picture", "--out", "out.cxi", "-fq"]]


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


def _mat(path, rng):
    counts, support = pattern()
    arrays = {"intensity": counts, "support": support.astype(np.uint8)}
    name = str(rng.choice(list(arrays)))
    made = np.asarray(m.hostile(rng, arrays[name]))
    scipy.io.savemat(path, {**arrays, name: made.astype(float) if made.dtype.kind in "Mg" else made})


def _tif(path, rng):
    made = np.asarray(m.hostile(rng, pattern()[0]))
    if made.dtype.kind not in "iufbc" or made.dtype.itemsize > 16 or not made.size or made.ndim < 2:
        of_bytes(*BYTES)(path, rng)
    else:
        tifffile.imwrite(path, made.astype(np.float64) if made.dtype == np.longdouble else made)


def _prepare(name):
    return lambda seed: [["prepare", "scan", name, "--no-picture", "--out", "out.cxi", "-fq"]]


def _at(name, write):
    return lambda folder: write(folder / name)


_bytes, _text = of_bytes(*BYTES), of_bytes(*TEXT)

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
        _at("result.cxi", own.result),
        m.either(_bytes, m.mutate_hdf5, m.mutate_hdf5, m.mutate_hdf5),
        own.result_reads,
    ),
    Format(
        "store",
        "table.rows.jsonl",
        _at("table.rows.jsonl", own.store),
        own.mutate_store,
        lambda seed: [[*COMPARE, "--resume"]],
        ("table.json", "table.rows.jsonl", "table.rows.damaged.jsonl"),
        ("table.rows.jsonl", "table.rows.damaged.jsonl"),
    ),
    Format(
        "weights",
        "prior.safetensors",
        _at("prior.safetensors", own.training),
        own.mutate_weights,
        lambda seed: [
            ["weights", "prior.safetensors", "--json"],
            ["call", "retrieve.priors.weights:load_weights", "prior.safetensors"],
        ],
        (),
    ),
    Format(
        "checkpoint",
        "checkpoint.pt",
        _at("checkpoint.pt", own.training),
        own.mutate_checkpoint,
        lambda seed: [TRAIN],
        ("picture-000000008.png",),
    ),
    Format(
        "toml",
        "mine.toml",
        _at("mine.toml", own.setup),
        _text,
        lambda seed: [["inspect", "rocking.npz", "--diffractometer", "./mine.toml", "--hkl", "1,1,1", "--energy", "9"]],
        (),
    ),
    Format(
        "frames npz",
        "frames.npz",
        _at("frames.npz", own.frames),
        m.either(_bytes, m.mutate_npz, m.mutate_npz),
        _prepare("frames.npz"),
    ),
    Format(
        "frames hdf5",
        "frames.h5",
        _at("frames.h5", own.frames_hdf5),
        m.either(_bytes, m.mutate_hdf5, m.mutate_hdf5),
        _prepare("frames.h5"),
    ),
)


def named(name):
    """The format of a name."""
    return replace(next(form for form in FORMATS if form.name == name))
