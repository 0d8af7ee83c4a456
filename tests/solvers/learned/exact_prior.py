"""The exact prior of white normal objects, random streams, and torch on a CPU, for tests of the solvers that have a prior."""

import torch

from retrieve.numerics.arrays import Device, find_device
from retrieve.solvers.base import Streams


class White:
    """The exact prior of white normal objects in their support, of rms 1 over the window."""

    def __init__(self, window, share):
        self.window, self.variance = window, 0.5 / share

    def denoise(self, x, sigma, support=None):
        sigma = torch.as_tensor(sigma, dtype=torch.float32).reshape(-1, *[1] * (x.ndim - 1))
        d = x * (self.variance / (self.variance + sigma**2))
        return d if support is None else torch.where(support, d, torch.zeros_like(d))


def streams(n, seed=0):
    """Random numbers of n starts."""
    return Streams.of(seed, range(n))


def on_torch() -> Device:
    """Arrays of torch on the CPU."""
    return find_device("cpu", "torch")
