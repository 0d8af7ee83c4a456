"""What `retrieve` ships passes the kit that it asks plugins to pass."""

import dataclasses
import gzip
import importlib.util
from unittest import SkipTest

import h5py
import numpy as np
import scipy.io
import tifffile

from retrieve.evaluate.metrics import BUILTIN
from retrieve.io import builtin_readers
from retrieve.operators import Binning, Crop, FarField, Mask, Pad, PartialCoherence
from retrieve.plugins.builtin import CLASSICAL, register_operators, register_solvers
from retrieve.plugins.registry import find
from retrieve.priors.weights import load_weights
from retrieve.solvers import SF, Auto, ConjugateGradient, Guided, Recipe
from retrieve.solvers.learned.dps import DPS
from retrieve.testing import parametrize_with_checks

SHAPE = (12, 10)
SOLVERS = [
    *(find("solvers", name.lower())(iterations=10) for name in CLASSICAL if name != "SF"),
    Recipe(recipe="4 hio + 3 raar + 6 er"),
    Auto(effort=0.01),
    Guided(population=2, generations=2, recipe=Recipe(recipe="4 hio + 2 er")),
    ConjugateGradient(iterations=10),
    find("solvers", "diffusion")(search=8, evaluations=3),
    find("solvers", "unet")(algorithm="er", iterations=3),
]
OPERATORS = [
    FarField(SHAPE),
    FarField((4, 6, 5)),
    Pad((5, 7), SHAPE),
    Crop(SHAPE, (5, 6)),
    Mask(np.random.default_rng(5).random(SHAPE) > 0.4),
    Binning(SHAPE, (3, 2)),
    PartialCoherence.gaussian(SHAPE, (1.0, 2.0)),
    FarField(SHAPE) @ Pad((6, 5), SHAPE),
]


def test_nothing_that_is_built_in_is_left_out():
    assert {type(solver).name for solver in (*SOLVERS, SF(), DPS())} == set(register_solvers())
    assert {find("operators", name) for name in register_operators()} <= {type(operator) for operator in OPERATORS}


@parametrize_with_checks(SOLVERS)
def test_solvers(check):
    check()


@parametrize_with_checks(
    [SF(iterations=10)], excused={"beats its start": "from random phases it may settle outside the support, its mirror"}
)
def test_solvent_flipping(check):
    check()


@parametrize_with_checks(
    [DPS(begin="noise", timesteps=2)], excused={"beats its start": "two reverse steps of 500 are only a beginning"}
)
def test_dps(check):
    check()


@parametrize_with_checks(OPERATORS)
def test_operators(check):
    check()


@parametrize_with_checks(BUILTIN)
def test_metrics(check):
    check()


@parametrize_with_checks([load_weights("domains2d"), load_weights("crystals2d"), load_weights("domains3d")])
def test_priors(check):
    check()


def hdf5(path, intensity, name="entry/data/data", head=0, **more):
    with h5py.File(path, "w", userblock_size=head) as file:
        for key, value in {name: intensity, **more}.items():
            file[key] = value


def mat73(path, intensity):
    hdf5(path, intensity.T, "intensity", head=512)
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")


def frames(kind):
    def write(path, intensity):
        if not importlib.util.find_spec("fabio"):
            raise SkipTest("EDF and CBF need the extra `detectors`")
        import fabio

        made = {".edf": fabio.edfimage.EdfImage, ".cbf": fabio.cbfimage.CbfImage}[kind]
        made(intensity.astype(np.int32)).write(str(path))

    return write


def compressed(path, intensity):
    with gzip.open(path, "wb") as file:
        np.save(file, intensity)


SAMPLES = {
    "npz": lambda path, intensity: np.savez(path, intensity=intensity),
    "npy": np.save,
    "MATLAB 7.3": mat73,
    "CXI": lambda path, intensity: hdf5(path, intensity, "entry_1/data_1/data", cxi_version=150),
    "HDF5/NeXus": hdf5,
    "TIFF": tifffile.imwrite,
    "MATLAB 5": lambda path, intensity: scipy.io.savemat(path, {"intensity": intensity}),
    "CBF": frames(".cbf"),
    "EDF": frames(".edf"),
    "compressed": compressed,
}


@parametrize_with_checks([dataclasses.replace(reader, sample=SAMPLES[reader.name]) for reader in builtin_readers()])
def test_readers(check):
    check()
