"""The datasets of our CXI files for docs/formats.md, as an example that is written on the spot has them.

A dataset without a meaning in `MEANINGS` is an error, so that the page misses nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

import retrieve as rt
from retrieve.operators import PartialCoherence
from retrieve.simulate import crystal, measure

MEANINGS = {
    "image_1/data": "the object, centred at N//2",
    "image_1/support": "1 inside. With the attribute `threshold` the solver had no support, and it is a threshold of the object",
    "image_1/mask": "the same array as `support`, where PyNX looks for it",
    "image_1/data_type": "`electron density`",
    "image_1/data_space": "`real`",
    "image_1/is_fft_shifted": "0: the centre is at N//2",
    "image_1/process_1/configuration/…": "the manifest, entry by entry, for viewers",
    "image_1/process_1/note_1/…": "the manifest as JSON, for viewers",
    "image_1/process_1/program": "`retrieve`",
    "image_1/process_1/version": "the version of the program",
    "image_1/process_1/date": "the end of the run",
    "image_1/process_1/results/r": "R on the fitted pixels",
    "image_1/process_1/results/r_free": "free R; NaN if no pixel was held out",
    "image_1/process_1/results/nll": "−log L for each fitted pixel",
    "image_1/process_1/results/deviance": "deviance per pixel; NaN if the noise is not known",
    "image_1/process_1/results/deviance_free": "the same on the held-out pixels",
    "image_1/process_1/results/llk_poisson": "Poisson deviance per fitted pixel, as PyNX defines it",
    "image_1/process_1/results/free_llk_poisson": "the same on the held-out pixels; 0 without them",
    "image_1/process_1/results/nb_point_support": "pixels of the support",
    "image_1/process_1/results/chosen": "the number of the chosen start",
    "image_1/process_1/results/averaged": "whether the object is an average of starts",
    "image_1/process_1/results/interrupted": "whether the run was stopped before its end",
    "image_1/process_1/results/ffts": "transforms of all starts",
    "image_1/process_1/results/network_evaluations": "denoiser calls of all starts",
    "image_1/process_1/results/seconds": "wall time",
    "image_1/process_1/results/steps": "iterations of all starts",
    "data_1/data": "a link to the main array, for older tools",
    "amplitude/data": "amplitude of the object",
    "phase/data": "phase without offset and ramp, rad; NaN outside the object",
    "diffraction/data": "a link to the measured intensity, drawn on a log scale",
    "instrument_1/detector_1/intensity": "the measured intensity, peak at N//2; 0 where it was not measured",
    "instrument_1/detector_1/data": "the measured intensity, peak at N//2; 0 where it was not measured",
    "instrument_1/detector_1/mask": "0 measured, 1 not measured",
    "instrument_1/…": "the experiment in SI units, as CXI and NeXus have it; angles as the attribute `units` says",
    "coherence_kernel": "the kernel of partial coherence, centred at N//2, sum 1",
    "held": "the held-out pixels",
    "spread": "standard deviation of the amplitude over the starts or samples",
    "support": "the support that was known beforehand",
    "truth": "the truth of a simulation",
    "starts/objects": "the estimate of every start",
    "starts/supports": "the support of every start",
    "starts/samples": "posterior samples, aligned to the object",
    "starts/x0": "the array that the starts began with",
    "starts/failure": "why a start has no usable estimate, else empty",
    "starts/score_…": "the scores of every start, under the names of `results`",
    "starts/history/…": "for each start `step`, `r` and `r_free`",
    "uncertainty/data": "standard deviation over local amplitude; 1 is not determined",
    "…/title": "what a viewer writes above the picture",
    "uncertainty/record": "JSON: [the uncertainty](#the-uncertainty)",
    "manifest": "JSON: [the manifest](#the-manifest)",
    "account": "JSON: for each start, sentences on what the solver did",
    "stages": "JSON: for each start, the steps at which its stages begin, with their names",
    "verdict": "JSON: [the verdict](#the-verdict)",
    "meta": "JSON: [what is known of the measurement](#meta)",
    "program_name": "`retrieve` and its version",
    "start_time": "when the run began",
    "end_time": "when it ended",
}
"""The meaning of every dataset under entry_1. `…` stands for any name."""

FAMILIES = (
    ("image_1/process_1/configuration/", "image_1/process_1/configuration/…"),
    ("image_1/process_1/note_1/", "image_1/process_1/note_1/…"),
    ("starts/score_", "starts/score_…"),
    ("starts/history/", "starts/history/…"),
)
SIDE = (13, 16)  # of the example: no other length of an array is 13 or 16


def example() -> rt.Result:
    """A result with every part that one can have."""
    truth = crystal(SIDE, seed=1)
    problem = rt.Problem.from_arrays(
        intensity=1e4 * measure(truth),
        support=np.abs(truth) > 0.1,
        truth=truth,
        meta={"experiment": {"energy_kev": 9.0, "distance_m": 1.2, "pixel_size_um": [55.0, 55.0]}},
    )
    kernel = np.zeros(SIDE, np.float32)
    kernel[0, 0] = 1
    problem = problem.replace(detector=PartialCoherence(kernel))
    result = rt.solve("hio:iterations=4", problem, starts=2, seed=0, x0=truth)
    return rt.Result(**{**vars(result), "samples": result.estimates})


def datasets(path: Path) -> Iterator[str]:
    """A table of the datasets of a file."""
    found: dict[str, str] = {}
    with h5py.File(path) as file:
        for place, item in _items(file["entry_1"]):
            family = _family(place)
            found.setdefault(family, "any" if family.endswith("n/…") else _shape(item))
    if unknown := found.keys() - MEANINGS.keys():
        raise KeyError(f"docs/file_datasets.py has no meaning for {', '.join(sorted(unknown))}; add it to MEANINGS")
    yield "| dataset | type, shape | meaning |\n|---|---|---|"
    yield from (f"| `{place}` | {found[place]} | {meaning} |" for place, meaning in MEANINGS.items() if place in found)


def _items(group: h5py.Group, above: str = "") -> Iterator[tuple[str, h5py.Dataset]]:
    """Every dataset with its place, links included."""
    for name in group:
        item = group[name]
        if isinstance(item, h5py.Group):
            yield from _items(item, f"{above}{name}/")
        else:
            yield f"{above}{name}", item


def _family(place: str) -> str:
    for beginning, family in FAMILIES:
        if place.startswith(beginning):
            return family
    if place.endswith("/title"):
        return "…/title"
    own = ("instrument_1/detector_1/intensity", "instrument_1/detector_1/data", "instrument_1/detector_1/mask")
    return "instrument_1/…" if place.startswith("instrument_1/") and place not in own else place


def _shape(item: h5py.Dataset) -> str:
    """Type and shape in words, with the lengths of the example by their names."""
    kind = "text" if item.dtype.kind == "O" else str(item.dtype)
    if item.shape[-len(SIDE) :] == SIDE:
        return f"{kind} ({', '.join([*['starts'] * (item.ndim - len(SIDE)), 'shape'])})"
    return kind if not item.shape else f"{kind} (…)"
