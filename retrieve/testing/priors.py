"""Checks of priors: what `retrieve.priors.denoiser.Prior` asks of `denoise`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..priors.windows import window_of
from ..simulate import blobs
from .case import Checks, distance, require
from .watch import global_seed, global_state

MARGIN = (6, 9, 5)
"""How much larger than the window the arrays are, px along each axis."""


def _instance(subject: Any) -> Any:
    """The prior itself, or what the class or function makes when called without arguments."""
    return subject if hasattr(subject, "window") and not isinstance(subject, type) else subject()


checks = Checks(_instance)


def _shape(prior: Any) -> tuple[int, ...]:
    """The shape of the arrays, larger than the window."""
    return tuple(w + m for w, m in zip(prior.window, MARGIN, strict=False))


def _objects(prior: Any, batch: int = 2) -> torch.Tensor:
    """Blobs complex64 (batch, *shape), of rms 1 over the window and 0 outside."""
    x = torch.zeros((batch, *_shape(prior)), dtype=torch.complex64)
    inside = window_of(_shape(prior), prior.window)
    for k in range(batch):
        one = blobs(prior.window, seed=k, fill=0.2)[0]
        x[k][inside[1:]] = torch.from_numpy(one / np.sqrt(np.mean(np.abs(one) ** 2)))
    return x


def _noise(prior: Any) -> torch.Tensor:
    """Complex normal of the shape of two objects, of unit deviation in each part."""
    rng = torch.Generator().manual_seed(0)
    return torch.complex(*torch.randn((2, 2, *_shape(prior)), generator=rng))


def _denoised(prior: Any, x: torch.Tensor, sigma: Any, support: torch.Tensor | None = None) -> torch.Tensor:
    """E[x₀] of a copy of x, without gradients."""
    with torch.no_grad():
        found: torch.Tensor = prior.denoise(x.clone(), sigma, support)
    return found


@checks.add("window")
def window(prior: Any) -> None:
    """The window is a tuple of two or three lengths."""
    found = getattr(prior, "window", None)
    require(
        isinstance(found, tuple) and len(found) in (2, 3) and all(type(n) is int and n > 3 for n in found),
        f"window is {found!r}; give a tuple of two or three whole numbers of pixels",
    )


@checks.add("complex in, complex out", window)
def complex_out(prior: Any) -> None:
    """Complex64 (batch, *shape) in and out, σ a number or one for each."""
    x = _objects(prior)
    for sigma in (0.5, torch.tensor([0.5, 0.5])):
        d = _denoised(prior, x, sigma)
        require(d.shape == x.shape, f"denoise of {tuple(x.shape)} gives {tuple(d.shape)}")
        require(d.dtype == x.dtype, f"denoise of {x.dtype} gives {d.dtype}")
        require(bool(torch.isfinite(torch.view_as_real(d.resolve_conj())).all()), "denoise gives NaN or infinite values")


@checks.add("zero outside the window", complex_out)
def zero_outside(prior: Any) -> None:
    """Whatever comes in, nothing stands outside the window."""
    d = _denoised(prior, _objects(prior) + _noise(prior), 1.0)
    d[window_of(_shape(prior), prior.window)] = 0
    require(not d.any(), f"{int((d != 0).sum())} pixels outside the window {prior.window} are not zero")


@checks.add("near identity at little noise", complex_out)
def near_identity(prior: Any) -> None:
    """An object without noise comes back at a σ of 0.01."""
    x = _objects(prior)
    away = distance(_denoised(prior, x, 0.01), x)
    require(away < 0.1, f"at σ = 0.01 the object changes by {away:.2g}; D must go to x as σ goes to 0")


@checks.add("lowers the noise", complex_out)
def lowers_noise(prior: Any) -> None:
    """D(x + σn; σ) is nearer to x than what came in, at σ = 2."""
    x = _objects(prior)
    inside = window_of(_shape(prior), prior.window)
    noisy = x + 2 * _noise(prior)
    before, after = distance(noisy[inside], x[inside]), distance(_denoised(prior, noisy, 2.0)[inside], x[inside])
    require(after < before, f"at σ = 2 the error goes from {before:.2g} to {after:.2g}; D is E[x₀], σ in each of re and im")


@checks.add("objects one by one", complex_out)
def objects_one_by_one(prior: Any) -> None:
    """Each object of a batch is denoised by itself, with its own σ."""
    x, sigmas = _objects(prior) + 0.5 * _noise(prior), torch.tensor([0.5, 1.0])
    together = _denoised(prior, x, sigmas)
    for k in range(2):
        away = distance(together[k], _denoised(prior, x[k : k + 1], sigmas[k : k + 1])[0])
        require(away < 1e-3, f"object {k} of a batch differs from itself alone by {away:.2g}; do not mix over axis 0")


@checks.add("takes a support", complex_out)
def takes_support(prior: Any) -> None:
    """`support`, bool (batch or 1, *shape), is taken."""
    x = _objects(prior) + 0.5 * _noise(prior)
    support = _objects(prior) != 0
    for known in (support, support[:1]):
        d = _denoised(prior, x, 0.5, known)
        require(d.shape == x.shape, f"with a support of {tuple(known.shape)}, {tuple(x.shape)} becomes {tuple(d.shape)}")


@checks.add("deterministic", complex_out)
def deterministic(prior: Any) -> None:
    """The same in, the same out; the global generators neither move nor matter."""
    x, found = _objects(prior) + _noise(prior), []
    for world in (1, 2):
        with global_seed(world):
            before = global_state()
            found.append(_denoised(prior, x, 1.0))
            moved = [name for name, state in global_state().items() if before[name] != state]
        require(not moved, f"denoise moves the global generator of {', '.join(moved)}; draw nothing")
    require(torch.equal(*found), "two calls with the same x and σ differ; a denoiser draws nothing")


@checks.add("leaves its input alone", complex_out)
def leaves_x_alone(prior: Any) -> None:
    """The array passed in is what it was."""
    x = _objects(prior) + _noise(prior)
    before = x.clone()
    with torch.no_grad():
        prior.denoise(x, 0.5)
    require(torch.equal(x, before), "denoise writes into x; work on a copy")


@checks.add("gradients pass", complex_out)
def gradients_pass(prior: Any) -> None:
    """∂D/∂x is there, as samplers by gradient need it."""
    x = _objects(prior, 1).requires_grad_(True)
    d = prior.denoise(x, 0.5)
    require(d.requires_grad, "denoise gives no gradient; do not detach, convert to NumPy or use no_grad in it")
    (gradient,) = torch.autograd.grad(d.abs().square().sum(), x)
    require(bool(torch.isfinite(torch.view_as_real(gradient)).all()), "the gradient through denoise is not finite")
