"""The object from its pattern in one pass of a network, and what a classical descent makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...errors import InputError
from ...numerics.arrays import Array, like, to_numpy
from ...plugins.options import build, option
from ...problem import Problem
from ..base import Step, Streams
from ..iterative import iterate
from ..recipe import PARTS
from .base import PretrainedSolver, extent_of, is_plain, optimal_scale, shape_text


@dataclass(frozen=True)
class UNet(PretrainedSolver):
    """x = c N(y, S) with N trained to invert patterns y of objects within S, and c the scale that fits best.

    Nothing is drawn: every start gives the same object, among those that the data cannot tell apart the one
    that the network prefers.
    """

    name: ClassVar[str] = "unet"
    source: ClassVar[str] = "Yu et al., npj Comput. Mater. 10, 24 (2024)"
    family: ClassVar[str] = "unet{}d-complex"
    weights: str = option(
        "auto",
        "the network: shipped weights by name (see `retrieve weights`), or a .safetensors file; auto: unet2d-complex in 2D",
    )
    refine: str = option("none", "algorithm that goes on from the network's object", choices=("none", "er", "hio", "raar", "cg"))
    iterations: int = option(50, "its iterations", ge=1)

    @property
    def total(self) -> int | None:
        """The pass and the iterations."""
        return 1 if self.refine == "none" else 1 + self.iterations

    def retriever(self, device: Any = "cpu") -> Any:
        """The `Retriever` of `weights`. Raises `InputError` where there is none, or the file is of something else."""
        from ...priors.retriever import Retriever

        return self.network(Retriever, "a network that inverts patterns", device)

    def check(self, problem: Problem) -> None:
        """Raise `InputError` where the network was not trained for such patterns."""
        if self.weights == "auto":
            self.resolve_for(problem).check(problem)
            return
        module = self.retriever()
        told = f"weights {self.weights!r} are for patterns of {shape_text(module.shape)} px"
        if tuple(problem.shape) != module.shape:
            remedy = "bin, crop or pad the data to that, or train a network of their shape (`retrieve train unet`)"
            raise InputError(f"{told}, the problem's has {shape_text(problem.shape)}; {remedy}")
        if not is_plain(problem):
            what = type(problem.detector or problem.operator).__name__
            raise InputError(
                f"{told} as the far field is, the problem has an operator {what}; leave it out, or take solver recipe"
            )
        if problem.support is not None:
            extent = extent_of(to_numpy(problem.support))
            if any(e > w for e, w in zip(extent, module.window, strict=True)):
                remedy = "crop the pattern to coarser pixels of the object, or train a network of a larger window"
                raise InputError(
                    f"{told} and objects within {shape_text(module.window)}, the support spans {shape_text(extent)}; {remedy}"
                )

    def start(self, problem: Problem, rng: Streams) -> Array:
        """Zeros: a start makes no difference."""
        return like(np.zeros((len(rng), *problem.shape), np.complex64), problem.amplitude)

    def steps(self, problem: Problem, x: Array, rng: Streams) -> Iterator[Step]:
        """The pass, then the iterations; x gives the shape alone."""
        inside = None if problem.support is None else problem.support[None]
        found = self.retriever(x.device).reconstruct(problem.amplitude[None], problem.valid[None], inside)
        found = found * optimal_scale(problem, found)
        x = found.expand(x.shape).clone()
        yield Step(x, inside if inside is None else inside.expand(x.shape), stage="network", evaluations=1)
        if self.refine != "none":
            yield from iterate([build(PARTS[self.refine], {"iterations": self.iterations})], problem, x)
