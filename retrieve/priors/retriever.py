"""Networks that read an object off its diffraction pattern in one pass: complex-valued, and real-valued in two branches.

The complex one is the network of Yu et al., npj Comput. Mater. 10, 24 (2024), the previous analysis of Lee et
al. (2026), section 3. The real one, with a decoder each for amplitude and phase, is their comparison.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import InputError
from .complex_unet import COMPLEX, REAL, Arithmetic, Branches
from .patterns import network_input, rms_normalise
from .symmetry import twin_of
from .unet import CONV, arguments_of, fold, unfold
from .windows import CHANNELS_LAST, crop_or_pad, object_axes, to_complex, window_of


class Retriever(nn.Module):
    """A network from the amplitude of a pattern to the object, of unit rms over its window.

    The training loss is a·min over θ and the twin t of ⟨|x e^{iθ} − t|²⟩ + (1 − a)·Σ(|F x| − y)²/Σy², with a = `supervision`.

    shape: px, of the pattern.  window: px, the box in the middle that holds the object.
    conditioned: whether the network is told the support. Outside of a given support the object is 0 in any case.
    autocorrelation: whether it also sees the intensity's Fourier transform, in two channels. This adds no information, but lies
    in the object's space, and a network learns from it far faster.
    widths: channels of the stages and of the bottom; None for the kind's own.  blocks: of each stage.
    patch: pixels of a side that are folded into channels.
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
        self.shape, self.window, self.blocks, self.patch = tuple(shape), tuple(window), blocks, patch
        self.conditioned, self.autocorrelation, self.widths = conditioned, autocorrelation, tuple(widths or self.default)
        dims, pixels = len(self.shape), patch ** len(self.shape)
        if dims not in CONV:
            raise InputError(f"shape {self.shape} has {dims} axes; this network is made for two or three")
        self.inside = window_of(self.shape, self.window)
        multiple = patch * 2 ** (len(self.widths) - 1)
        if any(n % multiple for n in self.shape):
            raise InputError(f"shape {self.shape}: every axis must be a multiple of {multiple} for this network")
        channels = (1 + conditioned + 2 * autocorrelation) * pixels
        self.network = Branches(self.arithmetic, dims, channels, pixels, self.widths, blocks, self.branches)

    @property
    def settings(self) -> dict[str, Any]:
        """The architecture, as `weights.build_module` takes it."""
        return {"kind": self.kind, **arguments_of(self)}

    @abstractmethod
    def estimate(self, features: Tensor) -> Tensor:
        """The object (batch, 2, *shape) from the folded channels."""

    def invert(self, amplitude: Tensor, valid: Tensor, support: Tensor) -> Tensor:
        """The object, complex (batch, *window), from arrays (batch, *shape); see `reconstruct`."""
        axes = object_axes(amplitude)
        told = support.float().expand(amplitude.shape)
        channels = [network_input(amplitude, valid), *([told] if self.conditioned else [])]
        if self.autocorrelation:
            y = rms_normalise(amplitude, valid)
            a = torch.fft.fftshift(torch.fft.ifftn(y.square(), dim=axes, norm="ortho"), axes)
            a = torch.sgn(a) * torch.log1p(a.abs())
            channels += [a.real, a.imag]
        features = fold(torch.stack(channels, 1), self.patch).contiguous(memory_format=CHANNELS_LAST[len(axes)])
        x = unfold(self.estimate(features), self.patch).float()
        return to_complex(x[(slice(None), *self.inside)] * told[self.inside][:, None])

    def reconstruct(self, amplitude: Tensor, valid: Tensor, support: Tensor | None = None) -> Tensor:
        """Invert patterns.

        Parameters
        ----------
        amplitude : Tensor
            √I (batch, *shape) in any unit, zero frequency at index 0.
        valid : Tensor
            bool (batch or 1, *shape), True where measured.
        support : Tensor, optional
            bool (batch or 1, *shape), if known.

        Returns
        -------
        Tensor
            The object, complex (batch, *shape), 0 outside window and support.

        Raises
        ------
        InputError
            If the network was made for patterns of another shape.
        """
        if tuple(amplitude.shape[1:]) != self.shape:
            raise InputError(f"the pattern has shape {tuple(amplitude.shape[1:])}; this network was made for {self.shape}")
        support = torch.ones_like(amplitude, dtype=torch.bool) if support is None else support
        return crop_or_pad(self.invert(amplitude, valid.expand(amplitude.shape), support), self.shape)

    def forward(self, truth: Tensor, support: Tensor, amplitude: Tensor, valid: Tensor, rng: torch.Generator) -> Tensor:
        """The training loss of each object. truth: (batch, 2, *window), of unit rms; support: as the network is told it."""
        x = self.invert(amplitude, valid, support)
        loss = x.new_zeros(len(x), dtype=torch.float32)
        if self.supervision > 0:
            loss = loss + self.supervision * symmetric_error(x, to_complex(truth))
        if self.supervision < 1:
            whole = crop_or_pad(x, self.shape)
            loss = loss + (1 - self.supervision) * pattern_error(whole, amplitude, valid, math.prod(self.window))
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


def symmetric_error(x: Tensor, truth: Tensor) -> Tensor:
    """min over θ and the twin t of ⟨|x e^{iθ} − t|²⟩ over the pixels, (batch,); x and truth complex (batch, *window).

    The network chooses which of the equivalent objects it gives. A rule that makes the truth canonical jumps where its functional
    changes sign, and a network blurs the two sides of the jump.
    """
    axes = object_axes(x)
    overlap = torch.maximum(*((x.conj() * t).sum(axes).abs() for t in (truth, twin_of(truth))))
    return (x.abs().square() + truth.abs().square()).mean(axes) - 2 * overlap / x[0].numel()


def pattern_error(x: Tensor, amplitude: Tensor, valid: Tensor, area: int) -> Tensor:
    """Σ(|F x| − y)²/Σy² over the valid pixels, (batch,), of x complex (batch, *shape), of unit rms over `area` pixels.

    y is the amplitude, (batch, *shape), scaled to the power of such an object. The measured share of the pixels is taken to hold
    the same share of the power.
    """
    axes = object_axes(x)
    y = torch.where(valid, amplitude, 0)
    power = y.square().sum(axes, keepdim=True) + 1e-20
    y = y * (area * valid.float().mean(axes, keepdim=True) / power).sqrt()
    misfit = torch.where(valid, torch.fft.fftn(x, dim=axes, norm="ortho").abs() - y, 0)
    return misfit.square().sum(axes) / (y.square().sum(axes) + 1e-20)
