"""The options on the experiment behind a pattern, and their one place of parsing: several commands share them."""

from __future__ import annotations

from collections.abc import Mapping
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
    click.option("--hkl", metavar="H,K,L", help="reflection, such as 1,1,1; this and the following replace facts of the file"),
    click.option("--lattice", metavar="Å", help="lattice parameter of a cubic crystal, Å"),
    click.option("--diffractometer", metavar="NAME", help="34idc, id01, p10, nanomax, sixs, cristal, id27, or your FILE.toml"),
    click.option("--energy", metavar="KEV", help="photon energy, keV"),
    click.option("--distance", metavar="M", help="sample to detector, m"),
    click.option("--pixel-size", metavar="UM", help="pixel of the array in the file, µm: one number, or ROW,COLUMN"),
    click.option("--direct-beam", metavar="ROW,COLUMN", help="direct beam at detector angles of zero, pixels of that array"),
    click.option(
        "--angle",
        multiple=True,
        metavar="CIRCLE=DEG",
        help="angle of a circle, degrees; of the scanned one CIRCLE=FIRST:LAST over the frames; again for each circle",
    ),
)
"""Decorate a command with the options on its experiment; `given_experiment` or `experiment_from` reads them."""


def given_experiment(given: dict[str, Any]) -> dict[str, Any]:
    """The fields of an `Experiment` that the options give, as text. The options are taken out of `given`.

    Raises `InputError` for a value that is impossible or not understood, with the option's name.
    """
    from ..geometry.diffractometers import named
    from ..geometry.experiment import Experiment
    from ..problem.meta import spread_angle

    found: dict[str, Any] = {}
    for name, field in FIELDS.items():
        value = given.pop(name)
        if value is None:
            continue
        try:
            Experiment(**{field: value})
            if field == "diffractometer":
                named(value)
        except InputError as error:
            raise InputError(f"--{name.replace('_', '-')} {value}: {error}") from error
        found[field] = value
    angles = {}
    for text in given.pop("angle"):
        circle, equals, value = text.partition("=")
        if not equals or not circle:
            raise InputError(
                f"--angle {text!r} is not understood; write CIRCLE=DEGREES, or CIRCLE=FIRST:LAST for the scanned one"
            )
        try:
            Experiment(angles_deg={circle: spread_angle(circle, value, 2)})
        except InputError as error:
            raise InputError(f"--angle {text}: {error}") from error
        angles[circle] = value
    return {**found, **({"angles_deg": angles} if angles else {})}


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
    from ..problem.meta import given_angles

    fields = given_experiment({**dict.fromkeys(FIELDS), "angle": (), **given})
    return Experiment.from_meta(meta).with_options(**given_angles(fields, frames))
