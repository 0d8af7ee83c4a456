"""Options on the experiment behind a pattern, which several commands share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError
from .options import Decorator, with_options

if TYPE_CHECKING:
    from ..geometry.experiment import Experiment

FIELDS = {
    "hkl": "hkl",
    "lattice": "lattice_angstrom",
    "diffractometer": "diffractometer",
    "energy": "energy_kev",
    "distance": "distance_m",
    "pixel_size": "pixel_size_um",
    "direct_beam": "direct_beam",
}
"""Options, and the fields of `Experiment` that they give."""

experiment_options: Decorator = with_options(
    click.option("--hkl", metavar="H,K,L", help="reflection, such as 1,1,1"),
    click.option("--lattice", type=float, metavar="Å", help="lattice parameter of a cubic crystal, Å"),
    click.option("--diffractometer", metavar="NAME", help="34idc, id01, p10, nanomax, sixs, cristal, id27, or your FILE.toml"),
    click.option("--energy", type=float, metavar="KEV", help="photon energy, keV"),
    click.option("--distance", type=float, metavar="M", help="sample to detector, m"),
    click.option("--pixel-size", metavar="UM", help="pixel of the array as it is now, µm: one number, or ROW,COLUMN"),
    click.option("--direct-beam", metavar="ROW,COLUMN", help="direct beam at detector angles of zero, pixels of the array"),
    click.option(
        "--angle",
        multiple=True,
        metavar="CIRCLE=DEG",
        help="angle of a circle, degrees; of the scanned one CIRCLE=FIRST:LAST over the frames; again for each circle",
    ),
)
"""Decorate a command with the options on its experiment; `experiment_from` reads them."""


def experiment_from(meta: Mapping[str, Any], given: Mapping[str, Any], frames: int) -> Experiment:
    """The experiment of a file's meta, with the options that were given on top.

    Parameters
    ----------
    meta
        Of the file.
    given
        The values of `experiment_options`, by name.
    frames
        How many the array has along its first axis.

    Raises
    ------
    InputError
        For a value that is impossible or not understood.
    """
    from ..geometry.experiment import Experiment

    values = {field: given[name] for name, field in FIELDS.items() if given.get(name) is not None}
    for name, count in (("hkl", 3), ("direct_beam", 2)):
        if name in values:
            values[name] = _numbers(name, values[name], (count,))
    if "pixel_size_um" in values:
        sizes = _numbers("pixel-size", values["pixel_size_um"], (1, 2))
        values["pixel_size_um"] = (*sizes, *sizes)[:2]
    angles = dict(_angle(text, frames) for text in given.get("angle") or ())
    return Experiment.from_meta(meta).with_options(**values, angles_deg=angles or None)


def _numbers(name: str, text: str, counts: Sequence[int]) -> tuple[float, ...]:
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) not in counts:
        wanted = " or ".join(map(str, counts))
        raise InputError(f"--{name.replace('_', '-')} {text!r} is not understood; give {wanted} number(s), with commas between")
    return values


def _angle(text: str, frames: int) -> tuple[str, float | tuple[float, ...]]:
    """A circle, and its angle or angles."""
    name, equals, value = text.partition("=")
    try:
        ends = [float(part) for part in value.split(":")]
    except ValueError:
        ends = []
    if not equals or not name or len(ends) not in (1, 2):
        raise InputError(f"--angle {text!r} is not understood; write CIRCLE=DEGREES, or CIRCLE=FIRST:LAST for the scanned one")
    if len(ends) == 1:
        return name, ends[0]
    step = (ends[1] - ends[0]) / max(1, frames - 1)
    return name, tuple(ends[0] + step * k for k in range(frames))
