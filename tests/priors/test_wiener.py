import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from retrieve.priors import weights
from retrieve.priors.edm import EDM

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def wiener(monkeypatch):
    """The module of the best linear denoiser."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("wiener").Wiener


@pytest.fixture
def drawn():
    """A function that draws objects of a known covariance, the squares of `spread` in a turned basis."""
    rng = np.random.default_rng(0)
    spread = np.array([3.0, 1.0, 0.3, 0.1])
    basis, _ = np.linalg.qr(rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4)))

    def draw(count):
        return (rng.normal(size=(count, 4)) + 1j * rng.normal(size=(count, 4))) / np.sqrt(2) * spread @ basis

    draw.values = np.sort(spread**2)
    return draw


@pytest.mark.parametrize("sigma", [0.01, 0.3, 2.0, 50.0])
def test_the_bound_of_gaussian_objects(wiener, drawn, sigma):
    linear = wiener.of([drawn(20_000), drawn(10_000)])
    noise = 2 * sigma**2
    exact = (noise * drawn.values / (drawn.values + noise)).sum()
    assert linear.bound(sigma) == pytest.approx(exact, rel=0.03)
    assert linear.error(drawn(30_000), sigma) == pytest.approx(exact, rel=0.03)


def test_the_error_is_that_of_the_filter(wiener, drawn):
    linear = wiener.of([drawn(2000)])
    x, rng = drawn(50_000), np.random.default_rng(1)
    noisy = x + 0.5 * (rng.normal(size=x.shape) + 1j * rng.normal(size=x.shape))
    gain = linear.values / (linear.values + 0.5)
    estimate = (noisy @ linear.vectors.conj() * gain) @ linear.vectors.T
    assert linear.error(x, 0.5) == pytest.approx(np.mean(np.sum(np.abs(estimate - x) ** 2, axis=1)), rel=0.01)


def test_no_other_factor_does_better(wiener, drawn):
    linear = wiener.of([drawn(5000)])
    x = drawn(20_000)
    for scale in (0.8, 1.25):
        assert wiener(scale * linear.values, linear.vectors).error(x, 0.5) > linear.error(x, 0.5) * 1.0005


def test_fewer_objects_than_pixels_give_what_they_span(wiener):
    rng = np.random.default_rng(2)
    modes = np.linalg.qr(rng.normal(size=(300, 5)))[0].T

    def draw(count):
        return (rng.normal(size=(count, 5)) + 1j * rng.normal(size=(count, 5))) @ modes

    x = draw(100)
    thin, whole, other = wiener.spanned(x), wiener.of([x]), draw(1000)
    assert thin.vectors.shape == (300, 5)
    assert thin.bound(0.5) == pytest.approx(whole.bound(0.5), rel=1e-6)
    assert thin.error(other, 0.5) == pytest.approx(whole.error(other, 0.5), rel=1e-6)
    beyond = other + 1e-1 * np.linalg.qr(np.vstack([modes, rng.normal(size=(1, 300))]).T)[0][:, -1]
    assert thin.error(beyond, 0.5) == pytest.approx(thin.error(other, 0.5) + 1e-2, rel=1e-3)


@pytest.mark.slow
def test_the_table_of_a_denoiser(tmp_path, small):
    torch.manual_seed(0)
    module = EDM((32, 32), small)
    weights.save(module, {"architecture": module.settings}, tmp_path / "x.safetensors")
    words = ["--weights", tmp_path / "x.safetensors", "--objects", "4", "--samples", "1000", "--out", tmp_path / "told.json"]
    script = BENCHMARKS / "prior_loss.py"
    done = subprocess.run([sys.executable, script, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "told.json").read_text())["priors"]["x"]["rows"]
    assert len(rows) == 22
    for row in rows:
        assert 0 < row["bound"] < 1.2 * row["linear"]
        assert row["ratio"] == row["prior"] / row["linear"]
        assert row["ratio"] > 1  # a network of zero knows one factor, the linear denoiser all
    assert f"{rows[0]['linear']:.3g}" in done.stdout
