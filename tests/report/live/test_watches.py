"""What the page hears of a run, a comparison and a training, and what it draws of it."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from PIL import Image

from retrieve.driver.progress import Estimate, Progress
from retrieve.driver.run_spec import RunSpec
from retrieve.evaluate.comparison import Picture, Row
from retrieve.plugins.registry import find
from retrieve.priors.training.state import ProgressMessage
from retrieve.problem import Problem
from retrieve.report.live import run_watch, train_watch
from retrieve.report.live.compare_watch import CompareWatch
from retrieve.report.live.run_pictures import RunPictures, far_field_sections
from retrieve.report.live.run_watch import RunWatch, lead_of
from retrieve.report.live.screen import Screen
from retrieve.report.live.train_watch import TrainWatch
from retrieve.simulate import crystal, measure


@pytest.fixture
def screen():
    return Screen("scan.npz")


@pytest.fixture
def at_once(monkeypatch):
    """Every step is looked at."""
    monkeypatch.setattr(run_watch, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(run_watch, "COPY_SECONDS", 0.0)
    monkeypatch.setattr(run_watch, "COPY_SHARE", 1e9)
    monkeypatch.setattr(train_watch, "LOOK_SECONDS", 0.0)


def problem_of(shape=(32, 32), **given):
    return Problem.from_arrays(intensity=measure(30 * crystal(shape, seed=0, fill=0.4, phase=2.0), photons=1e6), **given)


def seen(value, shape=(32, 32)):
    x = np.zeros(shape, np.complex64)
    x[12:20, 12:20] = value
    return Estimate(x, np.abs(x) > 0)


def watch_of(screen, starts=4, agree=0.0, each=False, batch=1):
    return RunWatch(screen, RunSpec(find("solvers", "hio")(), starts=starts, batch=batch, agree=agree), problem_of(), each)


def step(start, n, r, r_free, value=1.0, total=100, starts=4, stage="hio", share=None):
    return Progress(start, starts, n, total, stage, r, r_free, share, lambda: seen(value))


def tiles(told):
    return {name: value for name, value, _ in told["tiles"]}


def test_a_run_tells_stage_scores_support_and_time(screen, at_once):
    watch = watch_of(screen, agree=0.9)
    watch(step(0, 50, 0.2, 0.3))
    told = screen.state(1, "a")
    assert told["stage"] == "start 0: hio, step 50 of 100"
    assert told["share"] == 0.125
    assert told["left"].startswith("at most ") or told["left"] == ""
    assert tiles(told) == {"R": "0.2", "R_free": "0.3", "Support": "64 px", "Starts done": "0 of 4"}


def test_the_best_estimate_is_shown_until_a_better_one_comes(screen, at_once):
    watch = watch_of(screen)
    for event, best in (
        (step(0, 50, 0.2, 0.3, 1.0), 0),
        (step(0, 100, 0.1, 0.2, 2.0), 0),
        (step(1, 20, math.nan, math.nan, 3.0), 0),
        (step(1, 50, 0.3, 0.4, 4.0), 0),
        (step(1, 100, 0.05, 0.1, 5.0), 1),
        (step(2, 50, 0.04, 0.15, 6.0), 1),
    ):
        watch(event)
        assert watch.best.start == best
    assert watch.best.estimate.x.max() == 5
    told = screen.state(0, "a")
    assert tiles(told)["R_free"] == "0.1"
    assert "of start 1" in told["body"]


def test_without_a_known_end_the_first_start_has_no_time_and_the_next_is_measured_by_it(screen, at_once):
    watch = watch_of(screen)
    watch(step(0, 50, 0.2, 0.3, total=None))
    assert screen.state(1, "a")["share"] is None
    watch(step(1, 1, 0.2, 0.3, total=None))
    assert 0.25 <= screen.state(1, "a")["share"] <= 0.5


def test_a_guess_of_the_solver_gives_the_first_start_its_time(screen, at_once):
    watch = watch_of(screen)
    watch(step(0, 50, 0.2, 0.3, total=None, share=0.5))
    assert screen.state(1, "a")["share"] == 0.125


def test_workers_tell_of_starts_that_are_done(screen, at_once):
    watch = watch_of(screen, each=True)
    for start in (2, 0):
        watch(step(start, 100, 0.1 + start, 0.2 + start))
    told = screen.state(0, "a")
    assert (told["stage"], told["share"]) == ("2 of 4 starts are done", 0.5)
    assert watch.best.start == 0


def test_curves_stay_short(screen, at_once):
    watch = watch_of(screen)
    for n in range(5000):
        watch(step(0, n + 1, 1 / (n + 1), 2 / (n + 1), total=6000))
    points = watch.curves[0]
    assert len(points) <= run_watch.MOST_POINTS
    assert points[-1][0] > 4000
    assert [p[0] for p in points] == sorted(p[0] for p in points)


def test_steps_of_microseconds_are_not_looked_at(screen):
    watch = watch_of(screen)
    looks = []
    for n in range(2000):
        watch(Progress(0, 4, n + 1, 5000, "hio", 0.1, 0.2, None, lambda: looks.append(1)))
    assert len(looks) <= 5


@pytest.mark.parametrize("shape", [(32, 32), (16, 20, 24)])
def test_a_section_of_the_far_field_is_that_of_the_whole(shape):
    x = crystal(shape, seed=1, fill=0.4, phase=1.0).astype(np.complex64)
    problem = Problem.from_arrays(intensity=measure(x))
    whole = np.fft.fftshift(np.asarray(problem.intensity(x[None]))[0])
    peak = tuple(n // 2 + k for k, n in enumerate(shape))
    made = far_field_sections(x, peak)
    expected = [whole] if len(shape) == 2 else [whole[peak[0]], whole[:, peak[1]], whole[:, :, peak[2]]]
    for one, other in zip(made, expected, strict=True):
        assert_allclose(one, other, rtol=1e-3, atol=1e-4 * whole.max())


def test_a_volume_is_drawn_in_sections_of_nm_with_unmeasured_pixels_and_hostile_text():
    mask = np.ones((16, 20, 24), bool)
    mask[8, 10, 12] = False
    problem = problem_of((16, 20, 24), mask=mask, meta={"voxel_size_nm": 5.0})
    x = crystal((16, 20, 24), seed=0, fill=0.4, phase=2.0).astype(np.complex64)
    curves = {0: [(20, 0.2, 0.3), (40, 0.1, 0.2)], 1: [(20, 0.1, math.nan)]}
    body = RunPictures(problem).draw(Estimate(x, np.abs(x) > 0, blurred=True), "<script>alert(1)</script>", curves, 0)
    assert body.count("<img") == 12
    assert "Calculated, before its blur, qz" in body
    assert "unmeasured" in body
    assert " nm</span>" in body
    assert "<script>" not in body
    assert "&lt;script&gt;" in body


def test_an_empty_estimate_is_drawn():
    body = RunPictures(problem_of()).draw(Estimate(np.zeros((32, 32), np.complex64)), "", {}, 0)
    assert body.count("<img") == 3


def test_the_lead_says_what_runs():
    spec = RunSpec(find("solvers", "hio")(), starts=4, seed=3, agree=0.9)
    assert lead_of(spec, problem_of()) == "32 × 32, solver hio, up to 4 starts, seed 3"


def test_a_comparison_shows_medians_and_the_pictures_of_one_object(screen):
    watch = CompareWatch(screen, ["a", "<b>"], 4)
    truth = crystal((24, 24), seed=0, fill=0.4, phase=2.0).astype(np.complex64)
    y = np.abs(np.fft.fftshift(np.fft.fftn(truth))).astype(np.float32)
    for label, quality in (("a", 0.9), ("<b>", 0.7)):
        row = Row("cells", 0.01, 0, label, None, 0.1, 0.2, {"complex_correlation": quality}, 2.0, 100)
        watch.picture(Picture(row, truth, truth, y, {"step": [1.0, 2.0], "r": [0.2, 0.1], "r_free": [0.3, 0.2]}))
        watch.rows([row])
    told = screen.state(0, "x")
    assert told["share"] == 0.5
    assert told["table"][1] == [["a", "1", "0.9", "0.1", "0.2", "2"], ["<b>", "1", "0.7", "0.1", "0.2", "2"]]
    assert "cells, object 0, noise 0.01" in told["body"]
    assert told["body"].lower().count("amplitude error") == 2
    assert "<b>" not in told["body"]


def test_a_training_shows_losses_and_its_newest_picture_and_leaves_a_page(screen, at_once, tmp_path):
    watch = TrainWatch(screen, "Training of <i>", "a network", tmp_path)
    for k in range(1, 6):
        watch(ProgressMessage(100 * k, k / 10, 1 / k, 1e-3, 2.0 * k, {"mse@1": 1 / k} if k > 2 else {}))
    assert "<img" not in screen.state(0, "a")["body"]
    for name, colour in (("picture-000000100.png", 0), ("picture-000000500.png", 255)):
        Image.new("L", (4, 4), colour).save(tmp_path / name)
    told = screen.state(1, "a")
    assert (told["share"], tiles(told)["Loss"], tiles(told)["Validation"]) == (0.5, "0.2", "0.2")
    path = watch.write(tmp_path / "training.html", "stopped", {"name": "film"})
    page = path.read_text("utf-8")
    assert page.count("<img") == 1
    assert "Training of &lt;i&gt;" in page
    assert "connect-src" not in page
    assert '"name": "film"' in page.replace("&#34;", '"')
