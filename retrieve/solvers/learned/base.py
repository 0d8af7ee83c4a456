"""What the solvers with a learned prior share: its weights, what it was trained for, and its units."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np

from ...errors import InputError
from ...numerics.arrays import TINY, Array, like, namespace, to_numpy
from ...operators import FarField
from ...plugins.options import option
from ...problem import Problem
from ..base import Solver, Streams

if TYPE_CHECKING:
    from ...priors.symmetry import Symmetric

SCALE_TOLERANCE = 0.002
"""Share of the measured power that a right estimate of a learned prior may miss without noise."""

HIDDEN = 4
"""Largest amplitude, in units of its noise, below which a pattern holds nothing: of 10⁴ pixels noise alone reaches 4 in one."""

PRECISIONS = ("auto", "float32", "bfloat16", "float16")


@dataclass(frozen=True)
class PretrainedSolver(Solver):
    """A solver that is a network, or has one; the manifest keeps which.

    family: name of the weights that ship for it, with {} for the number of a problem's axes.
    """

    library: ClassVar[str] = "torch"
    family: ClassVar[str] = ""
    weights: str

    def resolve_for(self, problem: Problem) -> Self:
        """With the weights that ship for as many axes as the problem has, where they are left to it (`auto`).

        Raises `InputError` where there are none.
        """
        if self.weights != "auto":
            return self
        from ...priors.weights import shipped

        axes = len(problem.shape)
        if (name := self.family.format(axes)) not in shipped():
            raise InputError(
                f"solver {self.name}: weights={self.weights}, and none ship for a problem of {axes} axes; "
                f"train some (`retrieve train`) and give their file as weights=FILE, or take a classical solver"
            )
        return replace(self, weights=name)

    def network(self, kind: type, what: str, device: Any = "cpu") -> Any:
        """The module of `weights`. Raises `InputError` where there is none, or it is not of `kind`, `what` in words."""
        from ...priors.weights import load_weights

        module = load_weights(self.weights, device)
        if not isinstance(module, kind):
            found = type(module).__name__
            raise InputError(f"weights {self.weights!r} are of a {found}, not of {what}; see `retrieve weights`")
        return module

    def record(self) -> dict[str, Any]:
        """The SHA-256 of the weights; of all that ship for it where the problem is to choose."""
        from ...priors.weights import path_of, sha256, shipped

        if self.weights == "auto":
            names = [self.family.format(axes) for axes in (2, 3)]
            return {"weights_sha256": {name: sha256(shipped()[name]) for name in names if name in shipped()}}
        return {"weights_sha256": sha256(path_of(self.weights))}


@dataclass(frozen=True)
class Learned(PretrainedSolver):
    """A solver that has a denoiser as its prior."""

    family: ClassVar[str] = "domains{}d"
    weights: str = option(
        "auto",
        "the prior: shipped weights or a plugin's prior by name (see `retrieve weights`), or a .safetensors file; "
        "auto: domains2d or domains3d, as the problem has two axes or three",
    )
    precision: str = option("auto", "of the network: bfloat16 where the machine computes in it", choices=PRECISIONS)

    def symmetric(self, prior: Any, problem: Problem, rng: Streams) -> Symmetric:
        """The prior's denoiser under the problem's support, averaged over its symmetries."""
        import torch

        from ...priors.symmetry import Symmetric

        return Symmetric(prior, problem.support, lambda: torch.from_numpy(rng.uniform((2,))), self.precision)

    def prior(self, device: Any = "cpu") -> Any:
        """The denoiser of `weights`. Raises `InputError` where there is none, or the file is not one."""
        from ...priors.denoiser import Denoiser
        from ...priors.registered import prior_of

        made = prior_of(self.weights, device)
        return self.network(Denoiser, "a denoiser", device) if made is None else made

    def prior_for(self, problem: Problem, device: Any) -> Any:
        """The prior; one that was trained with patterns is told the problem's."""
        prior = self.prior(device)
        return prior.given(problem.amplitude, problem.valid) if getattr(prior, "pattern", False) else prior

    def record(self) -> dict[str, Any]:
        """The SHA-256 of the weights, and whether they are told the pattern; or the plugin of the prior."""
        from ...priors.registered import plugin_of

        if (plugin := plugin_of(self.weights)) is not None:
            return {"prior_plugin": plugin}
        told = self.weights != "auto" and getattr(self.prior(), "pattern", False)
        return super().record() | ({"prior_is_told_the_pattern": True} if told else {})

    def check(self, problem: Problem) -> None:
        """Raise `InputError` where the prior was not trained for the problem's geometry."""
        if self.weights == "auto":
            self.resolve_for(problem).check(problem)
            return
        prior = self.prior()
        window = prior.window
        told = f"weights {self.weights!r} are for objects within {shape_text(window)} px"
        if len(problem.shape) != len(window):
            raise InputError(f"{told}, the problem has {len(problem.shape)} axes; take a prior of as many, or a classical solver")
        if any(n < w for n, w in zip(problem.shape, window, strict=True)):
            raise InputError(
                f"{told}, the object's array has {shape_text(problem.shape)}; pad the data, or train a smaller prior"
            )
        if getattr(prior, "pattern", False) and (tuple(problem.shape) != window or not is_plain(problem)):
            raise InputError(
                f"{told} and are told their far field of as many, the problem has {shape_text(problem.shape)} and an operator "
                f"{type(problem.detector or problem.operator).__name__}; take a prior that is not told the pattern"
            )
        if problem.support is None:
            extent = problem.extent
            if any(e > 1.1 * w for e, w in zip(extent, window, strict=True)):
                raise InputError(
                    f"{told}, the object spans about {shape_text(extent)} by its autocorrelation; bin or crop the data"
                )
        else:
            extent = extent_of(to_numpy(problem.support))
            if any(e > w for e, w in zip(extent, window, strict=True)):
                raise InputError(
                    f"{told}, the support spans {shape_text(extent)}; bin or crop the data to coarser pixels, "
                    f"down to {shape_text(window)}, or train a prior of a larger window (`retrieve train diffusion --window`)"
                )
        check_signal_above_noise(problem)


