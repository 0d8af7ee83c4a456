"""The object from its pattern in one pass of a network, refined by a classical algorithm if asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
from .base import PretrainedSolver, exceeds, extent_of, is_plain, optimal_scale, window_text


@dataclass(frozen=True)
class UNet(PretrainedSolver):
    """Inversion in one pass: x = c N(y, S), with a network N of the pattern y and the support S, and the scale c that fits best.

    Nothing is random: every start gives the same object. Of the objects that the data cannot tell apart it is the one that the
    network prefers.
    """

    name: ClassVar[str] = "unet"
    source: ClassVar[str] = "Yu et al., npj Comput. Mater. 10, 24 (2024)"
    family: ClassVar[str] = "unet{}d-complex"
    uses_start: ClassVar[bool] = False
    deterministic: ClassVar[bool] = True
    RENAMED: ClassVar[Mapping[str, str | None]] = {"refine": "algorithm"}
    weights: str = option(
        "auto",
        "the network: shipped weights by name (see `retrieve weights`), or a .safetensors file; auto: unet2d-complex or "
        "unet3d-complex by the problem's axes",
    )
    algorithm: str = option("none", "refines the network's object", choices=("none", "er", "hio", "raar", "cg"))
    iterations: int = option(50, "of the algorithm", ge=1)

    @property
    def total(self) -> int | None:
        """The pass and the iterations."""
        return 1 if self.algorithm == "none" else 1 + self.iterations

    def retriever(self, device: Any = "cpu") -> Any:
        """The `Retriever` of `weights`. Raises `InputError` if there is none, or the file holds another network."""
        from ...priors.retriever import Retriever

        return self.network(Retriever, "a network that inverts patterns", device)

    def check_geometry(self, problem: Problem) -> None:
        """Raise `InputError` if the network was not trained for such patterns or such large objects."""
        module = self.retriever()
        trained = f"weights {self.weights!r} are for patterns of {window_text(module.shape)} px"
        if tuple(problem.shape) != module.shape:
            remedy = "bin, crop or pad the data to that, or train a network of their shape (`retrieve train unet`)"
            raise InputError(f"{trained}, the problem's has {window_text(problem.shape)}; {remedy}")
        if not is_plain(problem):
            what = type(problem.detector or problem.operator).__name__
            raise InputError(
                f"{trained} as the far field is, the problem has an operator {what}; leave it out, or take solver recipe"
            )
        extent = (0,) * len(problem.shape) if problem.support is None else extent_of(to_numpy(problem.support))
        if exceeds(extent, module.window):
            remedy = "crop the pattern to coarser pixels of the object, or train a network of a larger window"
            raise InputError(
                f"{trained} and objects within {window_text(module.window)}, the support spans {window_text(extent)}; {remedy}"
            )

    def start(self, problem: Problem, rng: Streams) -> Array:
        """Zeros: a start makes no difference."""
        return like(np.zeros((len(rng), *problem.shape), np.complex64), problem.amplitude)

    def steps(self, problem: Problem, x: Array, rng: Streams) -> Iterator[Step]:
        """The pass, then the iterations; x only gives the shape."""
        inside = None if problem.support is None else problem.support[None]
        found = self.retriever(x.device).reconstruct(problem.amplitude[None], problem.valid[None], inside)
        found = found * optimal_scale(problem, found)
        x = found.expand(x.shape).clone()
        yield Step(x, inside if inside is None else inside.expand(x.shape), stage="network", evaluations=1)
        if self.algorithm != "none":
            yield from iterate([build(PARTS[self.algorithm], {"iterations": self.iterations})], problem, x)
