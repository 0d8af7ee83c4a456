"""Draw the pictures of the pages about concepts and solvers.

python docs/draw.py               # all, about two minutes
python docs/draw.py classical     # one

Each picture goes to docs/figures. Seeds are fixed, so a second run draws the same.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import hsv_to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

import retrieve as rt
from retrieve.numerics.alignment import align
from retrieve.numerics.arrays import find_device
from retrieve.plugins.registry import find
from retrieve.priors.weights import card_of
from retrieve.problem import Problem
from retrieve.problem.survey import survey
from retrieve.simulate import TEST_SEED, Noise, object_set
from retrieve.solvers import ER, HIO, RAAR, RRR, ShrinkWrap, Solver, Streams
from retrieve.solvers.iterative import iterate

FOLDER = Path(__file__).with_name("figures")
COLOURS = {"ER": "#999999", "HIO": "#d55e00", "RAAR": "#0072b2", "RRR": "#009e73"}
mpl.rcParams |= {"font.size": 9, "axes.titlesize": 9, "axes.spines.top": False, "axes.spines.right": False}


def coloured(x: NDArray, top: float | None = None) -> NDArray:
    """Colours of a complex object (*shape): hue is the phase, brightness the amplitude."""
    hue = np.angle(x) / (2 * np.pi) % 1
    value = np.clip(np.abs(x) / (top or np.abs(x).max()), 0, 1)
    return hsv_to_rgb(np.stack([hue, np.full_like(hue, 0.75), value], axis=-1))


def image(axes: Axes, x: NDArray, title: str = "", half: int | None = None, **options: object) -> None:
    """Show the middle of an array, complex ones in colours."""
    if half is not None:
        middle = tuple(slice(n // 2 - half, n // 2 + half) for n in x.shape)
        x = x[middle]
    axes.imshow(coloured(x) if np.iscomplexobj(x) else x, **options)
    axes.set(title=title, xticks=[], yticks=[])
    axes.axis("off")


def r_of(problem: Problem, x: NDArray) -> float:
    """R of x (1, *shape) on all valid pixels."""
    misfit = (problem.modulus(x)[0] - problem.amplitude)[problem.valid]
    return float((misfit**2).sum() / (problem.amplitude[problem.valid] ** 2).sum())


def followed(solver: Solver, problem: Problem, seed: int = 0) -> list[NDArray]:
    """The estimate (1, *shape) of every iteration of one start."""
    rng = Streams.of(seed, [0])
    return [step.estimate.copy() for step in solver.steps(problem, solver.start(problem, rng), rng)]


def on_truth(x: NDArray, problem: Problem) -> NDArray:
    """x (*shape) without the trivial ambiguities."""
    return align(x, problem.truth).object


# the pictures ---------------------------------------------------------------------------------------------------


def classical() -> Figure:
    """R of four algorithms on one object, and their last objects."""
    problem = object_set("domains2d-50-blobs").problem(1, TEST_SEED)
    solvers = {"ER": ER, "HIO": HIO, "RAAR": RAAR, "RRR": RRR}
    figure = Figure(figsize=(9, 2.9), layout="constrained")
    curve, *panels = figure.subplots(1, 6, width_ratios=[2.6, 1, 1, 1, 1, 1])
    image(panels[0], problem.truth, "truth", 16)
    for panel, (name, kind) in zip(panels[1:], solvers.items(), strict=True):
        estimates = followed(kind(iterations=600), problem)
        curve.semilogy([r_of(problem, x) for x in estimates], color=COLOURS[name], label=name, lw=1.4)
        found = align(estimates[-1][0], problem.truth)
        image(panel, found.object, f"{name}: {found.correlation:.3f}", 16)
    curve.set(xlabel="iteration", ylabel="R", title="one object, noiseless, support known", ylim=(1e-8, 1))
    curve.legend(frameon=False)
    return figure


def blind() -> Figure:
    """A pattern, its autocorrelation, the volumes of a sweep, and the object found."""
    problem = object_set("crystal2d").problem(0, TEST_SEED, Noise(photons=1e6)).replace(support=None)
    seen = survey(problem)
    intensity = problem.amplitude**2
    autocorrelation = np.abs(np.fft.fftshift(np.fft.ifftn(intensity)))
    autocorrelation /= autocorrelation.max()
    volumes, scores = sweep(problem, 2 * seen.volume)  # wider than `auto` begins, to show both sides of the minimum
    result = rt.solve(find("solvers", "auto")(), problem, starts=2)
    verdict = rt.judge(result)

    figure = Figure(figsize=(9, 2.5), layout="constrained")
    pattern, auto, support, curve, found = figure.subplots(1, 5, width_ratios=[1, 1, 1, 1.5, 1])
    image(pattern, np.log1p(np.fft.fftshift(intensity)), "pattern", cmap="inferno")
    image(auto, np.log10(autocorrelation + 1e-6), "autocorrelation,\ncut where it stands out", cmap="viridis")
    auto.contour(autocorrelation > seen.level, [0.5], colors="w", linewidths=1)
    half = np.zeros(problem.shape) if seen.half is None else seen.half.astype(float)
    image(support, half, "half of it:\na support to try", cmap="gray")
    curve.semilogy(volumes, scores, "o-", color=COLOURS["RAAR"], ms=3)
    size = int((np.abs(problem.truth) > 0).sum())
    curve.axvline(size, color=COLOURS["HIO"], lw=1)
    curve.set(xlabel="volume of the support, px", title="a sweep: √(R · R_free);\nline: true volume")
    image(found, on_truth(result.object, problem), f"object found:\n{verdict.label}")
    return figure


def sweep(problem: Problem, largest: float) -> tuple[list[float], list[float]]:
    """Scores of HIO with supports of falling volume, each from the state before."""
    fitted, held = problem.hold_out(0.03, np.random.default_rng(0))
    rng = Streams.of(1, [0])
    x, support = HIO().start(fitted, rng), None
    volumes, scores = [], []
    mean = float((fitted.amplitude[fitted.valid] ** 2).mean())
    for k in range(14):
        share = largest * 0.86**k / problem.amplitude.size
        blur = 2.5 * 0.4 ** min(1.0, k / 11)
        wrap = ShrinkWrap(when="always", every=10, sigma=blur, sigma_end=blur, area=share)
        parts = [HIO(iterations=60, shrink_wrap=wrap), ER(iterations=15, shrink_wrap=ShrinkWrap(when="never"))]
        *_, step = iterate(parts, fitted, x, support)
        x, support = step.x, step.support
        r_free = float(((problem.modulus(step.estimate)[0] - problem.amplitude)[held] ** 2).mean()) / mean
        volumes.append(share * problem.amplitude.size)
        scores.append((r_of(fitted, step.estimate) * r_free) ** 0.5)
    return volumes, scores


def learned() -> Figure:
    """The denoiser at four noise levels, and the estimates of a start of `diffusion`."""
    import torch

    problem = object_set("domains2d-50-cells").problem(3, TEST_SEED, Noise(sigma=0.01))
    prior = find("solvers", "diffusion")(weights="domains2d").prior()
    clean = torch.from_numpy(problem.truth)[None]
    rms = float((clean.abs() ** 2).sum() / np.prod(prior.window)) ** 0.5
    support = torch.from_numpy(problem.support)[None]
    figure = Figure(figsize=(9, 4.6), layout="constrained")
    rows = figure.subplots(3, 5)
    image(rows[0][0], problem.truth, "truth", 16)
    rows[1][0].axis("off")
    generator = torch.Generator().manual_seed(0)
    for column, sigma in enumerate((0.15, 0.6, 1.2, 2.0), start=1):
        noise = torch.view_as_complex(torch.randn((*clean.shape, 2), generator=generator))
        noisy = clean / rms + sigma * noise * support
        with torch.no_grad():
            denoised = prior.denoise(noisy, sigma, support)
        image(rows[0][column], noisy[0].numpy(), f"object + noise, σ = {sigma:g}", 16)
        image(rows[1][column], denoised[0].numpy(), "D(x; σ)", 16)
    run = run_of_diffusion(problem)
    for panel, (title, x) in zip(rows[2], run, strict=True):
        image(panel, on_truth(x, problem), title, 16)
    return figure


def run_of_diffusion(problem: Problem) -> list[tuple[str, NDArray]]:
    """Titles and objects (*shape) of one start of `diffusion`, from the end of its search on."""
    import torch

    solver = find("solvers", "diffusion")(weights="domains2d", evaluations=250, rounds=1)
    on_torch = problem.to(find_device("torch"))
    rng = Streams.of(0, [0])
    x = solver.start(problem, rng)
    searched, called = [], []
    for step in solver.steps(on_torch, torch.from_numpy(np.asarray(x)), rng):
        (searched if step.stage == "linear search" else called).append(step.estimate[0].numpy().copy())
    shown = [("linear search", searched[-1])]
    return shown + [
        (f"denoiser call {k}", called[k - 1]) for k in np.linspace(len(called) / 4, len(called), 4).round().astype(int)
    ]


def trust() -> Figure:
    """One pattern in the right support and in one that is too wide."""
    problem = object_set("crystal2d-strong").problem(0, TEST_SEED, Noise(photons=1e5))
    right = problem.support
    wide = np.zeros_like(right)
    middle = tuple(slice(n // 2 - 21, n // 2 + 21) for n in right.shape)
    wide[middle] = True
    figure = Figure(figsize=(7, 2.9), layout="constrained")
    panels = figure.subplots(1, 3)
    image(panels[0], problem.truth, "truth\n", 22)
    for panel, (name, support) in zip(panels[1:], {"right support": right, "support too wide": wide}.items(), strict=True):
        solver = find("solvers", "recipe")(recipe="400 hio + 100 er", twin_cut=None)
        result = rt.solve(solver, problem.replace(support=support), starts=4)
        found = align(result.object, problem.truth)
        score = result.score
        title = f"{name}: correlation {found.correlation:.2f}\nR {score.r:.4f}, R_free {score.r_free:.4f}"
        image(panel, found.object, title, 22)
    return figure


def training() -> Figure:
    """Objects of the training set, and the shipped prior's error against noise."""
    figure = Figure(figsize=(9, 2.9), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[1.5, 1])
    objects, _ = object_set("films2d").objects(10, seed=5)
    for panel, x in zip(left.subplots(2, 5).flat, objects, strict=True):
        image(panel, x, half=24)
    left.suptitle("ten objects of films2d", fontsize=9)
    losses = card_of("domains2d")["training"]["validation"]
    noise = np.array([float(name.partition("@")[2]) for name in losses])
    curve = right.subplots()
    curve.loglog(noise, list(losses.values()), "o-", color=COLOURS["RAAR"], ms=3, label="domains2d")
    curve.loglog(noise, np.minimum(noise**2, 1), "--", color="#999999", label="no prior: min(s², 1)")
    curve.set(xlabel="noise s, in σ_data", title="mean squared error, mse@s")
    curve.legend(frameon=False)
    return figure


