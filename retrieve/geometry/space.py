"""From angles and pixels to reciprocal and direct space, in the CXI laboratory frame: x outboard, y up, z along the beam.

With the wave vectors k of the beam and k' of the ray to a pixel, Q = k' − k. A frame at another angle of the scanned circle
measures the Q that the crystal, turned back, would have shown in the middle frame.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .diffractometers import named
from .experiment import Experiment

Vector = NDArray[np.float64]


class Reflection(NamedTuple):
    """The reflection at the middle of the array.

    Attributes
    ----------
    q : float (3,)
        Scattering vector in the laboratory frame, nm⁻¹. Its direction is that of the angles, its length is `length`.
    length : float
        |Q| that displacement and strain use, nm⁻¹.
    measured : float
        |Q| by the angles, nm⁻¹.
    d_nm : float
        Spacing of the lattice planes, 2π / `measured`, nm.
    lattice_angstrom : float or None
        Lattice parameter of a cubic crystal by the angles, Å; None without hkl.
    notes : tuple of str
        The origin of the length, and the nominal values behind it.
    """

    q: Vector
    length: float
    measured: float
    d_nm: float
    lattice_angstrom: float | None
    notes: tuple[str, ...]


def q_of(experiment: Experiment, shape: Sequence[int]) -> tuple[Vector, float]:
    """Return the scattering vector at the middle of an array, by the angles.

    Parameters
    ----------
    experiment
        The experiment.
    shape
        Frames, rows and columns of the array, or rows and columns.

    Returns
    -------
    float (3,), float
        Q in the laboratory frame and its length, nm⁻¹.

    Raises
    ------
    InputError
        If a value is missing, or if the experiment belongs to another number of frames.
    """
    _, _, ray = _pixel(experiment, shape)
    k = 2 * math.pi / experiment.wavelength_nm
    q = k * (ray / np.linalg.norm(ray) - np.array([0.0, 0.0, 1.0]))
    length = float(np.linalg.norm(q))
    if length < 1e-9 * k:
        raise InputError("the middle of the array is the direct beam, Q = 0; give the detector's angles of a Bragg peak")
    return q, length


def reflection(experiment: Experiment, shape: Sequence[int]) -> Reflection:
    """Return the reflection at the middle of an array, with the length of Q that strain uses.

    With hkl and the lattice parameter, the length is 2π √(h² + k² + l²) / a. It replaces that by the angles, which rests on the
    direct beam.

    Parameters
    ----------
    experiment
        The experiment.
    shape
        Frames, rows and columns of the array.

    Returns
    -------
    Reflection
        The vector, its lengths and the notes.

    Raises
    ------
    InputError
        As `q_of` does.
    """
    q, measured = q_of(experiment, shape)
    notes = [f"|Q| by the angles is {measured / 10:.4g} Å⁻¹"]
    nominal = [*experiment.nominal, *(["direct_beam"] if experiment.direct_beam is None else [])]
    if nominal:
        names = ", ".join(dict.fromkeys(nominal))
        notes[0] += f", nominal: {names}"
        if experiment.direct_beam is None:
            notes[0] += " (unknown; the angles are taken as those of the array's middle)"
    length, lattice = measured, None
    if experiment.hkl is not None:
        index = math.sqrt(sum(i * i for i in experiment.hkl))
        lattice = 20 * math.pi * index / measured
        if experiment.lattice_angstrom is not None:
            length = 20 * math.pi * index / experiment.lattice_angstrom
            notes.append(
                f"|Q| used is {length / 10:.4g} Å⁻¹, 2π√(h²+k²+l²)/a with a = {experiment.lattice_angstrom:g} Å; "
                f"that by the angles differs by {100 * (measured / length - 1):+.2g} %"
            )
    return Reflection(q * (length / measured), length, measured, 2 * math.pi / measured, lattice, tuple(notes))


def q_steps(experiment: Experiment, shape: Sequence[int]) -> Vector:
    """Return the steps in reciprocal space from pixel to pixel at the middle of an array.

    Parameters
    ----------
    experiment
        The experiment.
    shape
        Frames, rows and columns of the array.

    Returns
    -------
    float (3, 3)
        Steps along frame, row and column, one a line, in the laboratory frame at the middle frame, nm⁻¹ a pixel.

    Raises
    ------
    InputError
        If a value is missing, if no sample circle is scanned, or if its steps are uneven.
    """
    if len(shape) != 3:
        raise InputError(f"the array has {len(shape)} axes; voxels of a crystal need three, frames, rows and columns")
    setup = named(_needed(experiment, "diffractometer"))
    q, _ = q_of(experiment, shape)
    name = experiment.scanned
    if name is None:
        raise InputError("no circle has one angle a frame; give the scanned circle's angles, as angles_deg")
    axis = setup.scan_axis(name, experiment.angles_deg)
    along_frame = -np.deg2rad(experiment.step_deg) * np.cross(axis, q)
    row, column, ray = _pixel(experiment, shape)
    distance = float(np.linalg.norm(ray))
    k = 2 * math.pi / experiment.wavelength_nm
    away = ray / distance
    steps = [along_frame, *(k / distance * (edge - (edge @ away) * away) for edge in (row, column))]
    return np.stack(steps)


def voxel_vectors(experiment: Experiment, shape: Sequence[int]) -> Vector:
    """Return the edges of a voxel of the phased array.

    Parameters
    ----------
    experiment
        The experiment of the pattern.
    shape
        Shape of the pattern and of the phased array.

    Returns
    -------
    float (3, 3)
        Edges along the three array axes, one a line, in the laboratory frame, nm. The voxel n lies at (n − N//2) @ edges.

    Raises
    ------
    InputError
        As `q_steps` does, and if the steps do not span space.
    """
    steps = q_steps(experiment, shape)
    lengths = np.linalg.norm(steps, axis=1)
    if abs(np.linalg.det(steps)) < 1e-6 * np.prod(lengths):
        raise InputError(
            f"the scan of {experiment.scanned} moves along the detector's plane, so that the frames span no volume; "
            "check the scanned circle and the diffractometer"
        )
    return np.asarray(2 * math.pi * np.linalg.inv(steps).T / np.asarray(shape, dtype=float)[:, None])


def _needed(experiment: Experiment, name: str) -> Any:
    value = getattr(experiment, name)
    if value is None:
        missing = ", ".join(experiment.missing())
        raise InputError(f"{name} is unknown; voxels in nm still need {missing}: give them as options or in the file's meta")
    return value


def _pixel(experiment: Experiment, shape: Sequence[int]) -> tuple[Vector, Vector, Vector]:
    """Edges of the middle pixel along rows' and columns' axis, and the way to it from the sample, laboratory frame, µm."""
    setup = named(_needed(experiment, "diffractometer"))
    distance, size = 1e6 * _needed(experiment, "distance_m"), _needed(experiment, "pixel_size_um")
    if len(shape) == 3 and experiment.frame_count not in (None, shape[0]):
        raise InputError(
            f"the experiment has angles of {experiment.frame_count} frames, the array {shape[0]}; crop and pad both alike"
        )
    middle = [n // 2 for n in shape[-2:]]
    beam = middle if experiment.direct_beam is None else experiment.direct_beam
    matrix = setup.turned_detector(experiment.angles_deg)
    row, column = size[0] * np.asarray(setup.rows), size[1] * np.asarray(setup.columns)
    ray = np.array([0.0, 0.0, distance]) + (middle[0] - beam[0]) * row + (middle[1] - beam[1]) * column
    return matrix @ row, matrix @ column, matrix @ ray
