"""What a solve leaves: every start's estimate with its scores, the chosen one, and how to do it again."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..files import replacing, to_json
from ..numerics.phase import phase_of, without_ramp
from ..operators import PartialCoherence
from ..plugins.shown import as_html, as_png
from ..problem import Problem
from ..problem.meta import experiment_of
from ..problem.scoring import Score, deviance_of_counts
from .cost import Cost as Cost
from .cxi import (
    DETECTOR,
    KERNEL,
    MEASURED,
    SMALL_SUM,
    add_group,
    add_text,
    describe_operators,
    link_data,
    new_entry,
    sum_of_small,
)
from .handover import support_of
from .history import Stages, number_of, write_history
from .manifest import RESULT
from .nexus_experiment import write_experiment
from .process import write_process
from .result_text import table_of, text_of
from .uncertainty import Uncertainty
from .verdict import Verdict

if TYPE_CHECKING:
    import h5py

SCORES = ("r", "r_free", "nll", "deviance", "deviance_free")
"""The numbers of a score, in the order of `Score.of`."""

LOG_SCALE = '{"signal_scale_type": "log"}'  # silx and h5web show the pattern on this scale


@dataclass(frozen=True)
class Result:
    """A finished or interrupted solve, as NumPy arrays on the host.

    Attributes
    ----------
    object : ndarray
        complex64 (*shape), centred at N//2: the chosen start's estimate, or the average of starts.
    estimates : ndarray
        complex64 (starts, *shape): every start's estimate, in the order of the starts.
    supports : ndarray or None
        bool (starts, *shape), if the solver used supports.
    scores : tuple of Score
        One a start.
    chosen : int
        Number of the chosen start.
    history : tuple of mapping
        For each start, equally long lists: step, r, r_free.
    cost : Cost
        Transforms, denoiser calls, seconds and steps.
    problem : Problem
        The problem, with the detector operator as the chosen start refined it.
    held : ndarray or None
        bool (*detector), centred: the held-out pixels.
    spread : ndarray or None
        float32 (*shape): standard deviation of the amplitude over the samples, or else over the aligned starts. None with one
        start.
    samples : ndarray or None
        complex64 (samples, *shape): posterior samples, aligned to `object`.
    averaged : Score or None
        Score of `object`, if it is an average of starts.
    interrupted : bool
        Whether the run was stopped before its end.
    manifest : mapping
        Everything that replays the run.
    account : tuple of tuple of str
        For each start, sentences on what the solver did.
    verdict : Verdict or None
        How far to trust the object, if `retrieve.judge` was called.
    uncertainty : Uncertainty or None
        Where the object is not determined, if `retrieve.uncertainty_of` was called.
    x0 : ndarray or None
        complex (*shape) or (starts, *shape): the array that the starts began with, if one was given.
    stages : tuple of tuple of (int, str)
        For each start, the steps at which its stages begin, with their names. Empty for results of former versions.
    """

    object: NDArray[np.complex64]
    estimates: NDArray[np.complex64]
    supports: NDArray[np.bool_] | None
    scores: tuple[Score, ...]
    chosen: int
    history: tuple[Mapping[str, list[float]], ...]
    cost: Cost
    problem: Problem
    held: NDArray[np.bool_] | None = None
    spread: NDArray[np.float32] | None = None
    samples: NDArray[np.complex64] | None = None
    averaged: Score | None = None
    interrupted: bool = False
    manifest: Mapping[str, Any] = field(default_factory=dict)
    account: tuple[tuple[str, ...], ...] = ()
    verdict: Verdict | None = None
    uncertainty: Uncertainty | None = None
    x0: NDArray[np.complexfloating] | None = None
    stages: tuple[Stages, ...] = ()

    __repr__, _repr_html_, _repr_png_, table = text_of, as_html, as_png, table_of

    @property
    def support(self) -> NDArray[np.bool_] | None:
        """The chosen start's support."""
        return None if self.supports is None else self.supports[self.chosen]

    @property
    def score(self) -> Score:
        """The score of `object`: the chosen start's, unless starts were averaged."""
        return self.averaged or self.scores[self.chosen]

    @property
    def averaging(self) -> str | None:
        """What of its starts `object` is, in words such as "mean"; None where it is the chosen start."""
        how = str(self.manifest.get("averaging", self.manifest.get("combine", "average")))
        return None if self.averaged is None else "mean" if how == "agreeing" else how.replace("-", " ")

    @property
    def combination(self) -> str | None:
        """Former name of `averaging`."""
        warnings.warn("Result.combination is now Result.averaging", DeprecationWarning, stacklevel=2)
        return self.averaging

    def save(self, path: str | Path) -> Path:
        """Write the result, atomically, as the ending of the name says: as CXI, or in the format of a plugin's writer.

        Parameters
        ----------
        path : path-like
            The file; an older one is replaced. CXI (.cxi, .h5) holds everything.

        Returns
        -------
        Path
            The path.

        Raises
        ------
        InputError
            If no format has the ending, or the place cannot be written. The older file then stays.
        """
        from .writers import is_cxi, write_as, writer_for

        return write_result(self, path) if is_cxi(path) else write_as(writer_for(path), self, path)


