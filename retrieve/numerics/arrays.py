"""The only module that knows array libraries: namespace, device, conversion, transform.

All iterative code is written against the Python array API. This module decides which library runs it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import scipy.fft
from array_api_compat import array_namespace, is_cupy_array, is_numpy_array, is_torch_array
from array_api_compat import device as _device_of

from ..errors import InputError
from . import fast
from .processors import at_most
from .processors import cores as cores
from .processors import one_core as one_core
from .processors import threads_for as threads_for

try:  # the compiled core of scipy.fft: without its dispatch and checks a 64² transform takes a third less
    from scipy.fft._pocketfft.pypocketfft import c2c as _c2c
except ImportError:
    _c2c = None

ORTHO = 1
"""The core's code for orthonormal transforms."""

Array = Any
"""An array of any library of the array API (NumPy, CuPy, torch, array-api-strict)."""

TINY = 1e-20
"""Added to moduli before a division: far below any data, and its inverse times any data fits float32."""


@lru_cache(maxsize=64)
def _namespace_of(kind: type) -> Any:
    if kind is np.ndarray:
        import array_api_compat.numpy

        return array_api_compat.numpy
    return None


def namespace(x: Array) -> Any:
    """Return the array library of x, as a module with the functions of the array API.

    Parameters
    ----------
    x : Array
        An array of NumPy, CuPy, torch or array-api-strict.

    Returns
    -------
    module
        Such as array_api_compat.numpy.
    """
    kind: Any = type(x)
    return _namespace_of(kind) or array_namespace(x)


def like(a: Any, x: Array) -> Array:
    """Return `a` as an array of x's library on x's device.

    Parameters
    ----------
    a : array or None
        An array of any library; None stays None.
    x : Array
        Its library and device are taken.

    Returns
    -------
    Array
        The array, of the shape of `a`.
    """
    xp = namespace(x)
    if a is None or isinstance(a, type(x)):
        return a
    host = to_numpy(a)
    return host if xp is namespace(host) else xp.asarray(host, device=_device_of(x))


def to_numpy(x: Array) -> np.ndarray:
    """Return x, an array of any library, as a NumPy array on the host."""
    if is_numpy_array(x):
        return x
    if is_cupy_array(x):
        return x.get()
    if is_torch_array(x):
        return x.detach().cpu().resolve_conj().numpy()
    return np.from_dlpack(x) if hasattr(x, "__dlpack__") else np.asarray(x)


class Device(NamedTuple):
    """The place where a solve runs.

    Attributes
    ----------
    name : str
        As `find_device` takes it, such as "cpu" or "cuda:1".
    xp : module
        The array library.
    handle : object
        The device in that library's own terms.
    """

    name: str
    xp: Any
    handle: Any

    def describe(self) -> str:
        """Return the library's name and, on a CPU, the threads that it may use."""
        library = self.xp.__name__.rpartition(".")[2]
        return f"{library}, {cores()} thread(s)" if self.name == "cpu" else library

    def put(self, x: Any) -> Array:
        """Return x on this device, by DLPack where both libraries can. None and numbers are returned as they are."""
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
    """Return a device by its name.

    Parameters
    ----------
    name : str
        One of auto, cpu, cuda, cuda:N, torch, torch:cuda:N and strict. auto takes a CUDA card if CuPy finds one, else the CPU.
    library : str
        A solver's `library`. "torch" gives the same device in torch.

    Returns
    -------
    Device
        The library and its device.

    Raises
    ------
    InputError
        If the name is unknown, or the device is not there.
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


def fftn(x: Array, ndim: int, workers: int = 1) -> Array:
    """Orthonormal Fourier transform exp(−2πi qr) over the last `ndim` axes."""
    return _transform(x, ndim, workers, forward=True)


def ifftn(x: Array, ndim: int, workers: int = 1) -> Array:
    """The inverse of `fftn`."""
    return _transform(x, ndim, workers, forward=False)


def _transform(x: Array, ndim: int, workers: int, forward: bool) -> Array:
    name, axes = "fftn" if forward else "ifftn", tuple(range(x.ndim - ndim, x.ndim))
    if type(x) is not np.ndarray:
        return getattr(namespace(x).fft, name)(x, axes=axes, norm="ortho")
    able = x.dtype == np.complex64 and x.ndim >= ndim and x.flags.c_contiguous
    fftw = fast.planned(x.shape[-ndim:]) if able else None
    if fftw is not None:
        out = np.empty_like(x)
        getattr(fftw, name)(x, out, ndim, workers)
        return out
    workers = at_most(workers)
    if _c2c is not None and x.dtype.kind == "c":
        return _c2c(x, axes, forward, ORTHO, None, workers)
    return getattr(scipy.fft, name)(x, axes=axes, norm="ortho", workers=workers)


def convolve(a: Array, transfer: Array, line: np.ndarray | None = None, out: Array | None = None) -> Array:
    """Convolve periodically by a kernel that is given as its spectrum.

    Parameters
    ----------
    a : Array
        Real or complex (batch, *shape).
    transfer : Array
        The kernel's spectrum (*shape) or (batch, *shape), for a real `a` the half that `rfftn` gives.
    line : ndarray, optional
        On the host, float32 (shape[0],): the spectrum is this along the first axis times `transfer`, whose first axis is 1.
    out : Array, optional
        Memory that may be written to, such as `a`.

    Returns
    -------
    Array
        The convolution (batch, *shape).
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
    """x (batch, *shape), or 0 for None, where `inside` (batch or 1, *shape), else y. `out` is memory that may be written to."""
    if (found := fast.select(inside, x, y, out)) is not None:
        return found
    xp = namespace(y)
    return xp.where(inside, xp.zeros_like(y) if x is None else x, y)


def synchronise(device: Device) -> None:
    """Wait until the device has finished its work; a CPU always has."""
    if device.name.startswith("cuda"):
        device.xp.cuda.get_current_stream().synchronize()
    elif device.name.startswith("torch:cuda"):
        import torch

        torch.cuda.synchronize(device.handle)
