"""What no object can be found from is refused, and so is an object without meaning."""

import numpy as np
import pytest

from retrieve.cli import main
from retrieve.driver.solve import solve
from retrieve.errors import InputError, SolverError
from retrieve.files.limits import NotEnoughMemory
from retrieve.problem import Problem
from retrieve.simulate import blobs, measure
from retrieve.solvers import HIO
from retrieve.solvers.base import Solver, Step

X, SUPPORT = blobs((32, 32), seed=1, fill=0.06)
INTENSITY = np.fft.fftshift(1e3 * measure(X))


def measured(count):
    """A mask of so many measured pixels, the brightest."""
    mask = np.zeros(INTENSITY.shape, bool)
    mask.flat[np.argsort(INTENSITY.ravel())[-count:]] = True
    return mask


CASES = {
    "one pixel": ({"intensity": INTENSITY, "mask": measured(1)}, "1 measured pixels of 1024, at least 32 are needed"),
    "ten pixels": ({"intensity": INTENSITY, "mask": measured(10)}, "10 measured pixels of 1024, at least 32 are needed"),
    "huge amplitudes": (
        {"amplitude": 1e18 * np.sqrt(INTENSITY)},
        "beyond the range of single precision.*divide it by a constant",
    ),
    "infinite in single precision": (
        {"intensity": 1e300 * INTENSITY.astype(float)},
        "beyond the range of single precision.*divide",
    ),
    "tiny numbers": ({"intensity": 1e-40 * INTENSITY}, "beyond the range of single precision.*multiply it by a constant"),
}


@pytest.mark.parametrize("case", CASES)
def test_refused(case):
    arrays, words = CASES[case]
    with pytest.raises(InputError, match=words) as error:
        Problem.from_arrays(**arrays)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("case", CASES)
def test_a_run_saves_nothing(case, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.savez("scan.npz", **CASES[case][0])
    words = [
        "run",
        "scan.npz",
        "--mask-convention",
        "measured",
        "--solver",
        "hio:iterations=3",
        "--no-picture",
        "-q",
        "--out",
        "a.cxi",
    ]
    with pytest.raises(SystemExit) as done:
        main(words)
    assert done.value.code == 2
    assert len([line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["scan.npz"]


@pytest.mark.parametrize("scale", [1e-10, 1.0, 1e20])
def test_units_are_free(scale):
    result = solve(HIO(iterations=20), Problem.from_arrays(intensity=scale * INTENSITY, support=SUPPORT), starts=1)
    assert result.score.r < 0.1


class Emptying(Solver):
    """Loses the object."""

    name = "emptying"
    library = "any"

    def steps(self, problem, x, rng):
        yield Step(0 * x, total=1)


def test_an_empty_object_is_a_failed_start():
    problem = Problem.from_arrays(intensity=INTENSITY, support=SUPPORT)
    with pytest.raises(SolverError, match="nothing but zeros is left after 1 steps of emptying"):
        solve(Emptying(), problem, starts=1)


class Greedy(Emptying):
    """Wants more memory than any machine has."""

    name = "greedy"

    def steps(self, problem, x, rng):
        yield Step(np.empty((2**24, 2**24, 2**10)), total=1)


def test_want_of_memory_is_told_in_words():
    problem = Problem.from_arrays(intensity=INTENSITY, support=SUPPORT)
    with pytest.raises(
        NotEnoughMemory, match=r"greedy with 2 start\(s\) of 32×32 does not fit into memory: .*iB more .* are free; crop"
    ):
        solve(Greedy(), problem, starts=2)


def test_want_of_memory_anywhere_in_a_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.savez("scan.npz", intensity=INTENSITY)

    def greedy(problem):
        raise MemoryError("Unable to allocate 64.0 GiB for an array with shape (2048, 2048, 2048) and data type complex64")

    monkeypatch.setattr("retrieve.problem.diagnostics.facts", greedy)
    with pytest.raises(SystemExit) as done:
        main(["inspect", "scan.npz"])
    said = capsys.readouterr().err
    assert done.value.code == 2
    assert "64.0 GiB more for an array of (2048, 2048, 2048) complex64 were needed" in said
    assert "Traceback" not in said