def write_result(result: Result, path: str | Path) -> Path:
    """Write a result with every start, the measurement and the manifest. Returns the path.

    Raises `InputError` when the place cannot be written; a file already there is then left as it was.
    """
    import h5py

    with replacing(path) as place, h5py.File(place, "w") as file:
        entry = new_entry(file, result.cost.seconds)
        entry.attrs["format"] = RESULT.format
        _write_measurement(entry, result.problem, MEASURED)
        _write_image(entry, result)
        link_data(entry, "image_1/data")
        _write_starts(entry, result)
        for name, array in (("held", result.held), ("spread", result.spread)):
            if array is not None:
                add_array(entry, name, array)
        for name, record in (("manifest", result.manifest), ("account", result.account), ("stages", result.stages)):
            add_text(entry, name, to_json(record))
        if result.verdict is not None:
            add_text(entry, "verdict", to_json(result.verdict.record()))
        if result.uncertainty is not None:
            _write_uncertainty(entry, result.uncertainty)
        entry.attrs["default"] = "amplitude"
        entry.attrs[SMALL_SUM] = sum_of_small(entry, lambda item: item[()])
    return Path(path)


def write_problem(problem: Problem, path: str | Path) -> Path:
    """Write a measurement with what is known of it; `load` reads it back without loss. Returns the path."""
    import h5py

    with replacing(path) as place, h5py.File(place, "w") as file:
        entry = new_entry(file)
        _write_measurement(entry, problem, f"{DETECTOR}/data")
        link_data(entry, f"{DETECTOR}/data")
        entry.attrs["default"] = "diffraction"
    return Path(path)


def _write_measurement(entry: h5py.Group, problem: Problem, place: str) -> None:
    """The measured intensity at a place (√ of its float32 square is exact, so no amplitude changes), and what was known."""
    valid = np.fft.fftshift(np.asarray(problem.valid))
    intensity = np.fft.fftshift(np.asarray(problem.amplitude, np.float32)) ** 2
    add_group(entry, "instrument_1", "NXinstrument")
    detector = add_group(entry, DETECTOR, "NXdetector")
    add_array(entry, place, intensity).attrs["note"] = "intensity, peak at N//2; 0 where masked"
    add_array(detector, "mask", (~valid).astype(np.uint8)).attrs["note"] = "CXI convention: 0 = good, 1 = not measured"
    add_plot(entry, "diffraction", entry[place], "measured intensity").attrs["SILX_style"] = LOG_SCALE
    if isinstance(problem.detector, PartialCoherence):
        kernel = add_array(entry, KERNEL, np.fft.fftshift(np.asarray(problem.detector.kernel)))
        kernel.attrs["note"] = "the measured intensity is the coherent one convolved with this; centred at N//2, sum 1"
    for name, array, dtype in (("support", problem.support, np.uint8), ("truth", problem.truth, np.complex64)):
        if array is not None:
            add_array(entry, name, np.asarray(array).astype(dtype)).attrs["note"] = "known beforehand, centred at N//2"
    add_text(entry, "meta", to_json({**problem.meta, "likelihood": problem.likelihood.record()}))
    write_experiment(entry, experiment_of(problem.meta))


