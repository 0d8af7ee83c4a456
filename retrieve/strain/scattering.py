"""The scattering vector, and whether the spacing of the planes is measured or that of the lattice."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..geometry.experiment import Experiment
from ..geometry.space import reflection

MUCH = 0.02
"""Share by which |Q| by the angles and that of the lattice may differ without a warning."""


class Scattering(NamedTuple):
    """What strain needs besides an array and its voxel vectors.

    q: (3,), nm⁻¹, in the laboratory, of the length by which a phase becomes a displacement.
    measured: |Q| by the angles, nm⁻¹.  wave_number: 2π/λ, nm⁻¹.  hkl: of the reflection.
    spacing: of the mean planes, Å, where it is assumed; None where `measured` gives it.
    facts: lengths, by name with the unit.  notes: what was assumed.
    """

    q: NDArray[np.float64]
    measured: float
    wave_number: float
    hkl: tuple[float, float, float] | None = None
    spacing: float | None = None
    facts: Mapping[str, float] = {}
    notes: tuple[str, ...] = ()


def scattering_of(experiment: Experiment, shape: Sequence[int]) -> Scattering:
    """Take Q from an experiment.

    With hkl and the lattice parameter, |Q| is that of the lattice. The mean spacing of the planes is then that of the lattice,
    too, if the direct beam or another fact behind the angles is nominal. Otherwise the angles give it.

    Parameters
    ----------
    experiment : Experiment
        Energy, distance, pixels, angles; hkl and lattice where they are known.
    shape : sequence of int
        Shape of the pattern.

    Returns
    -------
    Scattering
        With a note on each assumption.

    Raises
    ------
    InputError
        As `geometry.space.reflection` does.
    """
    found = reflection(experiment, shape)
    notes = list(found.notes)
    nominal = bool(experiment.nominal) or experiment.direct_beam is None
    facts = {"q_per_angstrom": found.length / 10, "q_by_angles_per_angstrom": found.measured / 10, "d_by_angles_nm": found.d_nm}
    if found.lattice_angstrom is not None:
        facts["lattice_by_angles_angstrom"] = found.lattice_angstrom
    known = experiment.hkl is not None and experiment.lattice_angstrom is not None
    if nominal:
        lacking = [
            name for name, value in (("--hkl", experiment.hkl), ("--lattice", experiment.lattice_angstrom)) if value is None
        ]
        notes.append(
            "the mean spacing of the planes is that of the lattice; the strain is relative to it"
            if known
            else f"so the mean spacing of the planes is nominal, too; give {' and '.join(lacking)} for that of the lattice"
        )
    elif known:
        facts["strain_of_mean_lattice"] = found.length / found.measured - 1
    if known and abs(found.measured / found.length - 1) > MUCH:
        notes.append("so large a difference is a wrong angle, energy, hkl or lattice: check them")
    return Scattering(
        found.q,
        found.measured,
        2 * math.pi / experiment.wavelength_nm,
        experiment.hkl,
        20 * math.pi / found.length if known and nominal else None,
        facts,
        tuple(notes),
    )
