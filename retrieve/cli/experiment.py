"""The options that tell of the experiment, and their one place of parsing: `prepare`, `run` and `inspect` share them."""

from __future__ import annotations

from typing import Any

import click

from ..errors import InputError
from .options import with_options

experiment_options = with_options(
    click.option("--energy", metavar="KEV", help="photon energy, keV; this and the following replace those of the file"),
    click.option("--distance", metavar="M", help="from the sample to the detector, m"),
    click.option("--pixel-size", metavar="UM[,UM]", help="of the detector along rows' axis and columns' axis, µm"),
    click.option(
        "--direct-beam", metavar="ROW,COLUMN", help="of the direct beam at detector angles of zero, pixels; may lie outside"
    ),
    click.option(
        "--angle",
        "angles",
        multiple=True,
        metavar="CIRCLE=DEG",
        help="angle of a circle, °; of the scanned one FIRST:LAST, or one a frame with commas; may be repeated",
    ),
    click.option("--hkl", metavar="H,K,L", help="reflection"),
    click.option("--lattice", metavar="ANGSTROM", help="lattice parameter of a cubic crystal, Å"),
    click.option("--diffractometer", metavar="NAME|FILE.toml", help="its circles and detector, by a name or a file"),
)

FIELDS = {
    "energy": "energy_kev",
    "distance": "distance_m",
    "pixel_size": "pixel_size_um",
    "direct_beam": "direct_beam",
    "hkl": "hkl",
    "lattice": "lattice_angstrom",
    "diffractometer": "diffractometer",
}
"""Options, and the fields of an `Experiment` that they give."""


def given_experiment(given: dict[str, Any]) -> dict[str, Any]:
    """The fields of an `Experiment` that the options give; the options are taken out of `given`.

    Raises `InputError` for values that cannot be, with the option's name.
    """
    from ..geometry.experiment import Experiment
    from ..problem.meta import spread_angle

    found: dict[str, Any] = {}
    for name, field in FIELDS.items():
        value = given.pop(name)
        if value is None:
            continue
        try:
            Experiment(**{field: value})
        except InputError as error:
            raise InputError(f"--{name.replace('_', '-')} {value}: {error}") from error
        found[field] = value
    angles = {}
    for text in given.pop("angles"):
        circle, equals, value = text.partition("=")
        if not equals or not circle:
            raise InputError(f"--angle {text} is not understood; give CIRCLE=DEG, such as delta=32.17 or theta=-0.3:0.7")
        try:
            Experiment(angles_deg={circle: spread_angle(circle, value, 2)})
        except InputError as error:
            raise InputError(f"--angle {text}: {error}") from error
        angles[circle] = value
    return {**found, **({"angles_deg": angles} if angles else {})}
