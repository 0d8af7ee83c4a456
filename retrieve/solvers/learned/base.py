"""Solvers with a network: weights, check of the problem, and the prior's units."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self, TypeVar

import numpy as np

from ...errors import InputError
from ...numerics.arrays import TINY, Array, like, namespace, to_numpy
from ...operators import FarField
from ...plugins.options import option
from ...problem import Problem
from ...problem.likelihood import Poisson, stated_noise
from ..base import Solver, Step, Streams
from .noise import check_signal_above_noise, count_deviance_variance, noise_of, warn_of_unstated_noise

if TYPE_CHECKING:
    from ...priors.symmetry import Symmetric

T = TypeVar("T")

SCALE_TOLERANCE = 0.002
"""Share of the measured power that a right estimate of a learned prior may miss without noise."""

EXTENT_TOLERANCE = 1.1
"""How much larger than the prior's window an object may be by its autocorrelation, whose edge is not sharp."""


@dataclass(frozen=True)
class PretrainedSolver(Solver):
    """A solver that is a network, or has one; the manifest keeps the SHA-256 of its weights.

    family: name of the weights that ship for it, with {} for the number of a problem's axes.
    """

    library: ClassVar[str] = "torch"
    family: ClassVar[str] = ""
    weights: str

    def resolve_for(self, problem: Problem) -> Self:
        """Replace `auto` by the weights that ship for as many axes as the problem has.

        Raises `InputError` if none ship.
        """
        if self.weights != "auto":
            return self
        from ...priors.weights import shipped

        axes = len(problem.shape)
        if (name := self.family_for(problem).format(axes)) not in shipped():
            raise InputError(
                f"solver {self.name}: weights={self.weights}, and none ship for a problem of {axes} axes; "
                f"train some (`retrieve train`) and give their file as weights=FILE, or take a classical solver"
            )
        return replace(self, weights=name)

    def family_for(self, problem: Problem) -> str:
        """The family of weights for a problem, one of `families`."""
        return self.family

    @property
    def families(self) -> tuple[str, ...]:
        """All that `auto` may take."""
        return (self.family,)

    def network(self, kind: type, what: str, device: Any = "cpu") -> Any:
        """The module of `weights`. Raises `InputError` if there is none, or it is not of `kind`, `what` in words."""
        from ...priors.weights import load_weights

        module = load_weights(self.weights, device)
        if not isinstance(module, kind):
            found = type(module).__name__
            raise InputError(f"weights {self.weights!r} are of a {found}, not of {what}; see `retrieve weights`")
        return module

    def record(self) -> dict[str, Any]:
        """The SHA-256 of the weights; of `auto`, of all that ship for it."""
        from ...priors.weights import path_of, sha256, shipped

        if self.weights == "auto":
            names = [family.format(axes) for family in self.families for axes in (2, 3)]
            return {"weights_sha256": {name: sha256(shipped()[name]) for name in names if name in shipped()}}
        return {"weights_sha256": sha256(path_of(self.weights))}

    def check(self, problem: Problem) -> None:
        """Raise `InputError` if the network was not trained for such a problem."""
        self.resolve_for(problem).check_geometry(problem)

    @abstractmethod
    def check_geometry(self, problem: Problem) -> None:
        """Raise `InputError` if the network was not trained for the problem's shape, extent or operator."""


