"""The command line that runs a comparison again, from what its record says."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from ..errors import RetrieveError
from ..evaluate.comparison import Comparison
from ..plugins.options import options_of
from ..plugins.registry import find


def command_of(comparison: Comparison) -> str | None:
    """``retrieve compare ...`` with every option that is not a default; None where the record names no data."""
    settings = comparison.settings
    parts = ["retrieve", "compare"]
    if settings.get("benchmark"):
        parts += ["--benchmark", str(settings["benchmark"])]
        levels = [f"{level:g}" for level in settings.get("noise") or () if level is not None]
        parts += ["--noise", ",".join(levels)] if levels else []
    elif settings.get("files"):
        parts += map(str, settings["files"])
    else:
        return None
    budget = settings.get("budget") or {}
    given = {"truth": settings.get("truth"), "objects": settings.get("objects"), "starts": settings.get("starts")}
    given |= {"seed": settings.get("seed"), "hold-out": settings.get("hold_out")}
    seconds = settings.get("seconds")
    if budget.get("seconds") is not None:  # of older files, for each start
        seconds = budget["seconds"] * settings["starts"]
    given |= {"ffts": budget.get("ffts"), "seconds": seconds}
    for name, value in given.items():
        parts += [] if value is None else [f"--{name}", str(value)]
    parts += ["--ramp"] if settings.get("ramp") else []
    for label, competitor in comparison.solvers.items():
        options = competitor.get("options", {})
        if competitor.get("name") in ("external", "foreign"):  # the latter in older files
            parts += ["--result", f"{label}={options.get('file')}:{options.get('convention')}"]
        else:
            parts += ["--solver", spec_of(label, str(competitor.get("name")), options)]
    return shlex.join(parts)


def spec_of(label: str, name: str, options: Mapping[str, Any]) -> str:
    """``LABEL=NAME:OPTION=VALUE,...`` with the options that differ from the solver's defaults."""
    if ":" in label:
        return label  # it was given without another label, and says itself what it is
    try:
        defaults = {option.name: option.default for option in options_of(find("solvers", name))}
    except RetrieveError:  # a plugin's solver that is not installed here
        defaults = {}
    stated = [f"{key}={_text(value)}" for key, value in options.items() if key not in defaults or defaults[key] != value]
    spec = name + (":" + ",".join(stated) if stated else "")
    return spec if label == spec else f"{label}={spec}"


def _text(value: Any) -> str:
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
