from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from retrieve.driver.solve import solve
from retrieve.errors import InputError, OptionError
from retrieve.operators import FarField, Mask, PartialCoherence
from retrieve.plugins.registry import find
from retrieve.priors import weights
from retrieve.priors.edm import EDM
from retrieve.priors.retriever import ComplexUNet, RealUNet
from retrieve.problem import Problem
from retrieve.simulate import blobs, measure
from retrieve.solvers.learned.unet import UNet

SMALL = {"base": 8, "widths": [1, 2], "blocks": 1, "attention": [], "embedding": 16, "patch": 1}


def saved(module, path):
    return str(weights.save(module, {"architecture": module.settings}, path))


@pytest.fixture
def file(tmp_path):
    """A function that saves a network of a few thousand weights, which has learned nothing."""

    def make(kind=ComplexUNet, shape=(32, 32), window=(24, 24)):
        torch.manual_seed(0)
        return saved(kind(shape, window, widths=(8, 8, 8)), tmp_path / "unet.safetensors")

    return make


def test_it_is_registered():
    assert find("solvers", "unet") is UNet


@pytest.mark.parametrize("kind", [ComplexUNet, RealUNet])
def test_one_pass_the_same_for_all_starts(easy, file, kind):
    result = solve(UNet(weights=file(kind)), easy, starts=3, batch=2)
    assert np.isfinite(result.object).all()
    assert np.abs(result.object).max() > 0
    assert_array_equal(result.estimates[0], result.estimates[1])
    np.testing.assert_allclose(result.estimates[0], result.estimates[2], atol=1e-5 * np.abs(result.object).max())
    assert result.cost.network_evaluations == 3
    assert not result.object[~easy.support].any()
    assert_array_equal(
        solve(UNet(weights=file(kind)), easy, seed=5, hold_out=0).object, solve(UNet(weights=file(kind)), easy, hold_out=0).object
    )


def test_the_scale_is_the_one_that_fits_best(easy, file):
    """In whatever unit the data come."""
    for unit in (1.0, 1e3):
        problem = easy.replace(amplitude=np.float32(unit) * easy.amplitude)
        found = solve(UNet(weights=file()), problem, hold_out=0).object[None]
        best = problem.r_factor(found)[0]
        assert best < 1
        assert best < min(problem.r_factor(found * np.float32(f))[0] for f in (0.9, 0.99, 1.01, 1.1))


@pytest.mark.parametrize("algorithm", ["er", "hio", "raar", "cg"])
def test_refinement_goes_on_from_there(easy, file, algorithm):
    plain = solve(UNet(weights=file()), easy, hold_out=0)
    steps = []
    refined = solve(
        UNet(weights=file(), algorithm=algorithm, iterations=30),
        easy,
        hold_out=0,
        on_step=lambda p: steps.append((p.stage, p.total)) and None,
    )
    assert refined.score.r < 0.5 * plain.score.r
    assert steps == [("network", 31)] + [(algorithm, 31)] * 30
    assert refined.cost.network_evaluations == 1
    assert plain.cost.steps == 1


def test_without_a_support_and_with_lost_pixels(easy, file):
    hidden = np.random.default_rng(0).random(easy.shape) < 0.1
    problem = easy.replace(support=None, valid=easy.valid & ~hidden, amplitude=np.where(hidden, 0, easy.amplitude))
    for algorithm in ("none", "er"):
        result = solve(UNet(weights=file(), algorithm=algorithm), problem)
        assert np.isfinite(result.object).all()
        assert result.score.r < 1


def test_three_axes(file):
    x, support = blobs((16, 16, 16), seed=1, fill=0.06)
    problem = Problem.from_arrays(intensity=measure(x), support=support)
    result = solve(UNet(weights=file(shape=(16, 16, 16), window=(16, 16, 16)), algorithm="er", iterations=5), problem)
    assert result.object.shape == (16, 16, 16)
    assert np.isfinite(result.object).all()


