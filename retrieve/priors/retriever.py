"""Networks that read an object off its diffraction pattern in one pass: complex-valued, and real-valued in two branches.

The complex one is the network of Yu et al., npj Comput. Mater. 10, 24 (2024), the previous analysis of Lee et
al. (2026), section 3; the real one, a decoder each for amplitude and phase, is what they compare it with.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import InputError
from .complex_unet import COMPLEX, REAL, Arithmetic, Branches
from .patterns import network_input, rms_normalise
from .unet import CONV, fold, unfold
from .windows import window_of


class Retriever(nn.Module):
    """A network from the amplitude of a pattern to the object, of unit rms over its window.

    shape: px, of the pattern.  window: px, the box in the middle that holds the object.
    conditioned: whether the network is told the support; outside of one that is given the object is 0 in any case.
    autocorrelation: whether the network also sees the intensity's Fourier transform, in two channels that lie in the
    object's space as the support does. It tells nothing new, but from it a network learns far faster.
    widths: channels of the three stages and of the bottom, None for the kind's own.  blocks: of each stage.
    patch: pixels of a side that are folded into channels.
    supervision: share of the training's loss that looks at the true object; the rest looks at the pattern alone.
    """

    kind: str
    arithmetic: Arithmetic
    branches: int
    default: tuple[int, ...]
    supervision: float = 1.0

    def __init__(
        self,
        shape: Sequence[int],
        window: Sequence[int],
        *,
        conditioned: bool = True,
        autocorrelation: bool = False,
        widths: Sequence[int] | None = None,
        blocks: int = 1,
        patch: int = 2,
    ) -> None:
        super().__init__()
        self.shape, self.window, self.patch = tuple(shape), tuple(window), patch
        self.conditioned, self.autocorrelation = conditioned, autocorrelation
        dims, widths, pixels = len(self.shape), tuple(widths or self.default), patch ** len(self.shape)
        if dims not in CONV:
            raise InputError(f"shape {self.shape} has {dims} axes; this network is made for two or three")
        self.inside = window_of(self.shape, self.window)
        multiple = patch * 2 ** (len(widths) - 1)
        if any(n % multiple for n in self.shape):
            raise InputError(f"shape {self.shape}: every axis must be a multiple of {multiple} for this network")
        channels = (1 + conditioned + 2 * autocorrelation) * pixels
        self.network = Branches(self.arithmetic, dims, channels, pixels, widths, blocks, self.branches)
        self.settings = {
            "kind": self.kind,
            "shape": list(self.shape),
            "window": list(self.window),
            "conditioned": conditioned,
            **({"autocorrelation": True} if autocorrelation else {}),
            "widths": list(widths),
            "blocks": blocks,
            "patch": patch,
        }

    @abstractmethod
    def estimate(self, features: Tensor) -> Tensor:
        """The object (batch, 2, *shape) from the folded channels."""

    def invert(self, amplitude: Tensor, valid: Tensor, support: Tensor) -> Tensor:
        """The object, complex (batch, *window), from arrays (batch, *shape); see `reconstruct`.

        The network sees the pattern as `patterns.shown` brings it.
        """
        axes = tuple(range(1, amplitude.ndim))
        told = support.float().expand(amplitude.shape)
        channels = [network_input(amplitude, valid), *([told] if self.conditioned else [])]
        if self.autocorrelation:
            y = rms_normalise(amplitude, valid)
            a = torch.fft.fftshift(torch.fft.ifftn(y.square(), dim=axes, norm="ortho"), axes)
            a = torch.sgn(a) * torch.log1p(a.abs())
            channels += [a.real, a.imag]
        features = fold(torch.stack(channels, 1), self.patch).contiguous(memory_format=_FORMAT[told.ndim])
        x = unfold(self.estimate(features), self.patch, len(self.shape)).float()
        x = x[(slice(None), *self.inside)] * told[self.inside][:, None]
        return torch.view_as_complex(x.movedim(1, -1).contiguous())

    def reconstruct(self, amplitude: Tensor, valid: Tensor, support: Tensor | None = None) -> Tensor:
        """The object, complex (batch, *shape), 0 outside window and support.

        amplitude: (batch, *shape), in any unit, zero frequency at index 0.  valid: bool (batch or 1, *shape).
        support: bool (batch or 1, *shape), or None where unknown.  Raises InputError for another shape.
        """
        if tuple(amplitude.shape[1:]) != self.shape:
            raise InputError(f"the pattern has shape {tuple(amplitude.shape[1:])}; this network was made for {self.shape}")
        support = torch.ones_like(amplitude, dtype=torch.bool) if support is None else support
        return self.recentre_window(self.invert(amplitude, valid.expand(amplitude.shape), support))

    def recentre_window(self, x: Tensor) -> Tensor:
        """x (batch, *window) in the middle of zeros (batch, *shape)."""
        out = x.new_zeros((len(x), *self.shape))
        out[self.inside] = x
        return out

    def forward(self, truth: Tensor, support: Tensor, amplitude: Tensor, valid: Tensor, rng: torch.Generator) -> Tensor:
        """The training loss of each object: `supervision` of `symmetric_error`, the rest of `pattern_error`.

        truth: (batch, 2, *window), of unit rms.  support: as the network is told it.
        """
        x = self.invert(amplitude, valid, support)
        loss = x.new_zeros(len(x), dtype=torch.float32)
        if self.supervision > 0:
            t = torch.view_as_complex(truth.movedim(1, -1).contiguous())
            loss = loss + self.supervision * symmetric_error(x, t)
        if self.supervision < 1:
            loss = loss + (1 - self.supervision) * pattern_error(
                self.recentre_window(x), amplitude, valid, math.prod(self.window)
            )
        return loss


class ComplexUNet(Retriever):
    """One complex encoder and decoder; the decoder gives the complex object."""

    kind, arithmetic, branches = "complex-unet", COMPLEX, 1
    default = (16, 32, 96, 192)

    def estimate(self, features: Tensor) -> Tensor:
        """Real and imaginary part."""
        return self.network(features).unflatten(1, (-1, 2)).transpose(1, 2).flatten(1, 2)


class RealUNet(Retriever):
    """One real encoder and two decoders: amplitude, by a softplus, and phase in rad, of any size.

    Its default widths have the parameters and the multiplications of the complex network's within 5 %.
    """

    kind, arithmetic, branches = "real-unet", REAL, 2
    default = (32, 64, 144, 208)

    def estimate(self, features: Tensor) -> Tensor:
        """amplitude · (cos φ, sin φ)."""
        amplitude, phase = self.network(features).float().chunk(2, dim=1)
        return F.softplus(amplitude).repeat(1, 2, *[1] * (phase.ndim - 2)) * torch.cat([phase.cos(), phase.sin()], dim=1)


_FORMAT = {3: torch.channels_last, 4: torch.channels_last_3d}


def twin(x: Tensor) -> Tensor:
    """x*(−r) of x (batch, *window) about N//2, which has the same pattern."""
    axes = tuple(range(1, x.ndim))
    return torch.roll(torch.flip(x, axes), tuple(1 - n % 2 for n in x.shape[1:]), axes).conj()


