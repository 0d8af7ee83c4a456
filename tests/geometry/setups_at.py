"""An experiment at each named diffractometer, with angles as they occur, and an own one."""

import numpy as np

from retrieve.geometry.diffractometers import names
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


assert set(ANGLES) == set(names()), "an experiment for each setup"