def _write_image(entry: h5py.Group, result: Result) -> None:
    """The chosen object as CXI prescribes, and pictures of its amplitude and phase."""
    image = add_group(entry, "image_1", "NXdata")
    image.attrs["signal"] = "data"
    add_array(image, "data", result.object.astype(np.complex64))
    image["data_type"], image["data_space"], image["is_fft_shifted"] = "electron density", "real", 0
    inside, said = support_of(result.object, result.support)
    support = add_array(image, "support", inside)
    support.attrs.update({"note": "1 = inside; image_1/mask is the same array, where PyNX looks for it", **said})
    image["mask"] = support
    add_plot(entry, "amplitude", np.abs(result.object).astype(np.float32), "amplitude of the object")
    add_plot(entry, "phase", phase_of(without_ramp(result.object)).astype(np.float32), "phase (rad), no ramp")
    score, cost, held = result.score, result.cost, _held(result)
    fitted, free = np.asarray(result.problem.valid) & ~held, held
    deviance, deviance_free = deviance_of_counts(result.problem, result.object, (fitted, free))
    made = {
        **{name: getattr(score, name) for name in SCORES},
        **{name: getattr(cost, name) for name in ("ffts", "network_evaluations", "seconds", "steps")},
        "chosen": result.chosen,
        "averaged": result.averaged is not None,
        "interrupted": result.interrupted,
        "llk_poisson": deviance / max(int(fitted.sum()) - int(inside.sum()), 1),  # as PyNX has it
        "free_llk_poisson": deviance_free / max(int(free.sum()), 1),
        "nb_point_support": int(inside.sum()),
    }
    write_process(image, result.manifest, describe_operators(result.problem.operator, result.problem.detector), made)


def _held(result: Result) -> NDArray[np.bool_]:
    """The held-out pixels (*detector), zero frequency first."""
    valid = np.asarray(result.problem.valid)
    return np.zeros_like(valid) if result.held is None else np.fft.ifftshift(result.held) & valid


def _write_starts(entry: h5py.Group, result: Result) -> None:
    starts = add_group(entry, "starts", "NXcollection")
    add_array(starts, "objects", result.estimates.astype(np.complex64))
    if result.supports is not None:
        add_array(starts, "supports", result.supports.astype(np.uint8))
    if result.samples is not None:
        add_array(starts, "samples", result.samples.astype(np.complex64))
    if result.x0 is not None:
        add_array(starts, "x0", result.x0).attrs["note"] = "the array that the starts began with"
    for name in SCORES:
        add_array(starts, f"score_{name}", np.array([number_of(getattr(score, name)) for score in result.scores]))
    starts["failure"] = np.array([score.failure or "" for score in result.scores], object)
    write_history(starts, result.history)


def _write_uncertainty(entry: h5py.Group, found: Uncertainty) -> None:
    """The map, which viewers draw, and all else as JSON."""
    if found.relative is not None:
        add_plot(entry, "uncertainty", found.relative, "standard deviation over local amplitude, 1: not determined")
    group = entry["uncertainty"] if "uncertainty" in entry else add_group(entry, "uncertainty", "NXcollection")
    add_text(group, "record", to_json(found.record()))


def add_array(parent: h5py.Group, name: str, array: NDArray[Any]) -> h5py.Dataset:
    """A compressed dataset with checksums; a chunk is one 2D slice of one start, as viewers and readers of one start ask for."""
    chunks = (1,) * (array.ndim - 2) + array.shape[-2:]
    packed = {"compression": "gzip", "compression_opts": 2, "shuffle": True, "fletcher32": True}
    return parent.create_dataset(name, data=array, chunks=chunks, **packed)


def add_plot(entry: h5py.Group, name: str, array: NDArray[Any] | h5py.Dataset, title: str) -> h5py.Group:
    """An NXdata group that h5web and silx draw by themselves; a dataset is linked, not copied."""
    group = add_group(entry, name, "NXdata")
    group.attrs["signal"], group["title"] = "data", title
    if isinstance(array, np.ndarray):
        array = add_array(group, "data", array)
    else:
        group["data"] = array
    if array.ndim == 2:
        group["data"].attrs["interpretation"] = "image"
    return group