@dataclass(frozen=True)
class Learned(PretrainedSolver):
    """A solver that has a denoiser as its prior. Derive from it to write another one.

    Examples
    --------
    ``prior = self.prior_for(problem, x.device)`` is a `retrieve.priors.denoiser.Prior`, and
    ``y, scale = normalise(problem, prior.window)`` the problem in its units. Multiply an estimate by `scale` to yield it.
    """

    family: ClassVar[str] = "domains{}d"
    weights: str = option(
        "auto",
        "the prior: shipped weights or a plugin's prior by name (see `retrieve weights`), or a .safetensors file; "
        "auto: domains2d or domains3d by the problem's axes; diffusion tries NAME+NAME where a 2D support is not known",
    )
    precision: str = option(
        "auto",
        "arithmetic of the network; auto: bfloat16 if the processor computes in it",
        choices=("auto", "float32", "bfloat16", "float16"),
    )

    def symmetric(self, prior: Any, problem: Problem, rng: Streams) -> Symmetric:
        """The prior's denoiser under the problem's support, averaged over its symmetries."""
        import torch

        from ...priors.symmetry import Symmetric

        return Symmetric(prior, problem.support, lambda: torch.from_numpy(rng.uniform((2,))), self.precision)

    def prior(self, device: Any = "cpu") -> Any:
        """The denoiser of `weights`. Raises `InputError` if there is none, or the file holds another network."""
        from ...priors.denoiser import Denoiser
        from ...priors.registered import prior_of

        made = prior_of(self.weights, device)
        return self.network(Denoiser, "a denoiser", device) if made is None else made

    def prior_for(self, problem: Problem, device: Any) -> Any:
        """The prior on a device, told the problem if it is one that can be."""
        prior = self.prior(device)
        tell = getattr(prior, "tell", None)
        return prior if tell is None else tell(normalise(problem, prior.window).problem)

    def record(self) -> dict[str, Any]:
        """The SHA-256 of the weights, and whether the prior is told the pattern; or the plugin of the prior."""
        from ...priors.registered import plugin_of

        if (plugin := plugin_of(self.weights)) is not None:
            return {"prior_plugin": plugin}
        told = self.weights != "auto" and getattr(self.prior(), "pattern", False)
        return super().record() | ({"prior_is_told_the_pattern": True} if told else {})

    def check_geometry(self, problem: Problem) -> None:
        """Raise `InputError` if the prior was not trained for the problem's geometry, or the noise hides the pattern."""
        prior, shape = self.prior(), problem.shape
        window = prior.window
        trained = f"weights {self.weights!r} are for objects within {window_text(window)} px"
        if len(shape) != len(window):
            raise InputError(f"{trained}, the problem has {len(shape)} axes; take a prior of as many, or a classical solver")
        if exceeds(window, shape):
            raise InputError(f"{trained}, the object's array has {window_text(shape)}; pad the data, or train a smaller prior")
        if getattr(prior, "pattern", False) and (tuple(shape) != window or not is_plain(problem)):
            raise InputError(
                f"{trained} and are told their far field of as many, the problem has {window_text(shape)} and an operator "
                f"{type(problem.detector or problem.operator).__name__}; take a prior that is not told the pattern"
            )
        extent, found, tolerance = problem.extent, "the object spans about {} by its autocorrelation", EXTENT_TOLERANCE
        if problem.support is not None:
            extent, found, tolerance = extent_of(to_numpy(problem.support)), "the support spans {}", 1.0
        if exceeds(extent, window, tolerance):
            raise InputError(
                f"{trained}, {found.format(window_text(extent))}; bin or crop the data to coarser pixels, "
                f"down to {window_text(window)}, or train a prior of a larger window (`retrieve train diffusion --window`)"
            )
        check_signal_above_noise(problem)
        warn_of_unstated_noise(problem, self.name)


def exceeds(extent: Sequence[float], window: Sequence[int], tolerance: float = 1.0) -> bool:
    """Whether an extent is larger than a window along any axis, by more than the factor `tolerance`."""
    return any(e > tolerance * w for e, w in zip(extent, window, strict=True))


def extent_of(support: np.ndarray) -> tuple[int, ...]:
    """The smallest box, px, that holds a support (*shape) and has N//2 in its middle."""
    found = []
    for axis, n in enumerate(support.shape):
        used = np.flatnonzero(support.any(axis=tuple(a for a in range(support.ndim) if a != axis))) - n // 2
        found.append(int(max(-2 * used.min(), 2 * used.max() + 1, 1)))
    return tuple(found)


def window_text(shape: Sequence[float]) -> str:
    """A shape in words."""
    return " × ".join(f"{n:.0f}" for n in shape)


class Normalised(NamedTuple):
    """A problem in the prior's units, objects of rms 1 over the window, and the factor that leads back."""

    problem: Problem
    scale: float


