"""Plug-and-play phase retrieval: any denoiser or prior of deepinv, or anybody's network, before the support."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from inspect import signature
from typing import Any, ClassVar

import numpy as np

from retrieve import Array, InputError, OptionError, Problem, Solver, Step, Streams, first_support, hookimpl, option
from retrieve.numerics.arrays import TINY

MODULES = ("deepinv.models", "deepinv.optim.prior")
Denoiser = Callable[[Array, float], Array]
"""Real images (batch, 1, *shape) and a noise level σ → the same shape."""


@dataclass(frozen=True)
class PlugAndPlay(Solver):
    """RAAR with a denoiser D before the support.

    m = P_M x, y = 2m − x, d = P_S[(1 − w) y + w D(y; σ)], x ← β(x + d − m) + (1 − β) m.

    The iteration is stable where (1 − w) y + w D(y) is firmly non-expansive. Proximal operators, as total variation's, are
    so by themselves; of a median or a network, that may turn a pattern into its negative, take half: w = `share` = 0.5.
    σ falls geometrically from `strength` to `last`, in units of the object's rms inside its support. D sees real images:
    the real and the imaginary part, or, with `channels` amplitude-phase, |x| for the amplitude and both parts for the
    phase. Each start has a denoiser of its own, as some keep a state.
    """

    name: ClassVar[str] = "pnp"
    library: ClassVar[str] = "torch"
    source: ClassVar[str] = "Venkatakrishnan et al., GlobalSIP 2013; RAAR: Luke 2005; denoisers: Tachella et al., deepinv"
    starts: ClassVar[int] = 4
    denoiser: str = option(
        "TVDenoiser(n_it_max=20)",
        "a class of deepinv.models or deepinv.optim.prior, or module.function",
        runs_code=lambda text: runs_code(text),
    )
    channels: str = option("re-im", "what it sees of a complex object", choices=("re-im", "amplitude-phase"))
    strength: float = option(0.3, "noise level, or threshold, that the denoiser is given at first", gt=0, le=100)
    last: float = option(0.05, "the same in the end", gt=0, le=100)
    share: float = option(1.0, "w: how much of the denoised object is taken; 0.5 for a median or a network", gt=0, le=1)
    beta: float = option(0.9, "relaxation β", gt=0, le=1)
    iterations: int = option(300, "number of iterations", ge=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        parsed(self.denoiser)

    @property
    def total(self) -> int | None:
        """Its iterations."""
        return self.iterations

    def check(self, problem: Problem) -> None:
        """Refuse what the denoiser cannot take, by one call of it."""
        import torch

        blank = torch.zeros((1, 1, *problem.shape))
        try:
            with torch.no_grad():
                found = made(self.denoiser)(blank, self.strength)
        except InputError:
            raise
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
            raise InputError(f"{self.denoiser} does not take images of shape {problem.shape}; take another ({told})") from error
        if found.shape != blank.shape:
            raise InputError(f"{self.denoiser} makes {tuple(found.shape)} of {tuple(blank.shape)}; it must keep one channel")

    def record(self) -> dict[str, Any]:
        """The version of deepinv."""
        from importlib.metadata import version

        return {"deepinv": version("deepinv")}

    def steps(self, problem: Problem, x: Array, rng: Streams) -> Iterator[Step]:
        """Iterate from x (batch, *shape); every step shows the denoised object d."""
        import torch

        support, _ = first_support(problem, x)
        scale = (problem.power / support.sum()) ** 0.5 + TINY
        seen = parts if self.channels == "re-im" else amplitude_phase
        denoisers = [made(self.denoiser, x.device) for _ in x]
        for sigma in np.geomspace(self.strength, self.last, self.iterations).tolist():
            with torch.no_grad():
                m = problem.fit_modulus(x)
                y = (2 * m - x) / scale
                d = torch.stack([seen(denoise, one, sigma) for denoise, one in zip(denoisers, y, strict=True)])
                d = (self.share * d + (1 - self.share) * y) * scale * support
                x = self.beta * (x + d - m) + (1 - self.beta) * m
            yield Step(d, support.expand(d.shape), evaluations=1)


def parts(denoise: Denoiser, x: Array, sigma: float) -> Array:
    """D of the real and the imaginary part of one object (*shape)."""
    import torch

    real, imaginary = denoise(torch.view_as_real(x).movedim(-1, 0)[:, None].contiguous(), sigma)[:, 0]
    return torch.complex(real, imaginary)


def amplitude_phase(denoise: Denoiser, x: Array, sigma: float) -> Array:
    """D(|x|) with the phase of D(Re x) + i D(Im x)."""
    turned = parts(denoise, x, sigma)
    return denoise(x.abs()[None, None], sigma)[0, 0].clamp(min=0) * turned / (turned.abs() + TINY)


def parsed(text: str) -> tuple[str, dict[str, Any]]:
    """``"MedianFilter(kernel_size=3)"`` → the name, dotted or not, and the arguments. Raises `OptionError`."""
    try:
        called = ast.parse(text.strip(), mode="eval").body
        name, given = (called.func, called.keywords) if isinstance(called, ast.Call) else (called, [])
        if not isinstance(name, (ast.Name, ast.Attribute)) or (isinstance(called, ast.Call) and called.args):
            raise ValueError(text)
        return ast.unparse(name), {str(one.arg): ast.literal_eval(one.value) for one in given}
    except (ValueError, SyntaxError) as error:
        told = "write NAME or NAME(argument=value, …), such as MedianFilter(kernel_size=3)"
        raise OptionError(f"option denoiser={text!r} is not understood; {told}") from error


def made(text: str, device: Any = "cpu") -> Denoiser:
    """A new denoiser of this text; of a prior its proximal operator. Raises `InputError` where there is none."""
    import torch

    name, arguments = parsed(text)
    make = named(name)
    with torch.random.fork_rng(devices=[]):  # a network that is not trained begins with random weights: always the same
        torch.random.default_generator.manual_seed(0)
        try:
            found = make(**arguments)
        except Exception as error:
            raise InputError(f"denoiser {text} cannot be made: {type(error).__name__}: {error}") from error
    if isinstance(found, torch.nn.Module):
        found = found.to(device).eval()
    if hasattr(found, "prox"):
        return lambda x, sigma: found.prox(x, sigma, gamma=sigma)
    return found


def runs_code(text: str) -> bool:
    """Tell whether a denoiser is code of anybody's, or loads or downloads weights: the user alone may choose it.

    All others are classes of deepinv with numbers as arguments.
    """
    name, arguments = parsed(text)
    if "." in name or not all(isinstance(value, int | float | None) for value in arguments.values()):
        return True
    return "pretrained" in signature(named(name)).parameters and arguments.get("pretrained", "") is not None


def named(name: str) -> Callable[..., Any]:
    """The class of deepinv, or ``module.function``, of this name. Raises `InputError` where there is none."""
    where, _, what = name.rpartition(".")
    try:
        if not where:
            torchvision_for_any_torch()
        for module in [where] if where else MODULES:
            found = getattr(importlib.import_module(module), what, None)
            if found is not None and (where or _is_network(found)):
                return found
    except ImportError as error:
        raise InputError(f"denoiser {name!r} cannot be imported: {error}") from error
    raise InputError(f"unknown denoiser {name!r}; give a class of {' or '.join(MODULES)}, or module.function")


def _is_network(found: Any) -> bool:
    """Whether this is a class of deepinv, and not one of the modules and functions beside them."""
    import torch

    return isinstance(found, type) and issubclass(found, torch.nn.Module)


@cache
def torchvision_for_any_torch() -> Any:
    """Import torchvision, which deepinv does first of all, also where its compiled part is for another build of torch.

    Its import then stops at two operators that the compiled part declares and no denoiser calls: they are declared here,
    without a body. What is given back keeps them.
    """
    import torch

    try:
        return importlib.import_module("torchvision")
    except RuntimeError:
        library = torch.library.Library("torchvision", "FRAGMENT")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        importlib.import_module("torchvision")
        return library


@hookimpl
def register_solvers() -> dict[str, Any]:
    """Adds `pnp`."""
    return {"pnp": PlugAndPlay}