def calibration() -> Figure:
    """What the verdict says against what was right, for all test runs and for each kind: benchmarks/results/verdict.json."""
    found = json.loads((FOLDER.parents[1] / "benchmarks" / "results" / "verdict.json").read_text())
    figure = Figure(figsize=(7.5, 3.4), layout="constrained")
    every, kinds = figure.subplots(1, 2)
    table = found["test"]["table"]
    for row in table:
        error = (row["right"] * (1 - row["right"]) / row["runs"]) ** 0.5
        every.errorbar(row["said"], row["right"], error, fmt="o", color="#0072b2", capsize=2)
        every.annotate(f"{row['runs']} runs", (row["said"], row["right"]), (5, -10), textcoords="offset points", fontsize=7)
    every.plot([0, 1], [0, 1], color="#999999", lw=0.8, zorder=0)
    every.set(
        title=f"all {found['test']['runs']} test runs", xlabel="probability that the verdict gives", ylabel="share that is right"
    )
    names = list(found["kinds"])[::-1]
    for at, name in enumerate(names):
        kind = found["kinds"][name]
        share = kind["right"] / (kind["runs"] - kind["outside"])
        said = sum(row["said"] * row["runs"] for row in kind["table"]) / (kind["runs"] - kind["outside"])
        kinds.plot([share, said], [at, at], color="#999999", lw=1)
        kinds.plot(share, at, "o", color="#0072b2", label="right" if at == 0 else None)
        kinds.plot(said, at, "|", color="#d55e00", ms=10, mew=2, label="the verdict's mean" if at == 0 else None)
    kinds.set(title="by kind of run", xlabel="share", xlim=(-0.03, 1.03))
    kinds.set_yticks(range(len(names)), [name.replace("_", " ") for name in names], fontsize=6)
    kinds.legend(fontsize=7, loc="lower right")
    return figure


PICTURES: dict[str, Callable[[], Figure]] = {f.__name__: f for f in (classical, blind, learned, trust, training, calibration)}


def main() -> None:
    """Draw the named pictures, or all."""
    for name in sys.argv[1:] or PICTURES:
        path = FOLDER / f"{name}.png"
        PICTURES[name]().savefig(path, dpi=110, metadata={"Software": None})
        print(f"{path.name}: {path.stat().st_size / 1024:.0f} kB", flush=True)


if __name__ == "__main__":
    main()
