"""Patterns as networks see them: measured with noise and lost pixels, and brought to a narrow range."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .windows import broadcast_over, object_axes


def measure_pattern(x: Tensor, sigma: Tensor, lost: Tensor, stop: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Amplitudes, 0 where not valid, and valid pixels, (batch, *shape), zero frequency at index 0, of complex x (batch, *shape).

    sigma: noise of the amplitude, as a share of its maximum.  lost: share of unmeasured pixels, in islands of three a side.
    stop: radius of a beam stop (px).  All are (batch,).
    """
    axes = object_axes(x)
    y = torch.fft.fftn(x, dim=axes, norm="ortho").abs()
    noise = torch.randn(y.shape, generator=rng) * y.amax(axes, keepdim=True)
    y = (y + broadcast_over(sigma, y) * noise).clamp(min=0)
    centres = torch.rand(y.shape, generator=rng) < broadcast_over(lost / 3 ** len(axes), y)
    pool = F.max_pool2d if y.ndim == 3 else F.max_pool3d
    valid = pool(centres.float()[:, None], 3, 1, 1)[:, 0] == 0
    q2 = sum(
        (torch.fft.fftfreq(n, 1 / n) ** 2).reshape([-1 if a == k else 1 for a in axes])
        for k, n in zip(axes, y.shape[1:], strict=True)
    )
    valid &= (broadcast_over(stop, y) == 0) | (torch.as_tensor(q2) > broadcast_over(stop, y) ** 2)
    return torch.where(valid, y, 0), valid


def network_input(amplitude: Tensor, valid: Tensor) -> Tensor:
    """log(1 + y/rms y) of amplitudes y (batch, *shape), zero frequency in the middle and 0 where unmeasured.

    Linear below the rms, with the same noise in every pixel; of a narrow range above it.
    """
    return torch.fft.fftshift(torch.log1p(rms_normalise(amplitude, valid)), object_axes(amplitude))


def rms_normalise(amplitude: Tensor, valid: Tensor) -> Tensor:
    """Amplitudes (batch, *shape) over their rms where measured, 0 elsewhere."""
    axes = object_axes(amplitude)
    y = torch.where(valid, amplitude, 0)
    count = valid.sum(axes, keepdim=True).clamp(min=1)
    return y / ((y.square().sum(axes, keepdim=True) / count).sqrt() + 1e-20)


def data_step(amplitude: Tensor, valid: Tensor, sigma: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """The data step x, r → argmin_z ‖|A z| − y‖²/2σ² + ‖A(z − x)‖²/2r² of patterns y (batch, *shape) with noise σ (batch,).

    A is the far field; unmeasured pixels keep those of x. The same as `Problem.proximal`, of a batch of patterns.
    """
    axes = object_axes(amplitude)
    variance = broadcast_over(sigma, amplitude) ** 2

    def step(x: Tensor, r: Tensor) -> Tensor:
        f = torch.fft.fftn(x, dim=axes, norm="ortho")
        share = valid * (r**2 / (r**2 + variance))
        return torch.fft.ifftn(f * (1 + share * (amplitude / (f.abs() + 1e-12) - 1)), dim=axes, norm="ortho")

    return step
