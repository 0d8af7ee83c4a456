"""Denoisers: a network made into an estimate of the object at any noise level, E[x₀ | x = x₀ + σn].

The noise is complex: σ in each of the real and the imaginary part. Objects have an rms of 1 over the
window, so that the scale of a measurement follows from its power.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ..errors import InputError
from .patterns import Given, shown
from .unet import UNet
from .windows import window_of

SIGMA_DATA = 1 / math.sqrt(2)
"""Standard deviation of the real and of the imaginary part of objects whose rms is 1."""


class Prior(Protocol):
    """What a sampler asks of a prior; any object that has this will do.

    window: the object's box, in the middle of any larger array; the objects have an rms of 1 over it.
    denoise: x complex (batch, *shape), sigma (batch,) or a number, in units of that rms, and the
    support, bool (batch or 1, *shape), where known → E[x₀] complex (batch, *shape), 0 outside the window.
    A prior that has a number `multiple` takes arrays smaller than its window, too, of multiples of it. One that
    has names `kinds` of objects is given a fourth argument where a kind is assumed: float (batch, kinds), 1 for it, else 0.
    One that is `capturable` looks at no values on the host, and runs on a card as a CUDA graph; see `graphs.Replayed`.
    """

    window: tuple[int, ...]

    def denoise(self, x: Tensor, sigma: Tensor | float, support: Tensor | None = None) -> Tensor:
        """E[x₀]."""
        ...


class Denoiser(nn.Module):
    """A U-Net with its preconditioning, which subclasses give.

    window: px, the box that the network sees.  conditioned: whether it is told the support.
    pattern: whether it is told the amplitude of the diffraction pattern, whose shape is then the window's, in two equal
    channels as the 3D network of Lee et al. (2026), section 4.4: `given` tells it.
    network: options of `UNet`.  kinds: names of those of objects that it can be told.
    inputs, outputs: further channels of the network, which a subclass may need.
    What it is `told` is (batch, 1, *window), the support, or (batch, 3, *window) with the pattern.
    """

    kind: str
    capturable = True

    def __init__(
        self,
        window: Sequence[int],
        network: dict[str, Any],
        *,
        conditioned: bool = True,
        pattern: bool = False,
        kinds: Sequence[str] = (),
        inputs: int = 0,
        outputs: int = 0,
    ) -> None:
        super().__init__()
        self.window, self.conditioned, self.pattern, self.kinds = tuple(window), conditioned, pattern, tuple(kinds)
        channels = 2 + conditioned + inputs + 2 * pattern
        self.network = UNet(len(self.window), channels, 2 + outputs, kinds=len(self.kinds), **network)
        self.multiple = self.network.multiple
        if any(n % self.multiple for n in self.window):
            raise InputError(f"window {self.window}: every axis must be a multiple of {self.multiple} for this network")
        self.settings = {
            "kind": self.kind,
            "window": list(self.window),
            "conditioned": conditioned,
            **({"pattern": True} if pattern else {}),
            "network": self.network.settings,
        }
        if kinds:
            self.settings["kinds"] = list(kinds)

    @property
    @abstractmethod
    def sigmas(self) -> Tensor:
        """The noise levels it was trained for, from the least to the largest."""

    @abstractmethod
    def estimate(self, x: Tensor, sigma: Tensor, told: Tensor, kind: Tensor | None = None) -> Tensor:
        """E[x₀] (batch, 2, *window) from x, sigma (batch,), what it is told (batch, 1 or 3, *window), the kind (batch, kinds)."""

    @abstractmethod
    def forward(self, x0: Tensor, told: Tensor, kind: Tensor | None, rng: torch.Generator) -> Tensor:
        """The training loss of each object x₀ (batch, 2, *window)."""

    def given(self, amplitude: Tensor, valid: Tensor) -> Given:
        """This prior, told the amplitude (*window) of one pattern, zero frequency at index 0, where it is valid.

        Raises InputError for a prior that was not trained with patterns, or a pattern of another shape.
        """
        if not self.pattern or tuple(amplitude.shape) != self.window:
            here = f"patterns of {self.window}" if self.pattern else "no patterns"
            raise InputError(f"a pattern of {tuple(amplitude.shape)} is given to a prior that was trained with {here}")
        return Given(self, shown(amplitude[None].float(), valid[None]))

    def denoise(
        self,
        x: Tensor,
        sigma: Tensor | float,
        support: Tensor | None = None,
        kind: Tensor | None = None,
        pattern: Tensor | None = None,
    ) -> Tensor:
        """E[x₀] of complex x (batch, *shape), which is 0 outside the window; see `Prior`.

        pattern: as `patterns.shown` brings it, (1, *window), for a prior that is told of it; None where unknown.
        The network computes in float32 whatever the precision of x. An array smaller than the window it sees whole.
        Raises `InputError` for one whose axis is neither as long as the window's nor a multiple of `multiple`.
        """
        shape = tuple(x.shape[1:])
        whole = len(shape) == len(self.window) and not any(n % self.multiple for n in shape)
        box = tuple(map(min, shape, self.window)) if whole else self.window
        inside = window_of(shape, box)
        sigma = torch.as_tensor(sigma, dtype=torch.float32, device=x.device).expand(x.shape[0])
        pair = torch.view_as_real(x[inside].resolve_conj()).movedim(-1, 1).float()
        known = torch.ones((), device=x.device) if support is None else support[inside].float()
        told = known.expand(x.shape[0], *box)[:, None]
        if self.pattern:
            twice = torch.zeros((), device=x.device) if pattern is None else pattern[:, None]
            told = torch.cat([told, twice.expand(x.shape[0], 2, *box)], dim=1)
        estimate = self.estimate(pair, sigma, told, kind)
        out = torch.zeros_like(x)
        out[inside] = torch.view_as_complex(estimate.float().movedim(1, -1).contiguous())
        return out

    def run(self, x: Tensor, level: Tensor, told: Tensor, kind: Tensor | None, *more: Tensor) -> Tensor:
        """The network on x (batch, 2, *window) and more channels, told support, pattern and kind where it was built for them."""
        parts = [x, *([told[:, :1]] if self.conditioned else []), *more, *([told[:, 1:]] if self.pattern else [])]
        x = torch.cat([part.to(x.dtype) for part in parts], dim=1)
        return self.network(x.contiguous(memory_format=_FORMAT[x.ndim]), level, kind if self.kinds else None).float()


class EDM(Denoiser):
    """D = c_skip x + c_out (F + Σₖ gₖ uₖ), by which F always sees and gives unit variance (Karras et al. 2022).

    F and the gates gₖ are the network's, of c_in x, ¼ ln σ and uₖ = (wₖ Gₖx − c_skip x)/c_out. Gₖx are means of x under
    Gaussians of `scales` (px) inside the support, wₖ is c_skip for their lesser noise. So what noise hides in x at small σ,
    and what is left of x at large σ, come to the network at unit size, where bfloat16 would have lost them. |uₖ| levels
    off at `steep`, which it passes at edges alone.

    Trained on ln(σ/σ_data) ~ N(mean, width²), and for every fifth object ln σ even over `low` to `high`,
    with the loss weighted to unit size at every σ.
    """

    kind = "edm"
    mean, width = -0.6, 1.3
    low, high = 0.02, 60.0
    steep = 4.0

    def __init__(
        self,
        window: Sequence[int],
        network: dict[str, Any],
        *,
        conditioned: bool = True,
        pattern: bool = False,
        kinds: Sequence[str] = (),
        scales: Sequence[float] = (),
    ) -> None:
        more = {"inputs": 2 * len(scales), "outputs": len(scales)}
        super().__init__(window, network, conditioned=conditioned, pattern=pattern, kinds=kinds, **more)
        self.scales = tuple(scales)
        if scales:
            self.settings["scales"] = list(scales)

    @property
    def sigmas(self) -> Tensor:
        """The noise levels it was trained for: any between `low` and `high`."""
        return torch.tensor([self.low, self.high])

    def estimate(self, x: Tensor, sigma: Tensor, told: Tensor, kind: Tensor | None = None) -> Tensor:
        """E[x₀] (batch, 2, *window)."""
        s = sigma.reshape(-1, *[1] * (x.ndim - 1))
        total = s**2 + SIGMA_DATA**2
        level = sigma.clamp(self.low, self.high).log()  # beyond them the network was never asked
        skip, out = SIGMA_DATA**2 / total, s * SIGMA_DATA / total.sqrt()
        u = []
        for mean, share in self.means(x, told[:, :1]):
            each = (mean * (SIGMA_DATA**2 / (SIGMA_DATA**2 + s**2 * share)) - skip * x) / out.clamp(min=1e-6)
            u.append(each / (1 + each.square().sum(1, keepdim=True) / self.steep**2).sqrt())
        f = self.run(x / total.sqrt(), 250 * level, told, kind, *u)
        gated = [gate * each for gate, each in zip(f[:, 2:].split(1, dim=1), u, strict=bool(u))]
        return x * skip + sum(gated, f[:, :2]) * out

    def means(self, x: Tensor, support: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """For each of `scales`: the mean of x under a Gaussian inside the support, and the noise's share of variance in it.

        In the precision of x: rounded to bfloat16 a mean is no better than x itself at small σ.
        """
        inside = (support if self.conditioned else torch.ones_like(support)).to(x.dtype)
        for scale in self.scales:
            with torch.autocast(x.device.type, enabled=False):
                mass = blurred(inside, scale).clamp(min=1e-6)
                share = blurred(inside, scale / math.sqrt(2)) / mass**2
                mean = blurred(x * inside, scale) / mass
            yield mean * inside, share * inside

    def forward(self, x0: Tensor, told: Tensor, kind: Tensor | None, rng: torch.Generator) -> Tensor:
        """λ(σ)‖D − x₀‖² of each object, averaged over its pixels, with λ = 1/c_out²."""
        b = len(x0)
        normal = SIGMA_DATA * torch.exp(self.mean + self.width * torch.randn(b, generator=rng))
        even = self.low * (self.high / self.low) ** torch.rand(b, generator=rng)
        sigma = torch.where(torch.rand(b, generator=rng) < 0.2, even, normal).clamp(self.low, self.high).to(x0.device)
        s = sigma.reshape(-1, *[1] * (x0.ndim - 1))
        noise = normal_like(x0, rng)
        weight = (s**2 + SIGMA_DATA**2) / (s * SIGMA_DATA) ** 2
        return (weight * (self.estimate(x0 + s * noise, sigma, told, kind) - x0) ** 2).flatten(1).mean(1)


class Epsilon(Denoiser):
    """D = x − σ ε(x √ᾱ, t) with the noise ε predicted at the T levels of a linear β schedule (Ho et al. 2020), the paper's.

    The network is asked at the level t whose σ = √((1 − ᾱ)/ᾱ) is the nearest.
    """

    kind = "epsilon"
    alpha_bar: Tensor

    def __init__(
        self,
        window: Sequence[int],
        network: dict[str, Any],
        *,
        conditioned: bool = False,
        pattern: bool = False,
        kinds: Sequence[str] = (),
        steps: int = 500,
    ) -> None:
        super().__init__(window, network, conditioned=conditioned, pattern=pattern, kinds=kinds)
        self.settings["steps"] = steps
        beta = torch.linspace(0.1 / steps, 20 / steps, steps, dtype=torch.float64)
        self.register_buffer("alpha_bar", torch.cumprod(1 - beta, 0).float(), persistent=False)

    @property
    def sigmas(self) -> Tensor:
        """σ of the levels t = 1 … T."""
        return ((1 - self.alpha_bar) / self.alpha_bar).sqrt()

    def estimate(self, x: Tensor, sigma: Tensor, told: Tensor, kind: Tensor | None = None) -> Tensor:
        """E[x₀] (batch, 2, *window)."""
        between = (self.sigmas[1:] * self.sigmas[:-1]).sqrt()
        t = torch.searchsorted(between, sigma.contiguous())
        s = sigma.reshape(-1, *[1] * (x.ndim - 1))
        return x - s * self.run(x / (1 + s**2).sqrt(), t.float() + 1, told, kind)

    def forward(self, x0: Tensor, told: Tensor, kind: Tensor | None, rng: torch.Generator) -> Tensor:
        """‖ε − ε_θ‖² of each object, averaged over its pixels (paper's eq. 7)."""
        t = torch.randint(len(self.alpha_bar), (len(x0),), generator=rng)
        bar = self.alpha_bar[t.to(x0.device)].reshape(-1, *[1] * (x0.ndim - 1))
        noise = normal_like(x0, rng)
        found = self.run(bar.sqrt() * x0 + (1 - bar).sqrt() * noise, t.to(x0.device).float() + 1, told, kind)
        return ((noise - found) ** 2).flatten(1).mean(1)


def normal_like(x: Tensor, rng: torch.Generator) -> Tensor:
    """Normal numbers of the shape of x, drawn where x is; on a card from a generator that `rng` seeds."""
    if x.device.type != rng.device.type:
        seed = int(torch.randint(2**62, (1,), generator=rng))
        rng = torch.Generator(x.device).manual_seed(seed)
    return torch.randn(x.shape, generator=rng, device=x.device)


def blurred(x: Tensor, scale: float) -> Tensor:
    """Sums of x (batch, channels, *window) under Gaussians exp(−r²/2 scale²), scale in px, with zeros around."""
    for axis in range(2, x.ndim):
        n = torch.arange(x.shape[axis], device=x.device, dtype=x.dtype)
        kernel = torch.exp(-((n[:, None] - n) ** 2) / (2 * scale**2))
        x = torch.tensordot(x, kernel, ([axis], [0])).movedim(-1, axis)
    return x


_FORMAT = {4: torch.channels_last, 5: torch.channels_last_3d}
KINDS: dict[str, type[Denoiser]] = {cls.kind: cls for cls in (EDM, Epsilon)}
