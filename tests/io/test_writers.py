"""Results in the formats of plugins: an ending chooses one, and whatever the writer does, no file is lost."""

import importlib.metadata
import types
from types import SimpleNamespace

import numpy as np
import pytest

import retrieve as rt
from retrieve.cli import main
from retrieve.errors import InputError, PluginError
from retrieve.plugins import loading


def text(result, file):
    print("printed by a plugin")
    file.write(str(result.object.shape).encode())


def exits(result, file):
    file.write(b"half")
    raise SystemExit(0)


def refuses(result, file):
    raise InputError("no phase is known")


@pytest.fixture(scope="module")
def result():
    return rt.solve("er:iterations=3", rt.example("crystal2d"), starts=1, verdict=False)


@pytest.fixture
def install(monkeypatch):
    """Registers writers as those of a plugin of a name."""
    real, points = importlib.metadata.entry_points, []

    def pretend(name="acme", **writers):
        module = types.ModuleType(name)
        module.register_writers = rt.hookimpl(lambda: writers)
        module.register_writers.__name__ = "register_writers"
        points.append(SimpleNamespace(name=name, load=lambda: module, dist=SimpleNamespace(name=f"{name}-files")))
        loading.loaded.cache_clear()

    monkeypatch.setattr(
        importlib.metadata, "entry_points", lambda **of: tuple(points) if of == {"group": "retrieve"} else real(**of)
    )
    loading.loaded.cache_clear()
    yield pretend
    loading.loaded.cache_clear()


@pytest.mark.parametrize("name", ["a.cxi", "a.h5", "a.NXS", "crystal", "run_0.5"])
def test_names_of_our_own_format(install, result, tmp_path, name):
    result.save(tmp_path / name)
    np.testing.assert_array_equal(rt.read_result(tmp_path / name).object, result.object)


def test_an_ending_chooses_the_writer(install, result, tmp_path, capsys):
    install(shapes=rt.Writer("shapes", (".shape", ".shp"), text))
    assert result.save(tmp_path / "a.SHP").read_bytes() == str(result.object.shape).encode()
    assert capsys.readouterr().out == ""  # what a plugin prints goes to standard error


def test_an_unknown_ending_is_refused_with_the_nearest(install, result, tmp_path):
    install(shapes=rt.Writer("shapes", (".shape",), text))
    with pytest.raises(InputError, match=r"a\.shaep: unknown ending '\.shaep' of results; did you mean \.shape\?"):
        result.save(tmp_path / "a.shaep")
    assert list(tmp_path.iterdir()) == []


def test_two_plugins_with_one_ending(install, result, tmp_path):
    install("one", shapes=rt.Writer("shapes", (".shape",), text))
    install("two", forms=rt.Writer("forms", (".shape",), text))
    with pytest.raises(PluginError, match=r"written by 'shapes' of plugin one .* and by 'forms' of plugin two"):
        result.save(tmp_path / "a.shape")


@pytest.mark.parametrize(
    ("suffixes", "words"),
    [((".cxi",), "that of CXI"), ("abc", "no tuple"), ((".ABC",), "lower case"), (("abc",), "lower case"), ((".5",), "of CXI")],
)
def test_endings_that_cannot_be(install, result, tmp_path, suffixes, words):
    install(shapes=rt.Writer("shapes", suffixes, text))
    with pytest.warns(UserWarning, match=f"plugin acme .* left out.*{words}"), pytest.raises(InputError, match="unknown ending"):
        result.save(tmp_path / "a.shape")
    result.save(tmp_path / "a.cxi")
    assert rt.read_result(tmp_path / "a.cxi").chosen == 0


@pytest.mark.parametrize(
    ("writes", "error", "words"),
    [
        (exits, PluginError, "writer 'shapes' does not write .*SystemExit: 0"),
        (lambda result, file: 1 / 0, PluginError, "ZeroDivisionError"),
        ("not_there:write", PluginError, "No module named 'not_there'"),
        (refuses, InputError, "^no phase is known$"),
    ],
)
def test_a_writer_that_fails_leaves_the_older_file(install, result, tmp_path, writes, error, words):
    install(shapes=rt.Writer("shapes", (".shape",), writes))
    (tmp_path / "a.shape").write_bytes(b"older")
    with pytest.raises(error, match=words):
        result.save(tmp_path / "a.shape")
    assert [path.name for path in tmp_path.iterdir()] == ["a.shape"]
    assert (tmp_path / "a.shape").read_bytes() == b"older"


RUN = ["run", "example:crystal2d", "--solver", "er", "--iterations", "3", "--starts", "1", "--no-picture"]


def test_run_writes_it_beside_the_result(install, tmp_path, capsys):
    install(shapes=rt.Writer("shapes", (".shape",), text))
    main([*RUN, "--out", str(tmp_path / "a.shape")])
    assert f"written: {tmp_path / 'a.cxi'}, {tmp_path / 'a.shape'}" in " ".join(capsys.readouterr().out.split())
    shape = rt.read_result(tmp_path / "a.cxi").object.shape
    assert (tmp_path / "a.shape").read_bytes() == str(shape).encode()


@pytest.mark.parametrize(
    ("axes", "writes", "code", "words", "left"),
    [
        ((3,), text, 2, "shapes holds objects of 3 axes, this one has 2; end the name in .cxi", []),
        ((2, 3), exits, 1, "SystemExit: 0; the result is in", ["a.cxi"]),
        ((2, 3), refuses, 2, "no phase is known; the result is in", ["a.cxi"]),
    ],
)
def test_run_tells_what_a_writer_does_not(install, tmp_path, capsys, axes, writes, code, words, left):
    install(shapes=rt.Writer("shapes", (".shape",), writes, axes))
    with pytest.raises(SystemExit) as stop:
        main([*RUN, "--out", str(tmp_path / "a.shape")])
    assert stop.value.code == code
    assert words in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == left


def test_run_refuses_an_unknown_ending_before_it_reads(install, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["run", str(tmp_path / "not_there.npz"), "--out", str(tmp_path / "a.xci")])
    assert stop.value.code == 2
    assert "unknown ending '.xci' of results; did you mean .cxi?" in capsys.readouterr().err