def symmetric_error(x: Tensor, truth: Tensor) -> Tensor:
    """min over θ and the twin t of ⟨|x e^{iθ} − t|²⟩ over the pixels, (batch,); x and truth complex (batch, *window).

    A rule that makes the truth canonical jumps where its functional changes sign, and a network blurs the two
    sides of the jump; here it chooses for itself which of the equivalent objects it gives.
    """
    axes = tuple(range(1, x.ndim))
    overlap = torch.maximum(*((x.conj() * t).sum(axes).abs() for t in (truth, twin(truth))))
    return (x.abs().square() + truth.abs().square()).mean(axes) - 2 * overlap / x[0].numel()


def pattern_error(x: Tensor, amplitude: Tensor, valid: Tensor, area: int) -> Tensor:
    """Σ(|F x| − y)²/Σy² over the valid pixels, (batch,), of x complex (batch, *shape), of unit rms over `area` pixels.

    y is the amplitude, (batch, *shape), scaled to the power of such an object, which the measured share of the
    pixels is taken to hold its share of.
    """
    axes = tuple(range(1, x.ndim))
    y = torch.where(valid, amplitude, 0)
    power = y.square().sum(axes, keepdim=True) + 1e-20
    y = y * (area * valid.float().mean(axes, keepdim=True) / power).sqrt()
    misfit = torch.where(valid, torch.fft.fftn(x, dim=axes, norm="ortho").abs() - y, 0)
    return misfit.square().sum(axes) / (y.square().sum(axes) + 1e-20)
