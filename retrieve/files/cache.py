"""What is kept between runs to save their time, and may be removed at any time."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """The folder of plans and compiled passes: the variable RETRIEVE_CACHE, or `retrieve` in the user's cache folder."""
    asked = os.environ.get("RETRIEVE_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or (os.environ.get("LOCALAPPDATA") if os.name == "nt" else None)
    return Path(asked) if asked else (Path(base) if base else Path.home() / ".cache") / "retrieve"