def check_signal_above_noise(problem: Problem) -> None:
    """Raise `InputError` where the noise explains all that was measured, as that of counts does amplitudes scaled to 1."""
    top, sigma = float(to_numpy(problem.amplitude)[to_numpy(problem.valid)].max(initial=0)), noise_of(problem)
    if top < HIDDEN * sigma:
        raise InputError(
            f"no amplitude exceeds {top:.3g}, and noise of {sigma:.3g} (that of counts is 0.5) explains them all; say what the "
            f"noise is: --likelihood gaussian:σ, or Problem.replace(likelihood=Gaussian(σ)), in the units of √I"
        )


def extent_of(support: np.ndarray) -> tuple[int, ...]:
    """The smallest centred box, px, that holds a support (*shape) whose middle is at N//2."""
    found = []
    for axis, n in enumerate(support.shape):
        used = np.flatnonzero(support.any(axis=tuple(a for a in range(support.ndim) if a != axis))) - n // 2
        found.append(int(max(-2 * used.min(), 2 * used.max() + 1, 1)))
    return tuple(found)


def shape_text(shape: Sequence[float]) -> str:
    """A shape in words."""
    return " × ".join(f"{n:.0f}" for n in shape)


class Normalised(NamedTuple):
    """A problem in the prior's units, objects of rms 1 over the window, and the factor that leads back."""

    problem: Problem
    scale: float


def normalise(problem: Problem, window: tuple[int, ...]) -> Normalised:
    """The problem in units in which the object, by its measured power, has an rms of 1 over the window.

    The power is Σ(y² − σ²) over the measured pixels that are not zero, for noise of σ on the amplitude: where it is clipped
    at zero, what is left of it has the mean square a² + σ² for a ≫ σ, and σ² for a = 0, too (at worst, for a = σ, 0.08 σ² more).
    """
    y, valid = to_numpy(problem.amplitude), to_numpy(problem.valid)
    sigma = float(getattr(problem.likelihood, "sigma", 0.0))
    measured = y[valid & (y > 0)].astype(float) ** 2
    power = max(float((measured - sigma**2).sum()), 0.05 * float(measured.sum()))
    scale = math.sqrt(power / math.prod(window))
    amplitude = problem.amplitude / scale
    return Normalised(problem.replace(amplitude=amplitude, likelihood=problem.likelihood.scaled(1 / scale)), scale)


def noise_of(problem: Problem) -> float:
    """The standard deviation of the amplitude that the likelihood stands for; ½/√s for counts (Anscombe 1948)."""
    sigma = getattr(problem.likelihood, "sigma", None)
    return float(sigma) if sigma is not None else 0.5 / math.sqrt(problem.likelihood.scale)  # type: ignore[attr-defined]


def consistent_with_noise(problem: Problem, x: Array) -> Array:
    """Whether noise explains how far each x (batch, *shape) misses the measured amplitudes, bool (batch,).

    Normal noise of σ on an amplitude a that cannot fall below 0 misses a by σ²(Φ(t) − t φ(t)) + a² (1 − Φ(t)) in the mean
    square, t = a/σ. Three standard errors of the mean over n pixels, 3·√(2/n), are allowed above it, and `SCALE_TOLERANCE` of
    the power for what the prior itself gets wrong.
    """
    import torch

    sigma, modulus = noise_of(problem), problem.modulus(x)
    t = modulus / sigma
    density = torch.exp(-(t**2) / 2) / math.sqrt(2 * math.pi)
    below = torch.special.ndtr(-t)
    expected = sigma**2 * (1 - below - t * density) + modulus**2 * below
    valid = problem.valid
    total = [(a * valid).flatten(1).sum(1) for a in (problem.misfit(x), expected, (problem.amplitude**2)[None])]
    return total[0] < total[1] * (1 + 3 * math.sqrt(2 / float(valid.sum()))) + SCALE_TOLERANCE * total[2]


def optimal_scale(problem: Problem, x: Array) -> Array:
    """c = ⟨y, |A x|⟩/‖A x‖² over the measured pixels, (batch, 1, …): the scale at which x fits best."""
    xp = namespace(x)
    modulus = problem.modulus(x) * xp.astype(problem.valid, problem.amplitude.dtype)
    axes = tuple(range(1, modulus.ndim))
    dot, power = (xp.sum(modulus * other, axis=axes, keepdims=True) for other in (problem.amplitude, modulus))
    return dot / (power + TINY)


def per_start(x: Array) -> tuple[int, ...]:
    """The shape in which a number for each object of x (batch, *shape) multiplies it."""
    return (-1, *[1] * (x.ndim - 1))


def complex_normal(rng: Streams, shape: tuple[int, ...], x: Array) -> Array:
    """Normal numbers complex64 (batch, *shape) like x, of unit deviation in each of the real and imaginary part."""
    pair = rng.normal((2, *shape))
    return like((pair[:, 0] + 1j * pair[:, 1]).astype(np.complex64), x)


def is_plain(problem: Problem) -> bool:
    """Whether the object's far field is measured as it is."""
    return isinstance(problem.operator, FarField) and problem.detector is None
