import importlib.metadata
import sys
import threading
import types
import warnings
from types import SimpleNamespace

import pytest

from retrieve.errors import InputError, PluginError
from retrieve.io import Reader, readers
from retrieve.operators import FarField
from retrieve.plugins import loading
from retrieve.plugins import registry as plugins
from retrieve.plugins.hookspecs import hookimpl
from retrieve.solvers import ER, HIO, HPR, RAAR, Recipe


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
        loading.loaded.cache_clear()

    yield pretend
    loading.loaded.cache_clear()


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
    assert loading.loaded().origin["acme (acme-solvers)"] == "acme-solvers"
    assert loading.loaded().broken == {}


def test_a_lazy_target_is_imported_when_it_is_used(install, tmp_path, monkeypatch):
    (tmp_path / "acme_lazy.py").write_text("from retrieve.solvers import HIO as Slow\n")
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


def wrong_signature():
    return module_of(register_operators=hook({}), register_solvers=lambda config: {"acme": HIO})


def unknown_hook():
    return module_of(register_coffee=hook({}))


@pytest.mark.parametrize(
    ("load", "reason"),
    [
        (fail(ImportError("no libacme.so")), "ImportError: no libacme.so"),
        (fail(SyntaxError("bad")), "SyntaxError"),
        (fail(SystemExit("no licence")), "SystemExit: no licence"),
        (wrong_signature, "Argument(s) {'config'} are declared"),
        (unknown_hook, "unknown hook 'register_coffee'"),
    ],
)
def test_a_broken_entry_point_is_named_and_left_out(install, load, reason):
    good = module_of(register_solvers=hook({"good": HIO}))
    install(Point("broken", load, dist="acme-broken"), Point("fine", lambda: good))
    with pytest.warns(UserWarning, match=r"plugin broken \(acme-broken\) was left out: ") as told:
        loaded = loading.loaded()
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
    assert "broken (acme-solvers)" in loading.loaded().broken


def test_an_entry_point_without_a_distribution(install):
    install(Point("stray", fail(ImportError("x")), dist=None))
    with pytest.warns(UserWarning, match="stray \\(unknown distribution\\)"):
        loading.loaded()


def two(name):
    return (
        Point("one", lambda: module_of(register_solvers=hook({name: RAAR, "fine": ER})), "dist-one"),
        Point("two", lambda: module_of(register_solvers=hook({name: HPR})), "dist-two"),
    )


def test_a_name_of_two_plugins_is_nobodys(install):
    install(*two("acme"))
    with pytest.warns(
        UserWarning, match=r"plugin two \(dist-two\) was left out: solver 'acme' is registered by one \(dist-one\) and"
    ):
        assert plugins.find("solvers", "fine") is ER
    with pytest.raises(PluginError, match=r"registered by one \(dist-one\) and by two \(dist-two\); uninstall or rename one"):
        plugins.find("solvers", "acme")
    with pytest.warns(UserWarning, match="plugin one"):
        assert "acme" not in plugins.available("solvers")
    assert plugins.find("solvers", "hio") is HIO


def test_a_name_that_is_built_in_stays_so(install):
    install(*two("hio"))
    assert plugins.find("solvers", "hio") is HIO
    with pytest.warns(UserWarning, match="was left out: solver 'hio'") as told:
        assert plugins.find("solvers", "fine") is ER
    assert len(told) == 2
    assert plugins.find("solvers", "hio") is HIO
    assert "solver 'hio' is registered by retrieve and by one (dist-one)" in loading.loaded().broken["one (dist-one)"]
    assert "two (dist-two)" in loading.loaded().broken


def test_a_built_in_name_needs_no_plugin(install):
    install(Point("broken", fail(AssertionError("imported"))))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert plugins.find("solvers", "hio") is HIO


@pytest.mark.parametrize(
    ("kind", "wrong", "words"),
    [
        ("solvers", HIO(), "register a subclass of Solver"),
        ("solvers", FarField, "register a subclass of Solver"),
        ("operators", FarField((8, 8)), "register a subclass of Operator"),
        ("readers", len, "register a Reader"),
        ("metrics", HIO, "register a Metric"),
        ("priors", 3, "register a Callable"),
    ],
)
def test_something_else_than_was_promised(install, kind, wrong, words):
    install(Point("acme", lambda: module_of(**{f"register_{kind}": hook({"acme": wrong})})))
    with pytest.raises(PluginError, match=rf"{kind[:-1]} 'acme' of plugin acme \(acme-solvers\) is .*; {words}"):
        plugins.find(kind, "acme")
    with pytest.warns(UserWarning, match="was left out"):
        rest = plugins.available(kind)
    assert rest or kind == "priors"
    assert "acme" not in rest


def test_a_reader_of_a_name_that_is_taken_is_left_out(install):
    made = Reader("npz", (".acme",), lambda path, key: None)
    install(Point("acme", lambda: module_of(register_readers=hook({"acme": made}))))
    with pytest.warns(UserWarning, match="reader 'npz' has the name of another one"):
        assert readers()["npz"].suffixes == (".npz",)


class Slow:
    """An import that is done when it is told to."""

    def __init__(self):
        self.done = threading.Event()

    def __call__(self):
        self.done.wait(20)
        return module_of(register_solvers=hook({"late": HIO}))


@pytest.fixture
def impatient(monkeypatch):
    """Listings wait for a twentieth of a second."""
    monkeypatch.setattr(loading, "PATIENCE", 0.05)
    monkeypatch.setattr(plugins, "PATIENCE", 0.05)


def test_a_slow_import_is_waited_for_by_a_name_and_not_by_a_listing(install, impatient):
    slow = Slow()
    install(Point("slow", slow), Point("clash", lambda: module_of(register_solvers=hook({"late": ER}))))
    assert "hio" in plugins.summaries("solvers")
    assert list(loading.loaded().waiting) == ["slow (acme-solvers)"]
    threading.Timer(0.2, slow.done.set).start()
    with pytest.warns(UserWarning, match=r"waiting for the import of plugin slow \(acme-solvers\); to avoid it, let its hooks"):
        known = plugins.registered("solvers")
    assert known["late"][1] == "clash (acme-solvers)"  # the first by its plugin's name, however late the other is
    assert ("solvers", "late") in loading.loaded().clashes
    assert 0 < loading.loaded().seconds["slow (acme-solvers)"] < 20


def test_an_import_that_never_ends_is_left_out(install, impatient, monkeypatch):
    monkeypatch.setenv("RETRIEVE_PLUGIN_SECONDS", "0.2")
    slow = Slow()
    install(Point("slow", slow))
    with (
        pytest.warns(UserWarning, match=r"plugin slow \(acme-solvers\) was left out: its import is not done after 0.2 s"),
        pytest.raises(InputError, match="unknown solver 'late'"),
    ):
        plugins.find("solvers", "late")
    assert plugins.find("solvers", "hio") is HIO
    slow.done.set()


def test_the_patience_must_be_a_number(install, monkeypatch):
    monkeypatch.setenv("RETRIEVE_PLUGIN_SECONDS", "soon")
    install(Point("acme", Slow()))
    with pytest.raises(InputError, match="RETRIEVE_PLUGIN_SECONDS='soon' is no number; give"):
        loading.loaded()


@pytest.mark.parametrize(
    ("name", "words"), [("hoi", "did you mean hio"), ("recip", "did you mean recipe"), ("zzzzz", "known: asr, auto, cg")]
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