@pytest.mark.slow
def test_a_trained_network_finds_what_it_was_trained_on(easy, tmp_path):
    torch.manual_seed(0)
    module = ComplexUNet((32, 32), (24, 24), widths=(8, 16, 32))
    whole = torch.from_numpy(easy.truth)[None, 4:28, 4:28]
    truth = torch.view_as_real(whole / whole.abs().square().mean().sqrt()).movedim(-1, 1)
    batch = (
        truth,
        torch.from_numpy(easy.support)[None],
        torch.from_numpy(easy.amplitude)[None],
        torch.from_numpy(easy.valid)[None],
    )
    optimiser = torch.optim.Adam(module.parameters(), 5e-3)
    for _ in range(80):
        loss = module(*batch, torch.Generator()).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    result = solve(UNet(weights=saved(module, tmp_path / "unet.safetensors")), easy, hold_out=0)
    from retrieve.evaluate.metrics import evaluate

    assert evaluate(result.object, easy)["complex_correlation"] > 0.9
    assert result.score.r < 0.1


@pytest.mark.parametrize("shape", [(48, 40), (16, 16, 16)])
def test_another_shape_is_refused(file, shape):
    x, support = blobs(shape, seed=0, fill=0.06)
    problem = Problem.from_arrays(intensity=measure(x), support=support)
    with pytest.raises(InputError, match=f"32 × 32.*{' × '.join(map(str, shape))}.*bin, crop or pad"):
        solve(UNet(weights=file()), problem)


def test_other_operators_are_refused(easy, file):
    blurred = easy.replace(detector=PartialCoherence.gaussian(easy.shape, 0.5))
    with pytest.raises(InputError, match="PartialCoherence"):
        solve(UNet(weights=file()), blurred)
    masked = easy.replace(operator=FarField(easy.shape) @ Mask(easy.support))
    with pytest.raises(InputError, match="Composed"):
        solve(UNet(weights=file()), masked)


def test_a_support_beyond_the_window_is_refused(easy, file):
    wide = easy.support.copy()
    wide[2, 16] = True
    with pytest.raises(InputError, match="24 × 24.*spans 28 ×"):
        solve(UNet(weights=file()), easy.replace(support=wide))


def test_weights_that_are_not_there_or_of_another_kind(easy, tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        solve(UNet(weights="nowhere"), easy)
    path = saved(EDM((24, 24), SMALL), tmp_path / "edm.safetensors")
    with pytest.raises(InputError, match="of a EDM, not of a network that inverts patterns"):
        solve(UNet(weights=path), easy)


def test_an_unknown_refinement():
    with pytest.raises(OptionError, match="algorithm"):
        UNet(algorithm="magic")


def test_the_weights_that_ship_are_chosen_by_the_number_of_axes(easy, tmp_path, monkeypatch):
    from retrieve.solvers.learned.diffusion import Diffusion

    monkeypatch.setattr(weights, "shipped", lambda: {name: tmp_path / name for name in ("domains2d", "domains3d")})
    volume, inside = blobs((16, 16, 16), seed=0, fill=0.1)
    deep = Problem.from_arrays(intensity=measure(volume), support=inside)
    assert Diffusion().resolve_for(easy).weights == "domains2d"
    assert Diffusion().resolve_for(deep).weights == "domains3d"
    assert Diffusion(weights="mine").resolve_for(deep).weights == "mine"
    with pytest.raises(InputError, match="none ship for a problem of 3 axes"):
        UNet().check(deep)


def test_the_manifest_names_the_weights_that_were_chosen(easy, file, monkeypatch):
    path = file()
    monkeypatch.setattr(weights, "shipped", lambda: {"unet2d-complex": Path(path)})
    manifest = solve(UNet(), easy, hold_out=0).manifest
    assert manifest["options"]["weights"] == "unet2d-complex"
    assert manifest["record"] == {"weights_sha256": weights.sha256(path)} != UNet().record()
