"""Everything of `retrieve` itself, registered through the hooks of plugins."""

from __future__ import annotations

import importlib
from typing import Any

from .hookspecs import hookimpl

CLASSICAL = ("ER", "SF", "HIO", "PCHIO", "RAAR", "HPR", "ASR", "DM", "RRR", "OSS")
BUILTIN_READERS = {
    "npz": "NPZ",
    "npy": "NPY",
    "MATLAB 7.3": "MATLAB73",
    "CXI": "CXI",
    "HDF5/NeXus": "NEXUS",
    "TIFF": "TIFF",
    "MATLAB 5": "MATLAB5",
    "CBF": "CBF",
    "EDF": "EDF",
}
BUILTIN_METRICS = (
    "complex_correlation",
    "amplitude_correlation",
    "inner_amplitude_correlation",
    "phase_similarity",
    "nrmse",
    "chi2_object",
    "twin_fraction",
    "support_overlap",
    "r",
    "chi2_diffraction",
    "diffraction_correlation",
)


@hookimpl
def register_solvers() -> dict[str, Any]:
    """The classical solvers."""
    algorithms = {name.lower(): f"retrieve.solvers.projections:{name}" for name in CLASSICAL}
    return algorithms | {
        "recipe": "retrieve.solvers.recipe:Recipe",
        "auto": "retrieve.solvers.blind.auto:Auto",
        "guided": "retrieve.solvers.guided:Guided",
        "diffusion": "retrieve.solvers.learned.diffusion:Diffusion",
        "dps": "retrieve.solvers.learned.dps:DPS",
        "unet": "retrieve.solvers.learned.unet:UNet",
        "cg": "retrieve.solvers.gradient:ConjugateGradient",
    }


@hookimpl
def register_operators() -> dict[str, Any]:
    """The operators of `retrieve.operators`."""
    names = {
        "far-field": "FarField",
        "pad": "Pad",
        "crop": "Crop",
        "mask": "Mask",
        "binning": "Binning",
        "partial-coherence": "PartialCoherence",
    }
    return {name: f"retrieve.operators:{target}" for name, target in names.items()}


@hookimpl
def register_readers() -> dict[str, Any]:
    """The file formats of `retrieve.io`."""
    return {name: f"retrieve.io.registry:{target}" for name, target in BUILTIN_READERS.items()}


@hookimpl
def register_metrics() -> dict[str, Any]:
    """The metrics of `retrieve.evaluate.metrics`."""
    return {name: f"retrieve.evaluate.metrics:{name}" for name in BUILTIN_METRICS}


@hookimpl
def register_executors() -> dict[str, Any]:
    """The executors of this machine."""
    return {name: f"retrieve.driver.executors:{name}" for name in ("serial", "threads", "processes")}


@hookimpl
def register_sets() -> dict[str, Any]:
    """The sets of simulated objects."""
    return dict(importlib.import_module("retrieve.simulate.catalogue").SETS)


@hookimpl
def register_benchmarks() -> dict[str, Any]:
    """The locked benchmarks."""
    return dict(importlib.import_module("retrieve.evaluate.benchmarks").BENCHMARKS)


@hookimpl
def register_commands() -> dict[str, Any]:
    """The commands of the command line."""
    return {name: f"retrieve.cli.{name}:command" for name in importlib.import_module("retrieve.cli").COMMANDS}


@hookimpl
def register_likelihoods() -> dict[str, Any]:
    """The models of the noise."""
    return {name.lower(): f"retrieve.problem.likelihood:{name}" for name in ("Gaussian", "Poisson")}