def normalise(problem: Problem, window: tuple[int, ...]) -> Normalised:
    """Scale a problem so that the object, by its measured power, has an rms of 1 over the prior's window.

    Parameters
    ----------
    problem : Problem
        As it was measured.
    window : tuple of int
        The prior's, px.

    Returns
    -------
    Normalised
        The problem in the prior's units, and the factor by which an object in these units is multiplied to lead back. Whole
        numbers under the default σ = ½ are counts, with the noise of counts.

    Notes
    -----
    The power is Σ(y² − σ²) over the measured pixels that are not zero, for noise of σ on the amplitude. Where noise is clipped
    at zero, the remaining mean square is a² + σ² for a ≫ σ and σ² for a = 0 (at worst, for a = σ, 0.08 σ² more).
    """
    y, valid = to_numpy(problem.amplitude), to_numpy(problem.valid)
    likelihood = stated_noise(problem.likelihood, y[valid]) or problem.likelihood
    sigma = float(getattr(likelihood, "sigma", 0.0))
    measured = y[valid & (y > 0)].astype(float) ** 2
    power = max(float((measured - sigma**2).sum()), 0.05 * float(measured.sum()))
    scale = math.sqrt(power / math.prod(window))
    amplitude = problem.amplitude / scale
    return Normalised(problem.replace(amplitude=amplitude, likelihood=likelihood.scaled(1 / scale)), scale)


def consistent_with_noise(problem: Problem, x: Array) -> Array:
    """Whether noise explains how far each x (batch, *shape) misses the measured amplitudes, bool (batch,).

    The deviance of a right object is on average the likelihood's expectation: of normal noise that is clipped at 0, or of
    counts. Allowed above it are three standard errors of the sum, and `SCALE_TOLERANCE` of the power for errors of the prior.
    """
    xp, likelihood, valid = namespace(x), problem.likelihood, problem.valid
    p = problem.intensity(x)
    deviance, expected = likelihood.deviance(p, problem.amplitude), likelihood.expected_deviance(p)
    expected = xp.ones_like(p) if expected is None else expected
    total, explained = ((a * valid).flatten(1).sum(1) for a in (deviance, expected))
    if isinstance(likelihood, Poisson):
        variance = like(count_deviance_variance(to_numpy(likelihood.scale * p)), p)
        error = (variance * valid).flatten(1).sum(1).sqrt()
    else:
        error = explained * math.sqrt(2 / float(valid.sum()))
    return total < explained + 3 * error + SCALE_TOLERANCE * problem.power / noise_of(problem) ** 2


def optimal_scale(problem: Problem, x: Array) -> Array:
    """The scale at which x fits best, over the measured pixels, (batch, 1, …).

    ⟨y, |A x|⟩/‖A x‖² for normal noise, and ‖y‖/‖A x‖ for counts, whose mean √ is below the amplitude.
    """
    xp = namespace(x)
    modulus = problem.modulus(x) * xp.astype(problem.valid, problem.amplitude.dtype)
    axes = tuple(range(1, modulus.ndim))
    power = xp.sum(modulus * modulus, axis=axes, keepdims=True) + TINY
    if isinstance(problem.likelihood, Poisson):
        return xp.sqrt(problem.power / power)
    return xp.sum(modulus * problem.amplitude, axis=axes, keepdims=True) / power


def show_estimate(
    steps: Generator[Step, None, T], total: int | None, x: Array | None = None, share: float = 1.0
) -> Generator[Step, None, T]:
    """Steps of a `share` of the batch, which all show x where it is given; returns what they return."""
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            return end.value
        shown = step.estimate if x is None else x
        yield step._replace(x=shown, support=None, evaluations=share * step.evaluations, total=total, more=False)


def per_start(x: Array) -> tuple[int, ...]:
    """The shape in which one number per object of x (batch, *shape) multiplies it."""
    return (-1, *[1] * (x.ndim - 1))


def complex_normal(rng: Streams, shape: tuple[int, ...], x: Array) -> Array:
    """Normal numbers complex64 (batch, *shape) like x, of unit deviation in each of the real and imaginary part."""
    pair = rng.normal((2, *shape))
    return like((pair[:, 0] + 1j * pair[:, 1]).astype(np.complex64), x)


def is_plain(problem: Problem) -> bool:
    """Whether the detector sees the far field of the object itself, with no further operator."""
    return isinstance(problem.operator, FarField) and problem.detector is None
