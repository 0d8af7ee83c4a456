"""Checks of priors: what `retrieve.priors.denoiser.Prior` asks of `denoise`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from ..priors.windows import window_of
from ..simulate import blobs
from .randomness import global_seed, global_state
from .trial import Check, check, distance, require

MARGIN = (6, 9, 5)
"""How much larger than the window the arrays are, px along each axis."""


@dataclass(frozen=True)
class Case:
    """A prior under test: an instance, or what makes one when called without arguments."""

    subject: Any

    @cached_property
    def prior(self) -> Any:
        """The instance."""
        return self.subject if hasattr(self.subject, "window") and not isinstance(self.subject, type) else self.subject()

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the arrays, larger than the window."""
        return tuple(w + m for w, m in zip(self.prior.window, MARGIN, strict=False))

    def objects(self, batch: int = 2) -> torch.Tensor:
        """Blobs complex64 (batch, *shape), of rms 1 over the window and 0 outside."""
        window = self.prior.window
        x = torch.zeros((batch, *self.shape), dtype=torch.complex64)
        inside = window_of(self.shape, window)
        for k in range(batch):
            one = blobs(window, seed=k, fill=0.2)[0]
            x[k][inside[1:]] = torch.from_numpy(one / np.sqrt(np.mean(np.abs(one) ** 2)))
        return x

    def noise(self, batch: int = 2) -> torch.Tensor:
        """Complex normal, of unit deviation in each part."""
        rng = torch.Generator().manual_seed(0)
        pair = torch.randn((2, batch, *self.shape), generator=rng)
        return torch.complex(pair[0], pair[1])

    def denoise(self, x: torch.Tensor, sigma: Any, support: torch.Tensor | None = None) -> torch.Tensor:
        """E[x₀] of a copy of x, without gradients."""
        with torch.no_grad():
            found: torch.Tensor = self.prior.denoise(x.clone(), sigma, support)
        return found


@check("window")
def window(case: Case) -> None:
    """The window is a tuple of two or three lengths."""
    found = getattr(case.prior, "window", None)
    require(
        isinstance(found, tuple) and len(found) in (2, 3) and all(type(n) is int and n > 3 for n in found),
        f"window is {found!r}; give a tuple of two or three whole numbers of pixels",
    )


@check("complex in, complex out", window)
def complex_out(case: Case) -> None:
    """Complex64 (batch, *shape) in and out, σ a number or one for each."""
    x = case.objects()
    for sigma in (0.5, torch.tensor([0.5, 0.5])):
        d = case.denoise(x, sigma)
        require(d.shape == x.shape, f"denoise of {tuple(x.shape)} gives {tuple(d.shape)}")
        require(d.dtype == x.dtype, f"denoise of {x.dtype} gives {d.dtype}")
        require(bool(torch.isfinite(torch.view_as_real(d.resolve_conj())).all()), "denoise gives NaN or infinite values")


@check("zero outside the window", complex_out)
def zero_outside(case: Case) -> None:
    """Whatever comes in, nothing stands outside the window."""
    d = case.denoise(case.objects() + case.noise(), 1.0)
    d[window_of(case.shape, case.prior.window)] = 0
    require(not d.any(), f"{int((d != 0).sum())} pixels outside the window {case.prior.window} are not zero")


@check("near identity at little noise", complex_out)
def near_identity(case: Case) -> None:
    """An object without noise comes back at a σ of 0.01."""
    x = case.objects()
    away = distance(case.denoise(x, 0.01), x)
    require(away < 0.1, f"at σ = 0.01 the object changes by {away:.2g}; D must go to x as σ goes to 0")


@check("lowers the noise", complex_out)
def lowers_noise(case: Case) -> None:
    """D(x + σn; σ) is nearer to x than what came in, at σ = 2."""
    x = case.objects()
    inside = window_of(case.shape, case.prior.window)
    noisy = x + 2 * case.noise()
    before, after = distance(noisy[inside], x[inside]), distance(case.denoise(noisy, 2.0)[inside], x[inside])
    require(after < before, f"at σ = 2 the error goes from {before:.2g} to {after:.2g}; D is E[x₀], σ in each of re and im")


@check("objects one by one", complex_out)
def one_by_one(case: Case) -> None:
    """Each object of a batch is denoised by itself, with its own σ."""
    x, sigmas = case.objects() + 0.5 * case.noise(), torch.tensor([0.5, 1.0])
    together = case.denoise(x, sigmas)
    for k in range(2):
        away = distance(together[k], case.denoise(x[k : k + 1], sigmas[k : k + 1])[0])
        require(away < 1e-3, f"object {k} of a batch differs from itself alone by {away:.2g}; do not mix over axis 0")


@check("takes a support", complex_out)
def takes_support(case: Case) -> None:
    """`support`, bool (batch or 1, *shape), is taken."""
    x = case.objects() + 0.5 * case.noise()
    support = case.objects() != 0
    for known in (support, support[:1]):
        d = case.denoise(x, 0.5, known)
        require(d.shape == x.shape, f"with a support of {tuple(known.shape)}, {tuple(x.shape)} becomes {tuple(d.shape)}")


@check("deterministic", complex_out)
def deterministic(case: Case) -> None:
    """The same in, the same out; the global generators neither move nor matter."""
    x, found = case.objects() + case.noise(), []
    for world in (1, 2):
        with global_seed(world):
            before = global_state()
            found.append(case.denoise(x, 1.0))
            moved = [name for name, state in global_state().items() if before[name] != state]
        require(not moved, f"denoise moves the global generator of {', '.join(moved)}; draw nothing")
    require(torch.equal(*found), "two calls with the same x and σ differ; a denoiser draws nothing")


@check("leaves its input alone", complex_out)
def leaves_its_input_alone(case: Case) -> None:
    """The array passed in is what it was."""
    x = case.objects() + case.noise()
    before = x.clone()
    with torch.no_grad():
        case.prior.denoise(x, 0.5)
    require(torch.equal(x, before), "denoise writes into x; work on a copy")


@check("gradients pass", complex_out)
def gradients_pass(case: Case) -> None:
    """∂D/∂x is there, as samplers by gradient need it."""
    x = case.objects(1).requires_grad_(True)
    d = case.prior.denoise(x, 0.5)
    require(d.requires_grad, "denoise gives no gradient; do not detach, convert to NumPy or use no_grad in it")
    (gradient,) = torch.autograd.grad(d.abs().square().sum(), x)
    require(bool(torch.isfinite(torch.view_as_real(gradient)).all()), "the gradient through denoise is not finite")


CHECKS: tuple[Check, ...] = (
    window,
    complex_out,
    zero_outside,
    near_identity,
    lowers_noise,
    one_by_one,
    takes_support,
    deterministic,
    leaves_its_input_alone,
    gradients_pass,
)


def label(subject: Any) -> str:
    """What a prior is called in reports."""
    return f"prior {getattr(subject, '__name__', type(subject).__name__)}"
