"""The only module that knows array libraries: namespace, device, conversion, transform.

Everything iterative is written against the Python array API; which library runs it is decided here.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import scipy.fft
from array_api_compat import array_namespace, is_cupy_array, is_numpy_array, is_torch_array
from array_api_compat import device as _device_of

from ..errors import InputError
from . import fast

try:  # scipy.fft's dispatch and checks cost a third of a 64² transform; its compiled core is called without them
    from scipy.fft._pocketfft.pypocketfft import c2c as _c2c
except ImportError:
    _c2c = None

Array = Any
"""An array of any library of the array API (NumPy, CuPy, torch, array-api-strict)."""

TINY = 1e-20
"""Added to moduli before dividing: far below any data, and its inverse times any data fits float32."""


@lru_cache(maxsize=64)
def _namespace_of(kind: type) -> Any:
    if kind is np.ndarray:
        import array_api_compat.numpy

        return array_api_compat.numpy
    return None


def namespace(x: Array) -> Any:
    """The array API namespace of `x` (its functions, whichever library `x` comes from)."""
    kind: Any = type(x)
    return _namespace_of(kind) or array_namespace(x)


def like(a: Any, x: Array) -> Array:
    """`a` (an array of any library) as an array of the library and on the device of `x`."""
    xp = namespace(x)
    if a is None or isinstance(a, type(x)):
        return a
    host = to_numpy(a)
    return host if xp is namespace(host) else xp.asarray(host, device=_device_of(x))


def to_numpy(x: Array) -> np.ndarray:
    """`x` as a NumPy array on the host."""
    if is_numpy_array(x):
        return x
    if is_cupy_array(x):
        return x.get()
    if is_torch_array(x):
        return x.detach().cpu().resolve_conj().numpy()
    return np.from_dlpack(x) if hasattr(x, "__dlpack__") else np.asarray(x)


class Device(NamedTuple):
    """Where a solve runs: an array namespace and the device in that library's own terms."""

    name: str
    xp: Any
    handle: Any

    def describe(self) -> str:
        """The library and, on a CPU, the threads it may use."""
        library = self.xp.__name__.rpartition(".")[2]
        return f"{library}, {cores()} thread(s)" if self.name == "cpu" else library

    def put(self, x: Any) -> Array:
        """`x` on this device, passed by DLPack where both sides can."""
        if x is None:
            return None
        if type(x) in (bool, int, float, complex):
            return x
        x = x if hasattr(x, "__array_namespace__") or is_torch_array(x) else np.asarray(x)
        if is_numpy_array(x):
            return x if self.name == "cpu" else self.xp.asarray(x, device=self.handle)
        if self.name == "cpu":
            return to_numpy(x)
        return self.xp.from_dlpack(x)


def find_device(name: str = "auto", library: str = "any") -> Device:
    """The device called `name`: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``torch``, ``torch:cuda:1``, ``strict``.

    ``auto`` takes a CUDA card through CuPy where both are there, else the CPU. A solver whose `library`
    is ``torch`` gets the same device in torch. Raises `InputError` when the device is not to be had.
    """
    if name == "auto":
        name = "cuda" if _cuda_devices() else "cpu"
    if name == "strict":
        import array_api_strict

        return Device(name, array_api_strict, None)
    known = re.fullmatch(r"torch|(?:torch:)?(cpu|cuda(?::\d+)?)", name)
    if not known:
        raise InputError(f"device {name!r} is unknown; give auto, cpu, cuda, cuda:N, torch or torch:cuda:N")
    place = known[1] or "cpu"
    kind, _, index = place.partition(":")
    if library == "torch" or name.startswith("torch"):
        return _torch_device(place)
    if kind == "cpu":
        return Device("cpu", namespace(np.empty(0)), "cpu")
    cards = _cuda_devices()
    if int(index or 0) >= cards:
        have = f"{cards} CUDA card(s) found through CuPy" if cards else "no CUDA card found through CuPy"
        raise InputError(f"device {name!r}: {have}; install the extra cuda12 or cuda13, or give --device cpu")
    import array_api_compat.cupy as xp
    import cupy

    handle = cupy.cuda.Device(int(index or 0))
    handle.use()
    return Device(place, xp, handle)


def _torch_device(place: str) -> Device:
    import array_api_compat.torch as xp
    import torch

    if place.startswith("cuda") and int(place.partition(":")[2] or 0) >= torch.cuda.device_count():
        raise InputError(f"device 'torch:{place}': torch sees {torch.cuda.device_count()} CUDA card(s); give --device torch")
    return Device(f"torch:{place}", xp, torch.device(place))


