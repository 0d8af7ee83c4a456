"""The checkpoint of a training: a file of torch with the types, the checksum and the checks of all that is read back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NotRequired

import torch
from annotated_types import Ge, Predicate
from typing_extensions import TypedDict

from ...errors import InputError
from ...files import Schema, digest, from_record, regular_file
from ..cards import Card, check_architecture

CHECKPOINT = "checkpoint.pt"
SUM = "sha256"


def _are_tensors(value: Any) -> bool:
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else [None]
    return all(isinstance(part, torch.Tensor) for part in parts)


Tensors = Annotated[Any, Predicate(_are_tensors)]


class Checkpoint(TypedDict):
    """All that a training needs to continue."""

    __pydantic_config__ = {"extra": "allow", "arbitrary_types_allowed": True}  # type: ignore[misc]
    architecture: dict[str, Any]
    card: NotRequired[Card]
    settings: dict[str, None | bool | int | float | str]
    module: Tensors
    average: Tensors
    optimiser: dict[str, Any]
    scaler: NotRequired[dict[str, Any]]
    step: Annotated[int, Ge(0)]
    objects: Annotated[int, Ge(0)]
    seconds: Annotated[float, Ge(0)]
    loss: NotRequired[float]
    validation: NotRequired[dict[str, float]]
    finished: NotRequired[bool]


TRAINING = Schema("training", Checkpoint, "remove it to begin anew")


def read_checkpoint(folder: str | Path, *, look: bool = False) -> dict[str, Any] | None:
    """The checkpoint in a folder; None if there is none. Raises `InputError` for a damaged one, and for a newer version.

    look: leave the weights in the file until they are used; they are then not compared with their checksum.
    """
    file = Path(folder) / CHECKPOINT
    if not file.exists():
        return None
    try:
        state: Any = torch.load(regular_file(file), map_location="cpu", weights_only=True, mmap=look)
    except InputError:
        raise
    except Exception as error:  # torch raises many kinds for a damaged file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{file} is no checkpoint that can be read ({reason:.150}); {TRAINING.remedy}") from error
    if isinstance(state, dict) and not look and SUM in state and state[SUM] != sum_of_state(state):
        raise InputError(f"{file} differs from its checksum: it was damaged; {TRAINING.remedy}")
    found: dict[str, Any] = from_record(state, TRAINING, str(file))
    for holder in (found, found.get("card", {})):
        if "architecture" in holder:
            holder["architecture"] = check_architecture(holder["architecture"], str(file), TRAINING.remedy)
    return found


def sum_of_state(state: Mapping[str, Any]) -> str:
    """The SHA-256 of a state with its tensors."""
    return digest(*_parts({name: value for name, value in state.items() if name != SUM}))


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, torch.Tensor):
        yield f"{value.dtype} {tuple(value.shape)}"
        yield value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    elif isinstance(value, Mapping):
        for key in value:
            yield f"{key!r}:"
            yield from _parts(value[key])
    elif isinstance(value, (list, tuple)):
        yield f"{len(value)}"
        for inner in value:
            yield from _parts(inner)
    else:
        yield repr(value)


def check_moments(optimiser: torch.optim.Optimizer) -> None:
    """Check that the moments of Adam are there for every weight, and finite. Raises `ValueError`."""
    for group in optimiser.param_groups:
        for p in group["params"]:
            moments = optimiser.state.get(p, {})
            for name in ("exp_avg", "exp_avg_sq") if moments else ():
                if moments[name].shape != p.shape or not moments[name].isfinite().all():
                    raise ValueError(f"{name} of a weight {tuple(p.shape)} is wrong")
            if moments and not float(moments["step"]) >= 0:
                raise ValueError("the optimiser's step is wrong")
