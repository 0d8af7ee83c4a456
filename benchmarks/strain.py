"""Strain of simulated crystals, measured at each named diffractometer and taken through the whole chain.

    python benchmarks/strain.py                                          # all setups, fields and photons, phased by `auto`
    python benchmarks/strain.py --setups 34idc --fields screw --photons 1e7
    python benchmarks/strain.py --support                                # with the support given

A crystal of known form, orientation and displacement stands in the laboratory. Its object is evaluated on the skewed voxels of
the scan, its pattern is counted, phased and taken through `retrieve strain`. Beside it go two others through the same chain:

- true phases: the counted amplitudes with the phases of the noiseless far field, within the support
- limit: the maximum of the likelihood of the counts within the support, by conjugate gradients from the truth

A fit of the known form to the amplitude gives orientation, size and place. The error of strain is the rms over the bulk against
the known field, each less its mean. A twin is turned back and counted. Cells that are done are not done again; --again does them.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

import retrieve as rt
from retrieve.geometry.diffractometers import named
from retrieve.geometry.experiment import Experiment
from retrieve.geometry.space import q_of, q_steps, voxel_vectors
from retrieve.numerics.alignment import align
from retrieve.problem.likelihood import Poisson
from retrieve.provenance import versions
from retrieve.solvers.blind.auto import Auto
from retrieve.solvers.gradient import ConjugateGradient
from retrieve.strain.measure import strain_of

TARGET = Path(__file__).parent / "results" / "strain.json"
SHAPE = (48, 48, 48)
FILL = 0.42
"""Extent of the crystal relative to the array along the axis where it is largest."""
ANGLES = {
    "34idc": ("theta", 0.2, {"delta": 32.174, "gamma": 12.6346}),
    "id01": ("eta", 17.0, {"phi": 12.0, "nu": 5.0, "delta": 34.0}),
    "p10": ("om", 16.0, {"phi": -8.0, "gam": 3.0, "del": 33.0}),
    "nanomax": ("gontheta", 9.0, {"gonphi": 20.0, "gamma": 5.0, "delta": 33.0}),
    "sixs": ("mu", 15.0, {"omega": 60.0, "gamma": 14.0, "delta": 30.0}),
    "cristal": ("omega", 17.5, {"phi": 5.0, "gamma": 2.0, "delta": 35.0}),
    "id27": ("nath", -4.0, {}),
}
"""The scanned circle, its angle in the middle, and the other angles, degrees."""
TURN = Rotation.from_rotvec([0.4, -0.7, 0.3])
"""Orientation of the crystal in the laboratory."""
STRETCH = {"inclusion": 1.2e-3, "bending": 6e-4}
"""Misfit of the inclusion; strain at the rim of the bent crystal."""
FIELDS = ("inclusion", "bending", "screw", "mixed")
"""screw: a dislocation along Q, right-handed.  mixed: one whose line is 35° off Q, so that Q sees a strain, too."""


class Crystal(NamedTuple):
    """normals: (faces, 3), in the laboratory.  reach: nm, of each face from the centre.  q: (3,), nm⁻¹.  field: its name."""

    normals: np.ndarray
    reach: np.ndarray
    q: np.ndarray
    field: str

    def depth(self, r: np.ndarray) -> np.ndarray:
        """Distance inside the surface, nm, at places (…, 3)."""
        return np.min(self.reach - r @ self.normals.T, axis=-1)

    @property
    def radius(self) -> float:
        """Half its extent, nm."""
        return float(self.reach.mean())

    def displacement(self, r: np.ndarray) -> np.ndarray:
        """The displacement along Q at places (…, 3), nm."""
        along = self.q / np.linalg.norm(self.q)
        first, second = across(along)
        if self.field == "inclusion":
            off = r - 0.25 * self.radius * (first + along)
            near = 0.4 * self.radius / np.maximum(np.linalg.norm(off, axis=-1), 1e-9)
            return STRETCH["inclusion"] * (off @ along) * np.minimum(1, near**3)
        if self.field == "bending":
            return STRETCH["bending"] / self.radius * (r @ along) * (r @ second)
        u, v = self.around(r)
        return np.arctan2(v, u) / np.linalg.norm(self.q)

    def around(self, r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates across the line of the dislocation, which is right-handed about it."""
        along = self.q / np.linalg.norm(self.q)
        first, second = across(along)
        if self.field == "mixed":
            turned = Rotation.from_rotvec(np.deg2rad(35) * second)
            first = turned.apply(first)
        off = r - 0.15 * self.radius * (first - second)
        return off @ first, off @ second

    def strain(self, r: np.ndarray, step: float = 0.5) -> np.ndarray:
        """The strain along Q at places (…, 3), by differences over `step` nm of the phase, which may jump by 2π."""
        along, length = self.q / np.linalg.norm(self.q), np.linalg.norm(self.q)
        ahead, behind = (np.exp(1j * length * self.displacement(r + s * along)) for s in (step, -step))
        return np.angle(ahead * behind.conj()) / (2 * step * length)

    def whole(self, r: np.ndarray, voxel: float) -> np.ndarray:
        """True away from the core of a dislocation by three voxels."""
        return np.hypot(*self.around(r)) > 3 * voxel if self.field in ("screw", "mixed") else np.ones(r.shape[:-1], bool)


