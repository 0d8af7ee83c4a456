"""`retrieve plugin`: what it writes installs as it is and passes; what is broken is told."""

import ast
import importlib.util
import os
import subprocess
import sys
import tomllib

import pytest

from retrieve.cli import main
from retrieve.errors import InputError
from retrieve.plugins import registry as plugins
from retrieve.testing.scaffold import SUBJECTS, new_plugin

SLEEPS = "import time\n\ntime.sleep(0.3)\n"


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder on the path, in which packages lie as pip would put them; installs one that was written into it."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("COLUMNS", "500")
    before = set(sys.modules)

    def install(folder, change=None):
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        (module,) = project["entry-points"]["retrieve"].values()
        code = (folder / f"{module}.py").read_text()
        changed = change(code) if change else code
        assert not change or changed != code  # else no fault is planted
        (tmp_path / f"{module}.py").write_text(changed)
        info = tmp_path / f"{module}-0.1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
        (info / "entry_points.txt").write_text(f"[retrieve]\n{project['name']} = {module}\n")
        plugins.loaded.cache_clear()
        return project["name"]

    install.into = tmp_path
    yield install
    plugins.loaded.cache_clear()
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


def told(capsys, *args):
    """The exit code and what was printed."""
    with pytest.raises(SystemExit) as stop:
        main(list(args))
    out = capsys.readouterr()
    return stop.value.code, out.out + out.err


@pytest.mark.parametrize("kind", SUBJECTS)
def test_a_new_one_passes_its_checks_as_it_is(site, capsys, kind):
    main(["plugin", "new", f"acme-{kind}", "--kind", kind, "--into", str(site.into)])
    assert f"pip install -e {site.into / f'acme-{kind}'}, then retrieve plugin check acme-{kind}" in capsys.readouterr().out
    name = site(site.into / f"acme-{kind}")
    code, text = told(capsys, "plugin", "check", name)
    assert code == 0, text
    assert " 0 failed" in text
    assert f"{kind} {'acme_metric' if kind == 'metric' else name}" in map(str.strip, text.splitlines())
    assert not any(line.split()[-1:] == ["skipped"] for line in text.splitlines()[:-1])  # every skip has its reason


def test_its_own_test_file_passes_under_pytest(tmp_path):
    folder = new_plugin("acme-metric", "metric", tmp_path)
    path = os.pathsep.join([str(folder), *sys.path])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "7 passed" in done.stdout


@pytest.mark.parametrize("kind", SUBJECTS)
def test_what_is_written(tmp_path, kind):
    folder = new_plugin("acme-thing", kind, tmp_path)
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {"README.md", "acme_thing.py", "pyproject.toml", "tests/test_acme_thing.py"}
    assert not any("$" in path.read_text() for path in folder.rglob("*") if path.is_file())
    assert [path.name for path in tmp_path.iterdir()] == ["acme-thing"]
    if importlib.util.find_spec("ruff"):
        lint = [sys.executable, "-m", "ruff", "check", "--isolated", "."]
        done = subprocess.run(lint, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_the_algorithm_of_the_worked_solver_is_short(tmp_path):
    code = (new_plugin("acme-solver", "solver", tmp_path) / "acme_solver.py").read_text()
    (solver,) = [node for node in ast.parse(code).body if isinstance(node, ast.ClassDef)]
    assert solver.end_lineno - solver.lineno < 30
    (steps,) = [node for node in solver.body if isinstance(node, ast.FunctionDef) and node.name == "steps"]
    assert steps.end_lineno - steps.lineno < 20


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        (
            "My_Solver",
            "solver",
            "name 'My_Solver' is no name of a package; give lower-case words joined by '-', such as my-solver",
        ),
        ("-x", "solver", "is no name of a package"),
        ("../x", "solver", "is no name of a package"),
        ("", "solver", "is no name of a package"),
        ("numpy", "solver", "name 'numpy': there is a module numpy already; give another, such as my-numpy"),
        ("class", "solver", "there is a module class already"),
        ("hio", "solver", "name 'hio': retrieve registers such a solver already; give another, such as my-hio"),
        ("r", "metric", "retrieve registers such a metric already"),
        ("solver", "solver", "name 'solver' is a word of the worked file itself"),
        ("acme", "sampler", "kind 'sampler' is unknown; give one of solver, operator, prior, metric, reader"),
    ],
)
def test_names_that_cannot_be(tmp_path, name, kind, words):
    with pytest.raises(InputError) as error:
        new_plugin(name, kind, tmp_path)
    assert words in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path, capsys):
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "thesis.txt").write_text("years of work")
    code, text = told(capsys, "plugin", "new", "acme", "--into", str(tmp_path))
    assert code == 2
    assert f"error: {tmp_path / 'acme'} is there already; give another name, or another folder with --into" in text
    assert [path.name for path in (tmp_path / "acme").iterdir()] == ["thesis.txt"]


