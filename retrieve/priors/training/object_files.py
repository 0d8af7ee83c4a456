"""Objects of a user's own, from one file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError

SUFFIXES = (".npz", ".npy", ".cxi", ".h5")


def read_objects(path: Path) -> tuple[NDArray[np.complex64], NDArray[np.bool_]]:
    """The objects of a file, complex (objects, *shape), centred at N//2, and their supports, bool.

    npy: one 2D object, or a stack, of 2D objects in three axes and of 3D ones in four.
    npz: `objects`, a stack, or `truth` or `object`, one or the stack that `retrieve simulate` writes; with `support`.
    cxi, h5: the truth, or a result's object.  Without a support, it is where the object is not 0.
    Raises `InputError` for a file with no object, or one that is not complex, not finite or 0 everywhere.
    """
    try:
        x, support = {".npy": _npy, ".npz": _npz}.get(path.suffix.lower(), _measurement)(path)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} cannot be read ({error!s:.100}); write it again or remove it") from error
    if not np.iscomplexobj(x):
        raise InputError(f"the objects in {path} are {x.dtype}; complex ones are needed")
    if x.ndim not in (3, 4):
        raise InputError(f"{path} holds an array of {x.ndim - 1} axes; an object has two or three")
    x = x.astype(np.complex64)
    if support is None or support.shape != x.shape:
        support = x != 0
    axes = tuple(range(1, x.ndim))
    bad = ~np.isfinite(x).all(axis=axes) | ~(x * support).any(axis=axes)
    if bad.any():
        raise InputError(f"object {int(np.argmax(bad))} of {path} is not finite, or 0 everywhere; remove it")
    return x * support, support.astype(bool)


def _npy(path: Path) -> tuple[NDArray, None]:
    x = np.load(path, allow_pickle=False)
    return (x if x.ndim > 2 else x[None]), None


def _npz(path: Path) -> tuple[NDArray, NDArray | None]:
    with np.load(path, allow_pickle=False) as data:
        key = next((k for k in ("objects", "truth", "object") if k in data), None)
        if key is None:
            raise InputError(f"{path} has no array objects, truth or object; it has {', '.join(data)}")
        x, support = data[key], data["support"].astype(bool) if "support" in data else None
        stack = key == "objects" or x.ndim == 4 or (x.ndim == 3 and _counted(data))
    return (x, support) if stack else (x[None], None if support is None else support[None])


def _counted(data: Any) -> bool:
    """Whether an npz is a stack as `retrieve simulate` writes it: its meta then numbers the objects."""
    try:
        return isinstance(json.loads(str(data["meta"][()]))["object"], list)
    except (KeyError, TypeError, ValueError):
        return False


def _measurement(path: Path) -> tuple[NDArray, NDArray | None]:
    from ...io import load
    from ...io.results import read_result

    measurement = load(path)
    x, support = measurement.truth, measurement.support
    if x is None:
        try:
            x, support = read_result(path).object, None
        except InputError:
            raise InputError(f"{path} holds neither a truth nor a result of retrieve; remove it") from None
    return np.asarray(x)[None], None if support is None else np.asarray(support)[None].astype(bool)