@lru_cache(maxsize=1)
def _cuda_devices() -> int:
    """The number of CUDA cards that CuPy can use; 0 without CuPy, driver or card."""
    try:
        import cupy

        return cupy.cuda.runtime.getDeviceCount()
    except Exception:  # CuPy raises its own errors for a missing driver, ImportError without CuPy
        return 0


def cores() -> int:
    """The processors that this process may use; the variable RETRIEVE_THREADS lowers it."""
    have = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("RETRIEVE_THREADS", "")
    return min(have, int(asked)) if asked.isdigit() and int(asked) > 0 else have


def threads_for(size: int) -> int:
    """Threads for a transform of `size` points: one below half a million, where two are slower than one."""
    return 1 if size < 500_000 else cores()


def fftn(x: Array, ndim: int, workers: int = 1) -> Array:
    """Orthonormal Fourier transform exp(−2πi qr) over the last `ndim` axes."""
    if type(x) is np.ndarray:
        if (fftw := _fftw(x, ndim)) is not None:
            out = np.empty_like(x)
            fftw.fftn(x, out, ndim, workers)
            return out
        if _c2c is not None and x.dtype.kind == "c":
            return _c2c(x, _AXES[ndim], True, _ORTHO, None, workers)
        return scipy.fft.fftn(x, axes=_AXES[ndim], norm="ortho", workers=workers)
    return namespace(x).fft.fftn(x, axes=tuple(range(x.ndim - ndim, x.ndim)), norm="ortho")


def ifftn(x: Array, ndim: int, workers: int = 1) -> Array:
    """The inverse of `fftn`."""
    if type(x) is np.ndarray:
        if (fftw := _fftw(x, ndim)) is not None:
            out = np.empty_like(x)
            fftw.ifftn(x, out, ndim, workers)
            return out
        if _c2c is not None and x.dtype.kind == "c":
            return _c2c(x, _AXES[ndim], False, _ORTHO, None, workers)
        return scipy.fft.ifftn(x, axes=_AXES[ndim], norm="ortho", workers=workers)
    return namespace(x).fft.ifftn(x, axes=tuple(range(x.ndim - ndim, x.ndim)), norm="ortho")


def _fftw(x: np.ndarray, ndim: int) -> Any:
    """The planned transform, where it takes x."""
    return fast.planned(x.shape[-ndim:]) if x.dtype == np.complex64 and x.ndim >= ndim and x.flags.c_contiguous else None


def convolve(a: Array, transfer: Array, line: np.ndarray | None = None, out: Array | None = None) -> Array:
    """Real `a` (batch, *shape), convolved (periodic) by the half spectrum `transfer`, (*half) or (batch, *half).

    That of complex `a` is whole. With `line` (shape[0],), float32 on the host, the spectrum is that along the first axis
    times `transfer`, which has a first axis of 1. `out`, which may be `a`, is where the result may be put.
    """
    shape = tuple(a.shape[1:])
    if type(a) is np.ndarray:
        factor = np.ones(shape[0], np.float32) if line is None else line
        if (found := fast.convolve(a, transfer, factor, out, threads_for(a[0].size))) is not None:
            return found
    xp = namespace(a)
    axes = tuple(range(1, a.ndim))
    real = xp.isdtype(a.dtype, "real floating")
    spectrum = (xp.fft.rfftn if real else xp.fft.fftn)(a, axes=axes)
    spectrum *= transfer
    if line is not None:
        spectrum *= like(line.reshape(-1, *[1] * (a.ndim - 2)), a)
    return xp.fft.irfftn(spectrum, s=shape, axes=axes) if real else xp.fft.ifftn(spectrum, axes=axes)


def select(inside: Array, x: Array | None, y: Array, out: Array | None = None) -> Array:
    """x (batch, *shape), 0 for None, where `inside` (batch or 1, *shape), else y; in the place of `out` where that can be."""
    if (found := fast.select(inside, x, y, out)) is not None:
        return found
    xp = namespace(y)
    return xp.where(inside, xp.zeros_like(y) if x is None else x, y)


_ORTHO = 1  # pocketfft's code of the norm
_AXES = {n: tuple(range(-n, 0)) for n in range(1, 9)}


def synchronise(device: Device) -> None:
    """Wait until the device has done what it was given; a CPU has."""
    if device.name.startswith("cuda"):
        device.xp.cuda.get_current_stream().synchronize()
    elif device.name.startswith("torch:cuda"):
        import torch

        torch.cuda.synchronize(device.handle)
