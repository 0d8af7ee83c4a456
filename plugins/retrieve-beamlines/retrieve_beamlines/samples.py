"""Small scans in each beamline's layout, by which the loaders are checked.

Each function writes counts (frames, rows, columns) into a folder, and returns the source without the loader's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tifffile
from numpy.typing import NDArray

Counts = NDArray[Any]
Tree = Mapping[str, Any]


def steps(count: int, start: float = 12.0, step: float = 0.01) -> NDArray[np.float64]:
    """The angles of a rocking scan, degrees."""
    return np.asarray(start + step * np.arange(count), dtype=float)


def write_tree(path: Path, tree: Tree) -> Path:
    """Write an HDF5 file of datasets by their paths; {name: value} of "path@" are attributes of that path."""
    with h5py.File(path, "w") as file:
        for name, value in tree.items():
            if name.endswith("@"):
                file[name[:-1]].attrs.update(value)
            else:
                file[name] = value
    return path


def write_id01(folder: Path, counts: Counts, sample: str = "S1_", scan: int = 12, detector: str = "mpx1x4", **more: Any) -> str:
    """A file of BLISS at ID01."""
    root = f"{sample}{scan}.1"
    tree = {
        f"{root}/title": "ascan eta 12 12.1 10 1",
        f"{root}/measurement/{detector}": counts,
        f"{root}/measurement/imon": np.full(len(counts), 1e5),
        f"{root}/instrument/positioners/eta": steps(len(counts)),
        f"{root}/instrument/positioners/mu": 0.0,
        f"{root}/instrument/positioners/phi": 3.5,
        f"{root}/instrument/positioners/nu": 1.25,
        f"{root}/instrument/positioners/delta": 34.5,
        f"{root}/instrument/positioners/mononrj": 9.0,
        f"{root}/instrument/{detector}/beam_center_x": 30.5,
        f"{root}/instrument/{detector}/beam_center_y": 20.25,
        f"{root}/instrument/{detector}/x_pixel_size": 5.5e-5,
        f"{root}/instrument/{detector}/y_pixel_size": 5.5e-5,
        f"{root}/instrument/{detector}/distance": 0.83,
        f"{root}/instrument/{detector}/acq_parameters/acq_expo_time": 1.0,
    }
    path = write_tree(folder / "id01.h5", {**tree, **{f"{root}/{name}": value for name, value in more.items()}})
    return f"{path}#{scan}"


def write_id27(folder: Path, counts: Counts) -> str:
    """A file of BLISS at ID27."""
    root = "S1_7.1"
    tree = {
        f"{root}/title": "fscan nath 0 0.1 10 1",
        f"{root}/measurement/eiger": counts,
        f"{root}/instrument/eiger/acq_nb_frames": len(counts),
        f"{root}/instrument/positioners/nath": steps(len(counts), -1.0),
        f"{root}/instrument/calibration/wavelength": 0.3738,
    }
    return f"{write_tree(folder / 'id27.h5', tree)}#7"


def write_nanomax(folder: Path, counts: Counts) -> str:
    """A file of NanoMAX."""
    still = {"gonphi": 4.5, "gamma": 1.5, "delta": 33.25, "energy": 9500.0, "radius": 650.0}
    tree = {
        "entry/description": np.array([b"dscan gontheta -0.05 0.05 10 1"]),
        "entry/measurement/eiger500k/frames": counts,
        "entry/measurement/gontheta": steps(len(counts)),
        "entry/measurement/alba2": np.full(len(counts), 2.5e-7),
        **{f"entry/snapshots/post_scan/{name}": np.array([value]) for name, value in still.items()},
    }
    return str(write_tree(folder / "000012.h5", tree))


def write_sixs(folder: Path, counts: Counts) -> str:
    """A file of SIXS, as since 2022."""
    group = "com/SIXS/i14-c-cx1-ex-med-v-dif-group.1"
    still = {"mu": 12.0, "omega": 0.5, "gamma": 2.5, "delta": 31.75}
    filters = np.where(np.arange(len(counts)) < len(counts) // 2, 0, 2)
    tree = {
        "com/scan_data/data_03": counts,
        "com/scan_data/data_05": np.full(len(counts), 1e5),
        "com/scan_data/data_05@": {"long_name": b"i14-c-c00/ex/imon1"},
        "com/scan_data/data_06": filters,
        "com/scan_data/data_06@": {"long_name": b"i14-c-c00/ex/att_sbs_xpad"},
        "com/scan_data/actuator_1_1": steps(len(counts)),
        "com/SIXS/i14-c-c00-ex-config-att/att_coef": np.array([1.5]),
        "com/SIXS/i14-c-c02-op-mono/energy": np.array([11.0]),
        **{f"{group}/{name}/position": np.array([value]) for name, value in still.items()},
    }
    return str(write_tree(folder / "align_ascan_mu_00012.nxs", tree))


def write_cristal(folder: Path, counts: Counts, scan: int = 12) -> str:
    """A file of CRISTAL."""
    root = f"exp_{scan:04d}"
    device = f"{root}/CRISTAL/I06-C-C07-EX-MG_"
    tree = {
        f"{root}/scan_data/data_06": counts,
        f"{root}/scan_data/data_04": np.arange(len(counts), dtype=float),
        f"{root}/scan_data/actuator_1_1": steps(len(counts)),
        f"{root}/scan_config/name": b"ascan_mg_omega",
        f"{device}OMEGA/position": np.array([12.0]),
        f"{device}PHI/position": np.array([1.5]),
        f"{root}/CRISTAL/Diffractometer/I06-C-C07-EX-DIF-GAMMA/position": np.array([2.5]),
        f"{root}/CRISTAL/Diffractometer/I06-C-C07-EX-DIF-DELTA/position": np.array([31.75]),
        f"{root}/CRISTAL/Monochromator/energy": np.array([8.5]),
    }
    return f"{write_tree(folder / f'S{scan}.nxs', tree)}#{scan}"


def write_p10(folder: Path, counts: Counts, sample: str = "gold", scan: int = 63, parts: int = 2) -> str:
    """The folder of a scan at P10, with the frames in several data files."""
    name = f"{sample}_{scan:05d}"
    place = folder / name / "e4m"
    place.mkdir(parents=True)
    still = {
        "chi": 90.0,
        "del": 31.75,
        "gam": 0.5,
        "mu": 0.0,
        "phi": 4.5,
        "fmbenergy": 8500.0,
        "_distance": 1850.0,
        "_ccd": "e4m",
    }
    rows = (f" {angle:.5f} 99.5 {k}" for k, angle in enumerate(steps(len(counts))))
    lines = [
        "!",
        "! Comments",
        "!",
        "%c",
        "ascan om 12 12.1 10 1",
        "! Parameter",
        "%p",
        *(f"{k} = {v}" for k, v in still.items()),
    ]
    lines += ["! Data", "%d", " Col 1 om DOUBLE", " Col 2 curpetra DOUBLE", " Col 3 e4m STRING", *rows]
    (folder / name / f"{name}.fio").write_text("\n".join(lines) + "\n")
    detector = "entry/instrument/detector"
    master = {
        f"{detector}/x_pixel_size": 7.5e-5,
        f"{detector}/y_pixel_size": 7.5e-5,
        f"{detector}/beam_center_x": 30.5,
        f"{detector}/beam_center_y": 20.25,
        f"{detector}/count_time": 0.5,
        f"{detector}/detectorSpecific/pixel_mask": np.zeros(counts.shape[1:], np.uint32),
    }
    for number, part in enumerate(np.array_split(counts, parts), 1):
        data = f"{name}_data_{number:06d}.h5"
        write_tree(place / data, {"entry/data/data": part})
        master[f"entry/data/data_{number:06d}"] = h5py.ExternalLink(data, "entry/data/data")
    write_tree(place / f"{name}_master.h5", master)
    return str(folder / name)


def write_34idc(
    folder: Path, counts: Counts, scan: int = 54, detector: str = "34idcTIM2", first: tuple[int, int] = (0, 0)
) -> str:
    """A SPEC file of 34-ID-C and the folder of its frames.  first: row and column of the detector in a frame."""
    motors = {"Delta": 32.174, "Theta": -0.28, "Chi": 90.0, "Phi": 0.0, "Gamma": 12.6346, "camdist": 500.0, "Energy": 9.0}
    _, rows, columns = counts.shape
    angles = steps(len(counts), -0.28, 0.005)
    lines = ["#F gold.spec", "#E 1", "#O0 " + "  ".join(motors), "", f"#S {scan}  ascan  th -0.28 0.72 {len(counts) - 1} 0.5"]
    lines += [
        "#P0 " + " ".join(map(str, motors.values())),
        f"#UIMDET {detector}:",
        f"#UIMR5 {first[1]} {columns} {first[0]} {rows}",
    ]
    lines += [f"#N {3}", "#L Theta  Monitor  Detector", *(f"{angle:.5f} 100000 {k}" for k, angle in enumerate(angles)), ""]
    (folder / "gold.spec").write_text("\n".join(lines))
    place = folder / f"gold_S{scan:04d}"
    place.mkdir()
    for k, frame in enumerate(counts):
        tifffile.imwrite(place / f"gold_S{scan:04d}_{k:05d}.tif", frame)
    return f"{folder / 'gold.spec'}#{scan}"
