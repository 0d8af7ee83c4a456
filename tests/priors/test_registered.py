"""Priors of plugins, found by name."""

import importlib.metadata
import types
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from retrieve import solve
from retrieve.cli import main
from retrieve.errors import InputError, PluginError
from retrieve.plugins import registry as plugins
from retrieve.plugins.hookspecs import hookimpl
from retrieve.plugins.registry import find
from retrieve.priors.registered import of_plugins, prior_of
from retrieve.problem import Problem
from retrieve.simulate import blobs, measure

Diffusion, DPS = find("solvers", "diffusion"), find("solvers", "dps")


class Gaussian(torch.nn.Module):
    """The prior of white objects within 32² px."""

    window = (32, 32)

    def denoise(self, x, sigma, support=None):
        sigma = torch.as_tensor(sigma, dtype=torch.float32).reshape(-1, *[1] * (x.ndim - 1))
        d = x * (0.5 / (0.5 + sigma**2))
        return d if support is None else torch.where(support, d, torch.zeros_like(d))


def broken():
    raise OSError("no weights on this disk")


@pytest.fixture(autouse=True)
def _installed(monkeypatch):
    """A plugin with two priors, one of which cannot be made."""
    module = types.ModuleType("acme")
    module.register_priors = hookimpl(lambda: {"white": Gaussian, "broken": broken})
    module.register_priors.__name__ = "register_priors"
    point = SimpleNamespace(name="acme", load=lambda: module, dist=SimpleNamespace(name="acme-priors"))
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda *, group: (point,))
    plugins.loaded.cache_clear()
    yield
    plugins.loaded.cache_clear()


@pytest.mark.parametrize(
    "solver", [Diffusion(search=5, evaluations=4, weights="white"), DPS(begin="noise", timesteps=4, weights="white")]
)
def test_solvers_take_them_by_name(easy, solver):
    result = solve(solver, easy, starts=1)
    assert np.isfinite(result.object).all()
    assert result.object.any()
    assert result.manifest["record"] == {"prior_plugin": "acme (acme-priors)"}


def test_one_is_made_once():
    assert prior_of("white") is prior_of("white")
    assert isinstance(prior_of("white"), Gaussian)


def test_names_that_are_no_plugins():
    assert prior_of("domains2d") is None
    assert prior_of("whits") is None
    with pytest.raises(InputError, match="unknown weights 'whits'"):
        Diffusion(weights="whits").prior()


def test_one_that_cannot_be_made(easy):
    with pytest.raises(PluginError, match=r"prior 'broken' of plugin acme \(acme-priors\) cannot be made: OSError: no weights"):
        solve(Diffusion(weights="broken"), easy)


def test_weights_lists_them(capsys):
    assert of_plugins() == {"white": "acme (acme-priors)", "broken": "acme (acme-priors)"}
    with pytest.raises(SystemExit) as stop:
        main(["weights"])
    assert stop.value.code == 0
    assert "white: a prior of plugin acme (acme-priors)" in capsys.readouterr().out
    main(["weights", "white"])
    assert capsys.readouterr().out == "white: a prior of plugin acme (acme-priors)\n"


def test_its_window_is_checked():
    x, support = blobs((64, 64), seed=0, fill=0.3)
    problem = Problem.from_arrays(intensity=measure(x), support=support)
    with pytest.raises(InputError, match="weights 'white' are for objects within 32 × 32 px, the support spans"):
        solve(Diffusion(weights="white"), problem)
