"""Where compiled passes are kept."""

import os
import subprocess
import sys
from pathlib import Path

from fast_cases import needs


@needs["passes"]
def test_compiled_passes_are_kept_in_the_cache_and_not_beside_the_package(tmp_path):
    """pip leaves what it did not install: a folder `retrieve` without modules would hide an editable install."""
    code = "from retrieve.numerics.fast import passes; print(passes.set_modulus.stats.cache_path)"
    environment = {**os.environ, "RETRIEVE_CACHE": str(tmp_path)}
    environment.pop("NUMBA_CACHE_DIR", None)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).is_relative_to(tmp_path / "numba")
    environment["NUMBA_CACHE_DIR"] = str(tmp_path / "own")
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).is_relative_to(tmp_path / "own")
