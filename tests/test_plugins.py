import importlib.metadata
import sys
import types
import warnings
from types import SimpleNamespace

import pytest

from retrieve import plugins
from retrieve.errors import InputError, PluginError
from retrieve.hookspecs import hookimpl
from retrieve.operators import FarField
from retrieve.solvers import HIO, Recipe


class Point:
    """An entry point of a distribution that is not there."""

    def __init__(self, name, load, dist="acme-solvers"):
        self.name, self.load = name, load
        self.dist = SimpleNamespace(name=dist) if dist else None


def module_of(**hooks):
    """A plugin module whose hooks return what is given, or call it."""
    made = types.ModuleType("acme")
    for name, value in hooks.items():
        setattr(made, name, hookimpl(value if callable(value) else lambda value=value: value))
        getattr(made, name).__name__ = name
    return made


@pytest.fixture
def install(monkeypatch):
    """Replaces the installed entry points; the real ones come back afterwards."""

    def pretend(*points):
        monkeypatch.setattr(importlib.metadata, "entry_points", lambda *, group: points if group == "retrieve" else ())
        plugins.loaded.cache_clear()

    yield pretend
    plugins.loaded.cache_clear()


def hook(value):
    return lambda: value


def test_the_built_in_ones(install):
    install()
    assert {"hio", "er", "recipe", "guided", "cg"} <= set(plugins.registered("solvers"))
    assert plugins.find("solvers", "hio") is HIO
    assert plugins.find("solvers", "recipe") is Recipe
    assert plugins.find("operators", "far-field") is FarField
    assert plugins.registered("solvers")["hio"][1] == "retrieve"
    assert "npz" in plugins.registered("readers")


@pytest.mark.parametrize("kind", ["solvers", "operators", "readers"])
def test_every_built_in_target_loads_under_its_own_name(install, kind):
    install()
    for name in plugins.registered(kind):
        found = plugins.find(kind, name)
        if kind != "operators":
            assert found.name == name


def test_a_solver_of_a_third_party(install):
    install(Point("acme", lambda: module_of(register_solvers=hook({"acme": HIO}))))
    assert plugins.find("solvers", "acme") is HIO
    assert plugins.registered("solvers")["acme"][1] == "acme (acme-solvers)"
    assert plugins.loaded().origin["acme (acme-solvers)"] == "acme-solvers"
    assert plugins.loaded().broken == {}


def test_a_lazy_target_is_imported_when_it_is_used(install, tmp_path, monkeypatch):
    (tmp_path / "acme_lazy.py").write_text("class Slow:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    install(Point("acme", lambda: module_of(register_solvers=hook({"slow": "acme_lazy:Slow"}))))
    assert "slow" in plugins.registered("solvers")
    assert "acme_lazy" not in sys.modules
    assert plugins.find("solvers", "slow") is sys.modules["acme_lazy"].Slow
    monkeypatch.delitem(sys.modules, "acme_lazy")


@pytest.mark.parametrize(
    ("target", "reason"),
    [("not_there_at_all:X", "ModuleNotFoundError"), ("math:Nothing", "AttributeError"), ("nonsense", "ModuleNotFoundError")],
)
def test_a_lazy_target_that_does_not_load(install, target, reason):
    install(Point("acme", lambda: module_of(register_solvers=hook({"slow": target}))))
    with pytest.raises(PluginError, match=rf"solver 'slow' of plugin acme \(acme-solvers\): {target} does not load \({reason}"):
        plugins.find("solvers", "slow")
    assert plugins.find("solvers", "hio") is HIO


def fail(error):
    def load():
        raise error

    return load


def unknown_hook():
    return module_of(register_coffee=hook({}))


@pytest.mark.parametrize(
    ("load", "reason"),
    [
        (fail(ImportError("no libacme.so")), "ImportError: no libacme.so"),
        (fail(SyntaxError("bad")), "SyntaxError"),
        (unknown_hook, "unknown hook 'register_coffee'"),
    ],
)
def test_a_broken_entry_point_is_named_and_left_out(install, load, reason):
    good = module_of(register_solvers=hook({"good": HIO}))
    install(Point("broken", load, dist="acme-broken"), Point("fine", lambda: good))
    with pytest.warns(UserWarning, match=r"plugin broken \(acme-broken\) was left out: ") as told:
        loaded = plugins.loaded()
    assert len(told) == 1
    assert list(loaded.broken) == ["broken (acme-broken)"]
    assert reason in loaded.broken["broken (acme-broken)"]
    assert plugins.find("solvers", "good") is HIO
    assert plugins.find("solvers", "hio") is HIO


@pytest.mark.parametrize("hook_", [fail(RuntimeError("at work")), hook(3)])
def test_a_hook_that_fails_is_named_and_left_out(install, hook_):
    install(Point("broken", lambda: module_of(register_solvers=hook_)))
    with pytest.warns(UserWarning, match=r"plugin broken \(acme-solvers\) was left out: register_solvers: "):
        found = plugins.registered("solvers")
    assert "hio" in found
    assert "broken (acme-solvers)" in plugins.loaded().broken


def test_an_entry_point_without_a_distribution(install):
    install(Point("stray", fail(ImportError("x")), dist=None))
    with pytest.warns(UserWarning, match="stray \\(unknown distribution\\)"):
        plugins.loaded()


@pytest.mark.parametrize("name", ["hio", "acme"])
def test_two_of_one_name(install, name):
    install(
        Point("one", lambda: module_of(register_solvers=hook({name: HIO})), "dist-one"),
        Point("two", lambda: module_of(register_solvers=hook({name: HIO})), "dist-two"),
    )
    first, second = ("retrieve", "one (dist-one)") if name == "hio" else ("one (dist-one)", "two (dist-two)")
    with pytest.raises(PluginError) as error:
        plugins.find("solvers", "er")
    assert f"solver {name!r} is registered by {first} and by {second}" in str(error.value)


@pytest.mark.parametrize(
    ("name", "words"), [("hoi", "did you mean hio"), ("recip", "did you mean recipe"), ("zzzzz", "known: asr, cg")]
)
def test_an_unknown_name(install, name, words):
    install()
    with pytest.raises(InputError, match=f"unknown solver '{name}'; {words}"):
        plugins.find("solvers", name)


def test_nothing_is_said_when_all_is_well(install):
    install(Point("acme", lambda: module_of(register_operators=hook({"acme": FarField}))))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert plugins.find("operators", "acme") is FarField
