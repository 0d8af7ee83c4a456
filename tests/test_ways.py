"""How many modules a measurement and a start pass through: what a newcomer has to read to follow them."""

import sys
from pathlib import Path

import numpy as np
import pytest

import retrieve
from retrieve.plugins.registry import find
from retrieve.simulate import TUNE_SEED, object_set

PACKAGE = str(Path(retrieve.__file__).parent)


def contains(value, wanted, depth=2):
    """Whether a value is what is wanted, or one of ours or a container that has it."""
    if wanted(value):
        return True
    if depth == 0:
        return False
    if isinstance(value, dict):
        return any(contains(inner, wanted, depth - 1) for inner in value.values())
    if isinstance(value, (tuple, list)):
        return any(contains(inner, wanted, depth - 1) for inner in value)
    if type(value).__module__.startswith("retrieve"):
        return any(contains(inner, wanted, depth - 1) for inner in getattr(value, "__dict__", {}).values())
    return False


def handed(work, wanted):
    """The modules of the package with a function that is handed what is wanted while `work` runs."""
    seen = set()

    def profile(frame, event, argument):
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(PACKAGE):
            file = str(Path(code.co_filename).relative_to(PACKAGE))
            given = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
            if file not in seen and any(contains(frame.f_locals.get(name), wanted) for name in given):
                seen.add(file)

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return sorted(seen)


@pytest.fixture
def film():
    return object_set("domains2d-25-cells").problem(3, TUNE_SEED)


def test_the_way_of_a_measurement_from_file_to_result(film, tmp_path):
    np.savez(tmp_path / "film.npz", intensity=np.fft.fftshift(film.amplitude) ** 2, support=film.support)

    def way():
        problem = retrieve.read(tmp_path / "film.npz")
        retrieve.solve(retrieve.solvers.HIO(iterations=5), problem, verdict=False).save(tmp_path / "film.cxi")

    def measurement(value):
        return isinstance(value, np.ndarray) and value.dtype.kind in "fiu" and value.shape[-2:] == film.shape

    way()  # imports and caches are no part of it
    modules = handed(way, measurement)
    print("\n".join(modules))
    assert len(modules) <= 15, modules


def test_the_way_of_a_start_of_diffusion(film):
    diffusion = find("solvers", "diffusion")(search=5, evaluations=4)

    def way():
        retrieve.solve(diffusion, film, starts=1, device="cpu", verdict=False)

    def estimate(value):
        return getattr(value, "ndim", 0) >= 3 and "complex" in str(value.dtype)

    way()
    modules = handed(way, estimate)
    print("\n".join(modules))
    assert len(modules) <= 20, modules