def across(along: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two unit vectors that are right-handed with `along` as the third."""
    first = np.cross([0.3, 1.0, 0.2], along)
    first /= np.linalg.norm(first)
    return first, np.cross(along, first)


def experiment_at(name: str) -> Experiment:
    """A rocking scan whose step makes the frames' steps in Q as long as those of the columns."""
    scanned, middle, others = ANGLES[name]
    far = {"energy_kev": 33.0, "distance_m": 2.0, "direct_beam": (424.0, 5900.0)} if name == "id27" else {}
    known = {"energy_kev": 9.0, "distance_m": 0.5, "pixel_size_um": 55.0, "direct_beam": (10.0, 40.0)} | far

    def scan(step: float) -> Experiment:
        frames = middle + step * (np.arange(SHAPE[0]) - SHAPE[0] // 2)
        return Experiment(diffractometer=name, **known, angles_deg={**others, scanned: frames})

    steps = np.linalg.norm(q_steps(scan(0.01), SHAPE), axis=1)
    return scan(round(0.01 * steps[2] / steps[0], 5))


def crystal_for(experiment: Experiment, field: str) -> Crystal:
    """A crystal without symmetry, as large as the array allows."""
    base = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], float)
    corners = np.array([[1, 1, 1], [1, 1, -1], [1, -1, 1], [-1, 1, 1]]) / np.sqrt(3)
    normals = TURN.apply(np.concatenate([base, -base, corners, -corners]))
    reach = np.array([1.0, 0.95, 1.05, 1.0, 1.05, 0.9, 0.85, 1.1, 1.0, 0.95, 1.0, 0.9, 1.05, 0.85])
    vectors = voxel_vectors(experiment, SHAPE)
    probe = Crystal(normals, reach, q_of(experiment, SHAPE)[0], field)
    r = np.stack(np.meshgrid(*[np.linspace(-2, 2, 41)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    inside = r[probe.depth(r) > 0] @ np.linalg.inv(vectors)
    return probe._replace(reach=reach * float(np.min(FILL * np.array(SHAPE) / np.ptp(inside, axis=0))))


def places(shape: tuple[int, ...], vectors: np.ndarray) -> np.ndarray:
    """Where the voxels lie (*shape, 3), nm."""
    index = np.stack(np.meshgrid(*[np.arange(n) - n // 2 for n in shape], indexing="ij"), axis=-1)
    return index @ vectors


def object_of(crystal: Crystal, vectors: np.ndarray) -> np.ndarray:
    """The complex object on the voxels of the scan: a share at the surface, the phase −Q·u."""
    r = places(SHAPE, vectors)
    edge = abs(np.linalg.det(vectors)) ** (1 / 3)
    cover = np.clip(crystal.depth(r) / edge + 0.5, 0, 1)
    return cover * np.exp(-1j * np.linalg.norm(crystal.q) * crystal.displacement(r))


class Fit(NamedTuple):
    """turn_deg: of the crystal against the known orientation.  scale: of its size.  shift: (3,), nm."""

    turn_deg: float
    scale: float
    shift: np.ndarray


def fitted(amplitude: np.ndarray, crystal: Crystal, r: np.ndarray, voxel: float) -> Fit:
    """The known form, turned, scaled and moved so that it fits an amplitude on cubes best."""
    scale = np.median(amplitude[amplitude > 0.5 * np.percentile(amplitude, 99.5)])
    blurred = gaussian_filter(amplitude / scale, 1.0)

    def model(p: np.ndarray) -> np.ndarray:
        turned = Rotation.from_rotvec(0.1 * p[:3]).inv().apply((r - voxel * p[3:6]).reshape(-1, 3)) / (1 + 0.1 * p[6])
        share = np.clip(crystal.depth(turned) / voxel + 0.5, 0, 1).reshape(amplitude.shape)
        return (p[7] * gaussian_filter(share, 1.0) - blurred).ravel()

    # the crystal was rolled to the middle by up to a voxel or so: begin with the centres of mass
    begin = np.zeros(8)
    begin[7] = 1.0
    weight = amplitude**2 / np.sum(amplitude**2)
    form = (crystal.depth(r) > 0) / np.sum(crystal.depth(r) > 0)
    begin[3:6] = np.einsum("xyz,xyza->a", weight - form, r) / voxel
    p = least_squares(model, begin, diff_step=1e-3, max_nfev=12).x
    return Fit(float(np.rad2deg(0.1 * np.linalg.norm(p[:3]))), float(1 + 0.1 * p[6]), voxel * p[3:6])


def judged(result: rt.Result, experiment: Experiment, crystal: Crystal) -> dict[str, float]:
    """Orientation, size, error of strain and handedness of a result against the known crystal."""
    found = strain_of(result, experiment)
    r = places(found.shape, found.voxel_nm * found.axes)
    fit = fitted(found.maps["amplitude"], crystal, r, found.voxel_nm)
    at = r - fit.shift
    inside = found.bulk & crystal.whole(at, found.voxel_nm) & np.isfinite(found.maps["strain"])
    error = (found.maps["strain"] - crystal.strain(at))[inside]
    known = crystal.strain(at)[inside]
    made = {
        "turn_deg": fit.turn_deg,
        "size_error_voxels": (fit.scale - 1) * 2 * crystal.radius / found.voxel_nm,
        "strain_error": float(np.std(error)),
        "strain_known": float(np.std(known)),
        "bulk_voxels": int(inside.sum()),
    }
    if crystal.field in ("screw", "mixed"):
        u, v = crystal.around(at)
        phase = np.where(found.support, np.exp(1j * np.nan_to_num(found.maps["phase"])), 0)
        right, left = (abs(np.sum(phase * np.exp(1j * sign * np.arctan2(v, u)))) for sign in (1, -1))
        made["handedness"] = float((right - left) / (right + left))  # the right hand has the phase −Q·u
    return made


def one(name: str, field: str, photons: float, seed: int, known: bool) -> dict[str, Any]:
    """One crystal through the chain, with that given the true phases, and that of the highest likelihood."""
    experiment = experiment_at(name)
    vectors = voxel_vectors(experiment, SHAPE)
    crystal = crystal_for(experiment, field)
    x = object_of(crystal, vectors)
    far = np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(x)))
    expected = np.abs(far) ** 2
    counts = np.random.default_rng(seed).poisson(expected * (photons / expected.sum())).astype(np.float32)
    support = np.abs(x) > 0
    problem = rt.Problem.from_arrays(
        intensity=counts, support=support if known else None, meta={"experiment": experiment.as_meta()}
    )
    begin = time.process_time()
    result = rt.solve(Auto(), problem, starts=2 if known else Auto().starts_for(problem), seed=seed, agree=Auto.agree)
    seconds = time.process_time() - begin
    turned = align(result.object, x, ramp=True)
    phases = np.exp(1j * np.angle(far))
    true = np.fft.fftshift(np.fft.ifftn(np.fft.ifftshift(np.sqrt(counts) * phases)))
    counted = rt.Problem.from_arrays(intensity=counts, support=support, likelihood=Poisson())
    best = rt.solve(ConjugateGradient(), counted, starts=1, hold_out=0, x0=np.where(support, true, 0).astype(np.complex64))
    arms = {"phased": turned.object, "true_phases": np.where(support, true, 0), "limit": best.object}
    made = {arm: judged(_with(result, y, support), experiment, crystal) for arm, y in arms.items()}
    given = made["true_phases"]["strain_error"]
    return {
        "setup": named(name).name,
        "voxel_edges_nm": np.linalg.norm(vectors, axis=1).round(2).tolist(),
        "extent_nm": round(2 * crystal.radius, 1),
        "correlation": turned.correlation,
        "twin": bool(turned.twin),
        "r": result.score.r,
        **made,
        "ratio": made["phased"]["strain_error"] / given,
        "ratio_of_limit": made["limit"]["strain_error"] / given,
        "cpu_seconds": round(seconds, 1),
    }


def _with(result: rt.Result, x: np.ndarray, support: np.ndarray) -> rt.Result:
    """The result with one object, and the support of its solver."""
    x = x.astype(np.complex64)
    one = {"object": x, "estimates": x[None], "supports": support[None], "scores": (result.scores[result.chosen],)}
    return replace(result, **one, chosen=0, history=({},), spread=None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--setups", default=",".join(ANGLES))
    parser.add_argument("--fields", default=",".join(FIELDS))
    parser.add_argument("--photons", default="1e6,1e7,1e8")
    parser.add_argument("--support", action="store_true", help="give `auto` the support")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--out", type=Path, default=TARGET)
    given = parser.parse_args()
    kept: dict[str, Any] = json.loads(given.out.read_text()) if given.out.exists() else {}
    for photons in given.photons.split(","):
        for name in given.setups.split(","):
            for field in given.fields.split(","):
                cell = f"{name} {field} {float(photons):g} photons, {'support given' if given.support else 'blind'}"
                if cell not in kept or given.again:
                    kept |= {cell: one(name, field, float(photons), given.seed, given.support), "versions": versions()}
                    given.out.write_text(json.dumps(kept, indent=1) + "\n")
                print(line(cell, kept[cell]), flush=True)


def line(cell: str, made: dict[str, Any]) -> str:
    """A cell in a line."""
    own, hand = made["phased"], made["phased"].get("handedness")
    return (
        f"{cell:42s} turn {own['turn_deg']:.2f}° size {own['size_error_voxels']:+.2f} px strain {own['strain_error']:.2e} of "
        f"{own['strain_known']:.2e}, {made['ratio']:.2f} × true phases (limit {made['ratio_of_limit']:.2f})"
        f"{'' if hand is None else f', hand {hand:+.2f}'}{', twin' * made['twin']}, {made['cpu_seconds']:.0f} s"
    )


if __name__ == "__main__":
    main()
