"""The accelerated path on a CUDA card, for complex64 of CuPy or torch: one plan of cuFFT, fused passes, recorded launches.

An iteration is two CUDA graphs: up to m = P_M x, and from there to the next x. So a small array costs two launches and no
Python between them. Nothing here waits for the card. cuFFT, CuPy and torch run in the caller's stream.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import cupy
from array_api_compat import array_namespace, is_cupy_array
from cupy.cuda import cufft
from cupyx.scipy.fft import get_fft_plan

CARD_POINTS = 1 << 31
"""Bound of an array's points: the passes count in 32 bits."""

set_modulus = cupy.ElementwiseKernel(
    "raw float32 wanted, uint32 points, float32 other",
    "complex64 f",
    """
    unsigned int k = static_cast<unsigned int>(i);
    if (k >= points) k %= points;
    const float y = wanted[k], re = f.real(), im = f.imag();
    const float gain = y < 0.0f ? other : y / (sqrtf(re * re + im * im) + 1e-20f);
    f = complex<float>(gain * re, gain * im);
    """,
    "retrieve_set_modulus",
)
"""f ← f·wanted/|f|, or f·other where `wanted` is negative; `wanted` (points,) holds for every element of the batch."""

mix = cupy.ElementwiseKernel(
    "complex64 m, uint8 inside, float32 a, float32 b, float32 c, float32 d",
    "complex64 x",
    """
    const float u = inside ? a : c, v = inside ? b : d;
    x = complex<float>(u * x.real() + v * m.real(), u * x.imag() + v * m.imag());
    """,
    "retrieve_mix",
)
"""x ← a·x + b·m inside the support, c·x + d·m outside."""


class CardLoop:
    """The iterations x ← a·x + b·m of one run: x and m, which each iteration overwrites, and the launches.

    `modulus` and `update` are those of `retrieve.numerics.fast.loops.Loop`; both return arrays of x's library.
    """

    def __init__(self, x: Any, problem: Any, step: Any) -> None:
        xp, points = array_namespace(x), math.prod(x.shape[1:])
        self.x, self.m = (xp.empty(x.shape, dtype=x.dtype, device=x.device) for _ in range(2))
        self.inside = xp.zeros(x.shape, dtype=xp.uint8, device=x.device)
        self.given: Any = None  # the support that `inside` holds
        y = problem.amplitude / math.sqrt(points)
        wanted = _view(xp.where(problem.valid, y, -xp.ones_like(y))).ravel()
        here, m, inside = _view(self.x), _view(self.m), _view(self.inside)
        plan = get_fft_plan(here, axes=tuple(range(1, x.ndim)))
        other, numbers = 1 / points, [float(number) for pair in (step.inside, step.outside) for number in pair]

        def project() -> None:
            plan.fft(here, m, cufft.CUFFT_FORWARD)
            set_modulus(wanted, points, other, m)
            plan.fft(m, m, cufft.CUFFT_INVERSE)

        stream = _stream(x)
        self._project = recorded(project, stream)
        self._mix = recorded(lambda: mix(m, inside, *numbers, here), stream)

    @staticmethod
    def able(x: Any, problem: Any) -> bool:
        """Whether it iterates x (batch, *shape): a plain far field in single precision, on the current card."""
        single = str(x.dtype).endswith("complex64") and str(problem.amplitude.dtype).endswith("float32")
        here = x.__dlpack_device__()[1] == cupy.cuda.runtime.getDevice()
        return bool(single and here and 0 < math.prod(x.shape) < CARD_POINTS and problem.operator.fourier is not None)

    def modulus(self, problem: Any, x: Any) -> Any:
        """`Problem.fit_modulus`."""
        if problem.detector is not None:
            return problem.fit_modulus(x)
        if x is not self.x:
            self.x[...] = x
        self._project()
        problem.operator.spend(2 * x.shape[0])
        return self.m

    def update(self, x: Any, m: Any, project: Any, problem: Any) -> tuple[Any, Any]:
        """The next x, with one pair of weights inside the support and another outside, and m."""
        if x is not self.x:
            self.x[...] = x
        if m is not self.m:
            self.m[...] = m
        if project.support is not self.given:
            self.inside[...] = project.support
            self.given = project.support
        self._mix()
        return self.x, m


def _view(x: Any) -> Any:
    """An array of either library as a CuPy array of the same memory."""
    return x if is_cupy_array(x) else cupy.from_dlpack(x)


def _stream(x: Any) -> Any:
    """The current stream of x's library."""
    if is_cupy_array(x):
        return cupy.cuda.get_current_stream()
    import torch

    pointer = torch.cuda.current_stream(x.device).cuda_stream
    return cupy.cuda.ExternalStream(pointer) if pointer else cupy.cuda.Stream.null


def recorded(work: Callable[[], None], stream: Any) -> Callable[[], None]:
    """The launch of `work` in the stream as a CUDA graph; kernel by kernel, with a warning, if it cannot be recorded."""

    def plain() -> None:
        with stream:
            work()

    plain()  # compiles and loads, which a recording must not
    apart = cupy.cuda.Stream(non_blocking=True)
    try:
        with apart:
            apart.begin_capture()
            try:
                work()
            finally:
                graph = apart.end_capture()
    except Exception as error:  # CuPy raises errors of its driver, its runtime and cuFFT
        warnings.warn(f"no CUDA graph ({type(error).__name__}: {error}); kernels are launched one by one", stacklevel=2)
        return plain
    return partial(_launch, graph, stream, work)


def _launch(graph: Any, stream: Any, work: Callable[[], None]) -> None:
    """Replay a graph. `work` is kept with it, because it holds the plan and the arrays that the graph reads."""
    graph.launch(stream)
