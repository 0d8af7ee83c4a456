"""An experiment at each named diffractometer, with angles as they occur, and an own one."""

import numpy as np
import pytest

from retrieve.geometry.diffractometers import named, names
from retrieve.geometry.experiment import Experiment

LETTERS = {"x": "y", "y": "z", "z": "x"}  # CXI to xrayutilities: x along the beam, y outboard, z up
SHAPE = (32, 40, 48)
ANGLES = {
    "34idc": ("theta", {"delta": 32.174, "gamma": 12.6346, "chi": 90.0, "phi": 0.0}),
    "id01": ("eta", {"mu": 0.0, "phi": 12.0, "nu": 5.0, "delta": 34.0}),
    "p10": ("om", {"mu": 0.0, "chi": 90.0, "phi": -8.0, "gam": 3.0, "del": 33.0}),
    "nanomax": ("gontheta", {"gonphi": 20.0, "gamma": 15.0, "delta": 18.0}),
    "sixs": ("mu", {"omega": 60.0, "gamma": 14.0, "delta": 30.0}),
    "sixs2019": ("mu", {"beta": 0.4, "gamma": 31.0, "delta": 12.0}),
    "cristal": ("omega", {"phi": 5.0, "gamma": 2.0, "delta": 35.0}),
    "id27": ("nath", {}),
}
MIDDLE = {"34idc": 0.2, "id01": 17.0, "p10": 16.0, "nanomax": 9.0, "sixs": 15.0, "sixs2019": 11.0, "cristal": 17.5, "id27": -4.0}


def letters(axis):
    """A direction along an axis in the notation of xrayutilities."""
    place = int(np.argmax(np.abs(axis)))
    return LETTERS["xyz"[place]] + ("+" if axis[place] > 0 else "-")


def experiment_at(name, shape=SHAPE, step=0.012, **options):
    """A rocking scan at a setup, its direct beam some pixels off the array's middle."""
    scanned, angles = ANGLES[name]
    frames = MIDDLE[name] + step * (np.arange(shape[0]) - shape[0] // 2)
    known = {
        "diffractometer": name,
        "energy_kev": 9.0,
        "distance_m": 0.8,
        "pixel_size_um": (55.0, 75.0),
        "direct_beam": (shape[1] // 2 + 21.0, shape[2] // 2 - 33.5),
        "angles_deg": {**angles, scanned: frames},
    }
    if name == "id27":  # the detector stands still, and the peak lies far off the direct beam
        beam = (shape[1] // 2 + 900.0, shape[2] // 2 + 5100.0)
        known |= {"energy_kev": 33.0, "distance_m": 2.4, "direct_beam": beam}
    return Experiment(**(known | options))


def by_xrayutilities(experiment, shape):
    """Q and the steps of Q at the middle of the array in the CXI laboratory frame, nm⁻¹, by xrayutilities."""
    xu = pytest.importorskip("xrayutilities")
    setup = named(experiment.diffractometer)
    detector = [letters(c.axis) for c in setup.detector] or ["z+"]
    convert = xu.QConversion([letters(c.axis) for c in setup.sample], detector, (1, 0, 0), en=1e3 * experiment.energy_kev)
    row, column = (int(n // 2 - 8) for n in shape[1:])  # a block of pixels around the middle one
    beam = experiment.direct_beam
    convert.init_area(
        letters(setup.rows),
        letters(setup.columns),
        cch1=beam[0] - row,
        cch2=beam[1] - column,
        Nch1=17,
        Nch2=17,
        distance=experiment.distance_m,
        pwidth1=1e-6 * experiment.pixel_size_um[0],
        pwidth2=1e-6 * experiment.pixel_size_um[1],
    )
    middle = shape[0] // 2

    def angle(circle, frames):
        given = circle.angle_in(experiment.angles_deg)
        values = np.asarray(0.0 if given is None else given)
        return (values[frames] if values.ndim else float(values)) - circle.zero_deg

    frames = [middle - 1, middle, middle + 1]
    given = [angle(c, frames) for c in (*setup.sample, *setup.detector)] + ([0.0] if not setup.detector else [])
    q = 10 * np.stack(convert.area(*given))  # component, frame, row, column
    still = [angle(c, middle) for c in setup.sample]
    steps = np.stack([q[:, 2, 8, 8] - q[:, 0, 8, 8], q[:, 1, 9, 8] - q[:, 1, 7, 8], q[:, 1, 8, 9] - q[:, 1, 8, 7]]) / 2
    lab = [convert.transformSample2Lab(vector, *still)[[1, 2, 0]] for vector in (q[:, 1, 8, 8], *steps)]
    return lab[0], np.stack(lab[1:])


assert set(ANGLES) == set(names()), "an experiment for each setup"
