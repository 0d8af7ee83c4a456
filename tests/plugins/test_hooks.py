"""Sets, benchmarks and commands of plugins, as the command line takes them."""

import importlib.metadata
import json
import subprocess
import sys
from dataclasses import dataclass
from typing import ClassVar

import click
import numpy as np
import pytest
from test_plugins import Point, fail, module_of

from retrieve import Benchmark, Gaussian, compare
from retrieve.cli import main
from retrieve.cli.source import LikelihoodType
from retrieve.errors import InputError, PluginError
from retrieve.evaluate.benchmarks import benchmark, benchmark_names
from retrieve.plugins import loading
from retrieve.plugins.registry import find
from retrieve.problem.likelihood import stored_likelihood
from retrieve.simulate import Crystals, object_set, set_names


@click.command("hello")
@click.option("--name", default="you", help="who is greeted")
def hello(name):
    """Greet."""
    click.echo(f"hello {name}")


@pytest.fixture
def install(monkeypatch):
    """Replaces the installed entry points; the real ones come back afterwards."""
    real = importlib.metadata.entry_points

    def pretend(*points):
        monkeypatch.setattr(
            importlib.metadata, "entry_points", lambda **of: points if of == {"group": "retrieve"} else real(**of)
        )
        loading.loaded.cache_clear()

    yield pretend
    loading.loaded.cache_clear()


@pytest.fixture
def acme(install):
    """A plugin with one of each."""
    hooks = {
        "register_sets": {"grains": Crystals(size=32)},
        "register_benchmarks": {"acme": Benchmark(("grains", "crystal2d"), noise=(0.0,), objects=1, seconds=1.0)},
        "register_commands": {"hello": hello},
    }
    install(Point("acme", lambda: module_of(**hooks)))


def test_a_set_is_simulated(acme, tmp_path):
    main(["simulate", "grains", "--count", "2", "-q", "--out", str(tmp_path / "a.npz")])
    assert np.load(tmp_path / "a.npz")["truth"].shape == (2, 32, 32)
    main(["simulate", "grains", "--size", "48", "-q", "--out", str(tmp_path / "b.npz")])
    assert np.load(tmp_path / "b.npz")["truth"].shape[-2:] == (48, 48)


def test_a_set_and_a_benchmark_are_compared(acme, tmp_path, capsys):
    assert set_names()[-1] == "grains"
    assert {"acme", "grains"} < set(benchmark_names())
    args = ["--solver", "er:iterations=3", "--objects", "1", "--noise", "0", "--ffts", "9", "--starts", "2", "--workers", "1"]
    for name, sets in (("grains", {"grains"}), ("acme", {"grains", "crystal2d"})):
        with pytest.raises(SystemExit) as stop:
            main(["compare", "--benchmark", name, *args, "-q", "--json", str(tmp_path / f"{name}.json")])
        assert stop.value.code == 0
        rows = json.loads((tmp_path / f"{name}.json").read_text())["rows"]
        assert {row["group"] for row in rows} == sets
    assert {row.group for row in compare("er:iterations=3", "acme", starts=1, seconds=None).rows} == {"grains", "crystal2d"}
    main(["compare", "--list"])
    assert "acme has the sets grains, crystal2d" in capsys.readouterr().out


def test_a_prior_may_be_trained_on_a_set(acme):
    from retrieve.cli.train import _source

    assert _source("grains:size=48", None, None).objects == Crystals(size=48)


def test_a_set_with_the_name_of_a_benchmark_that_is_built_in(install):
    install(Point("acme", lambda: module_of(register_benchmarks={"crystal2d": Benchmark(("films2d",))})))
    assert benchmark("crystal2d").sets == ("crystal2d", "crystal2d-strong")


@dataclass(frozen=True)
class Wide(Gaussian):
    """Normal noise, by another name."""

    name: ClassVar[str] = "wide"


def test_a_likelihood_is_taken_by_its_registered_name_alone(install, capsys):
    install(Point("acme", lambda: module_of(register_likelihoods={"wide": Wide})))
    made = LikelihoodType().convert("wide:0.3", None, None)
    assert made == Wide(0.3)
    assert made.record() == {"name": "wide", "sigma": 0.3}
    assert stored_likelihood(made.record()) == made
    assert stored_likelihood({**made.record(), "module": "acme.of.before"}) == made
    with pytest.raises(click.BadParameter, match=r"unknown likelihood 'wiide'; did you mean wide\? \(auto"):
        LikelihoodType().convert("wiide", None, None)
    install()
    assert stored_likelihood({**made.record(), "module": "antigravity"}) is None
    assert "antigravity" not in sys.modules


def test_a_subclass_is_not_kept_as_its_parent():
    class Narrow(Wide):
        """No name of its own."""

    assert Narrow(0.2).record()["name"] == "narrow"


def test_a_command_of_a_plugin_runs(acme, capsys, tmp_path, monkeypatch):
    main(["hello", "--name", "Ada"])
    assert capsys.readouterr().out == "hello Ada\n"
    main(["plugin", "list", "--kind", "command"])
    assert capsys.readouterr().out.split()[-3:] == ["hello", "acme", "(acme-solvers)"]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "retrieve.toml").write_text('[hello]\nname = "Grace"\n')
    main(["hello"])
    assert capsys.readouterr().out == "hello Grace\n"
    with pytest.raises(SystemExit):
        main(["helo"])
    assert "unknown command 'helo'; did you mean hello" in capsys.readouterr().err


def test_what_is_no_command_is_told(install, capsys):
    install(Point("acme", lambda: module_of(register_commands={"hello": print, "run": hello})))
    with pytest.raises(SystemExit):
        main(["hello"])
    said = capsys.readouterr().err
    assert "command 'run' is registered by retrieve and by acme" in said
    assert "command 'hello' of plugin acme (acme-solvers) is" in said
    with pytest.raises(PluginError, match="register a Command"):
        find("commands", "hello")


@pytest.mark.parametrize(("kind", "name"), [("solvers", "acme"), ("sets", "grains"), ("benchmarks", "acme"), ("commands", "x")])
def test_an_unknown_name_tells_the_plugins_that_were_left_out(install, kind, name):
    install(Point("acme", fail(ImportError("no libacme.so"))))
    with (
        pytest.warns(UserWarning, match="was left out"),
        pytest.raises(InputError, match=r"; plugin acme \(acme-solvers\) was left out: ImportError: no libacme.so"),
    ):
        {"benchmarks": benchmark, "sets": object_set}.get(kind, lambda name: find(kind, name))(name)


def test_a_plugin_whose_other_hook_fails_is_not_named(install):
    def broken():
        raise RuntimeError("at work")

    install(Point("acme", lambda: module_of(register_metrics=broken)))
    with pytest.raises(InputError) as told:
        find("solvers", "zzz")
    assert "left out" not in str(told.value)


def test_help_imports_no_plugin():
    code = (
        "import sys, retrieve.cli as cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(any(name.startswith(('retrieve.plugins', 'retrieve_', 'pluggy')) for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "retrieve plugin list --kind command" in " ".join(done.stdout.split())