def test_a_folder_that_is_not_there(tmp_path, capsys):
    code, text = told(capsys, "plugin", "new", "acme", "--into", str(tmp_path / "nowhere"))
    assert code == 2
    assert f"there is no folder {tmp_path / 'nowhere'}; make it first" in text


def test_a_plugin_that_is_not_there(site, capsys):
    site(new_plugin("acme-solver", "solver", site.into))
    code, text = told(capsys, "plugin", "check", "acme-sovler")
    assert code == 2
    assert "error: unknown plugin 'acme-sovler'; did you mean acme-solver?; install it" in text


@pytest.mark.parametrize("name", ["Acme_Solver", "acme_solver", "acme.solver"])
def test_it_is_found_by_distribution_module_or_entry_point(site, capsys, name):
    site(new_plugin("acme-solver", "solver", site.into), lambda code: code.replace("option(300", "option(5"))
    code, text = told(capsys, "plugin", "check", name)
    assert (code, " 0 failed" in text) == (0, True)


BROKEN = {
    "imports": (lambda code: "import not_there_at_all\n", "acme_solver: ModuleNotFoundError: No module named"),
    "hooks fit": (
        lambda code: code.replace("def register_solvers()", "def register_solvers(config)"),
        "declared in the hookimpl",
    ),
    "registers something": (lambda code: code.partition("@hookimpl\n")[0], "acme_solver registers nothing; give one of"),
    "imports quickly": (
        lambda code: code.replace("from retrieve import", f"{SLEEPS}from retrieve import", 1),
        "listings wait 0.1 s",
    ),
    "names are its own": (
        lambda code: code.replace('{"acme-solver": AcmeSolver}', '{"hio": AcmeSolver}'),
        "solver 'hio' is registered by retrieve and by acme-solver (acme-solver); rename yours",
    ),
    "targets load": (
        lambda code: code.replace('{"acme-solver": AcmeSolver}', '{"acme-solver": "acme_solver:Acme"}'),
        "acme_solver:Acme does not load (AttributeError",
    ),
    "finishes": (lambda code: code.replace("range(self.iterations)", "iter(int, 1)"), "and goes on after"),
}


@pytest.mark.filterwarnings("ignore:plugin acme-solver")
@pytest.mark.parametrize("check", BROKEN)
def test_what_is_broken_is_told(site, capsys, check, monkeypatch):
    change, words = BROKEN[check]
    if check == "imports quickly":
        monkeypatch.setenv("RETRIEVE_PLUGIN_SECONDS", "0.1")
    name = site(new_plugin("acme-solver", "solver", site.into), change)
    code, text = told(capsys, "plugin", "check", name, "--seconds", "2")
    assert code == 1
    (line,) = [line for line in text.splitlines() if " failed " in line and "passed" not in line]
    assert check in line
    assert words in line


@pytest.mark.parametrize(
    ("made", "failed", "words"),
    [("lambda: AcmePrior()", 0, "16 passed, 0 failed"), ("lambda: 1 / 0", 1, "failed   ZeroDivisionError: division by zero")],
)
def test_a_prior_may_come_of_a_function(site, capsys, made, failed, words):
    change = lambda code: code.replace('{"acme-prior": AcmePrior}', f'{{"acme-prior": {made}}}')  # noqa: E731
    code, text = told(capsys, "plugin", "check", site(new_plugin("acme-prior", "prior", site.into), change))
    assert code == failed
    assert words in text


@pytest.mark.filterwarnings("ignore:plugin acme-forever")
def test_an_import_that_does_not_end_is_given_up(site, capsys, monkeypatch):
    monkeypatch.setenv("RETRIEVE_PLUGIN_SECONDS", "0.1")
    name = site(new_plugin("acme-forever", "solver", site.into), lambda code: "import time\n\ntime.sleep(20)\n")
    code, text = told(capsys, "plugin", "check", name, "--seconds", "1")
    assert code == 1
    assert "acme_forever: its import is not done after 1 s" in text
    assert "0 passed, 1 failed, 5 skipped" in text
