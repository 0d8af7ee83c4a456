import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import retrieve

HEAVY = ("torch", "sklearn", "matplotlib", "cupy")
HELP = "from retrieve.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass"
SOLVERS_HELP = "from retrieve.cli import main\ntry:\n    main(['run', '--help'])\nexcept SystemExit:\n    pass"


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import retrieve", (*HEAVY, "numpy", "scipy", "h5py", "click")),
        ("import retrieve; retrieve.Problem; retrieve.solve; retrieve.solvers.Recipe", HEAVY),
        (HELP, (*HEAVY, "scipy", "h5py", "tifffile")),
        (SOLVERS_HELP, HEAVY),
    ],
    ids=["package", "core", "help", "help of run"],
)
def test_what_an_import_does_not_load(code, unwanted):
    report = f"import sys\n{code}\nprint('LOADED', *sorted(m for m in sys.modules if '.' not in m))"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True, timeout=60)
    loaded = done.stdout.rpartition("LOADED")[2].split()
    assert "retrieve" in loaded
    assert set(unwanted) & set(loaded) == set()


NUMERIC = (*HEAVY, "numpy", "scipy", "h5py", "pydantic")


def without_numbers(arguments: list[str], **environment: str) -> str:
    """What the command line prints for arguments, or for the shell's completion, without the modules that compute."""
    code = f"import sys\nfrom retrieve.cli import main\ntry:\n    main({arguments!r})\nexcept SystemExit as stop:\n"
    code += f"    assert not stop.code\nloaded = set(sys.modules) & set({NUMERIC!r})\nassert not loaded, loaded"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60, env=os.environ | environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_list_of_solvers_computes_nothing():
    assert "hio" in without_numbers(["solvers"])


@pytest.mark.parametrize(
    ("words", "at", "found"),
    [
        ("retrieve so", 1, ["solvers"]),
        ("retrieve run --so", 2, ["--solver"]),
        ("retrieve run --solver di", 3, ["diffusion"]),
        ("retrieve compare x.npz --solver soft=hi", 4, ["soft=hio"]),
        ("retrieve solvers ra", 2, ["raar"]),
    ],
)
def test_completion_computes_nothing(words, at, found):
    said = without_numbers([], _RETRIEVE_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(at))
    assert said.split() == [f"plain,{name}" for name in found]


@pytest.mark.parametrize("name", retrieve.__all__)
def test_public_names_resolve(name):
    assert getattr(retrieve, name) is not None
    assert name in dir(retrieve)


def test_public_names_are_sorted_and_complete():
    assert sorted(retrieve.__all__) == retrieve.__all__
    assert set(retrieve._WHERE) | {"operators", "solvers"} == set(retrieve.__all__)


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="module 'retrieve' has no attribute 'slove'"):
        _ = retrieve.slove


@pytest.mark.parametrize("module", ["retrieve.solvers", "retrieve.operators"])
def test_names_of_the_packages_resolve(module):
    package = importlib.import_module(module)
    for name in package.__all__:
        assert hasattr(package, name)


def test_every_benchmark_imports():
    folder = Path(__file__).parents[1] / "benchmarks"
    names = sorted(path.stem for path in folder.glob("*.py"))
    code = f"import importlib\nfor name in {names!r}: importlib.import_module(name)"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert names
    assert done.returncode == 0, done.stderr[-500:]
