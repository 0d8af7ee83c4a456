"""A network on a CUDA card as one launch instead of hundreds: captured once per shape, then replayed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

WARM_UP_RUNS = 3
"""Runs before a capture, in which libraries choose their kernels."""


class Captured(NamedTuple):
    """A CUDA graph, the tensors that it reads and the one that it writes."""

    graph: torch.cuda.CUDAGraph
    inputs: list[Tensor | None]
    output: Tensor


class Replayed:
    """A `function` of tensors (or None) to a tensor: on a card replayed as a graph, elsewhere called as it is.

    The function must not read values on the host. It is captured under the autocast of its first call.
    """

    def __init__(self, function: Callable[..., Tensor]) -> None:
        self.function = function
        self.known: dict[Any, Captured] = {}

    def __call__(self, x: Tensor, *more: Tensor | None) -> Tensor:
        """The function's value, a tensor of its own."""
        if x.device.type != "cuda":
            return self.function(x, *more)
        key = tuple(None if a is None else (a.shape, a.dtype) for a in (x, *more))
        if key not in self.known:
            self.known[key] = captured(self.function, x, *more)
        graph, inputs, output = self.known[key]
        for kept, a in zip(inputs, (x, *more), strict=True):
            if kept is not None and a is not None:
                kept.copy_(a)
        graph.replay()
        return output.clone()


def captured(function: Callable[..., Tensor], *args: Tensor | None) -> Captured:
    """The work of the function on the card, for arguments of these shapes."""
    inputs = [None if a is None else a.clone() for a in args]
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(WARM_UP_RUNS):
            function(*inputs)
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        output = function(*inputs)
    return Captured(graph, inputs, output)
