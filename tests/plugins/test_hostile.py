"""Hostile and careless plugins: whatever one does, the program goes on, names it, and keeps its own output clean."""

import importlib.metadata
import json
from itertools import count

import numpy as np
import pytest

from retrieve.cli import main
from retrieve.plugins import loading, registry
from retrieve.simulate import blobs, measure

NUMBERS = count()
LOUD = "LOUD"
HOOK = """
from retrieve.plugins.hookspecs import hookimpl
from retrieve.solvers import ER

{before}

@hookimpl
def register_{kind}():
    {body}
"""
READER = """
import os, sys, time
from retrieve.io import RawFile, Reader
from retrieve.plugins.hookspecs import hookimpl

def sniff(head, path):
    {sniff}

def read(path, key):
    {read}

@hookimpl
def register_readers():
    return {{"acme": Reader("acme", (".acme",), read, sniff)}}
"""


def hook(body, kind="solvers", before=""):
    return HOOK.format(body=body, kind=kind, before=before)


def reader(sniff="return False", read="raise ValueError('not mine')"):
    return READER.format(sniff=sniff, read=read)


LAZY = "return {'acme': 'acme_target:Solver'}"
LOOPS = "class Loops(type(ER)):\n    @property\n    def __doc__(self):\n        while True: pass\n\n"
PRINTS_IN_C = "import ctypes\nctypes.CDLL(None).puts(b'LOUD')"
HOSTILE = {
    "import loops": ("while True:\n    pass", "its import is not done after 0.3 s"),
    "import sleeps": ("import time\ntime.sleep(3)", "its import is not done after 0.3 s"),
    "import exits": ("import sys\nsys.exit(0)", "SystemExit: 0"),
    "import raises what is no Exception": ("class Odd(BaseException):\n    pass\n\nraise Odd('x')", "Odd: x"),
    "import is a Ctrl-C": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "import raises what has no words": (
        "class Mute(Exception):\n    def __str__(self):\n        raise RuntimeError\n\nraise Mute",
        "Mute",
    ),
    "import prints": ("print('LOUD')\n" + hook("return {'acme': ER}"), None),
    "import writes to descriptor 1": ("import os\nos.write(1, b'LOUD\\n')\n" + hook("return {'acme': ER}"), None),
    "import prints in C": (PRINTS_IN_C + "\n" + hook("return {'acme': ER}"), None),
    "hook loops": (hook("while True: pass"), "register_solvers: does not return within 0.3 s"),
    "hook exits": (hook("raise SystemExit('bye')"), "register_solvers: SystemExit: bye"),
    "hook raises": (hook("return 1 / 0"), "register_solvers: ZeroDivisionError"),
    "hook prints": (hook("print('LOUD')\n    return {'acme': ER}"), None),
    "hook returns None": (hook("pass"), "register_solvers: it returns None; return a dict"),
    "hook returns a list": (hook("return [ER]"), "register_solvers: it returns a list; return a dict"),
    "names that are no text": (hook("return {3: ER, 'good': ER}"), "register_solvers: 3 is no name"),
    "names that steer the terminal": (hook(r"return {'\x1b[2J': ER}"), r"'\x1b[2J' is no name"),
    "names of markup": (hook("return {'[/bold]': ER, '[red]x': ER}"), None),
    "targets that are None": (hook("return {'acme': None}"), "'acme' is None"),
    "targets of another type": (hook("return {'acme': 3}"), "solver 'acme' of plugin acme (unknown distribution) is 3"),
    "a target whose import loops": (hook(LAZY), "'acme' does not load within 0.1 s"),
    "a solver that is no dataclass": (
        hook("return {'acme': Bad}", before="class Bad(ER):\n    beta: 'no such type' = 1"),
        "its options cannot be read",
    ),
    "a docstring that loops": (
        hook("return {'acme': Bad}", before=LOOPS + "class Bad(ER, metaclass=Loops):\n    pass"),
        "'acme' does not load within 0.1 s",
    ),
    "a mapping that loops": (
        hook("return Odd()", before="class Odd(dict):\n    def __iter__(self):\n        while True: pass"),
        "register_solvers: does not return within 0.3 s",
    ),
    "a name that is built in": (hook("return {'hio': ER}"), "solver 'hio' is registered by retrieve and by acme"),
    "sniff loops": (reader("while True: pass"), "reader 'acme' does not answer within 0.3 s"),
    "sniff exits": (reader("sys.exit(3)"), "reader 'acme' left out: SystemExit: 3"),
    "sniff raises": (reader("1 / 0"), "reader 'acme' left out: ZeroDivisionError"),
    "sniff prints": (reader("os.write(1, b'LOUD'); print('LOUD')"), None),
    "sniff says yes to all": (reader("return True"), "cannot read what it takes: scan.npz cannot be read as acme: not mine"),
    "sniff says yes, read exits": (reader("return True", "sys.exit(1)"), "tried to end the program (1); uninstall"),
    "sniff says yes, read returns rubbish": (reader("return True", "return 3"), "returned a int, no RawFile"),
    "a reader without a name": (reader().replace('Reader("acme"', "Reader(None"), "reader 'acme' has no name"),
    "suffixes that are no tuple": (reader().replace('(".acme",)', "None"), "has suffixes that are no tuple of text"),
}  # fmt: skip


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Installs one plugin of this code, next to a pattern of 32² pixels, with limits of a fraction of a second."""

    def install(code):
        module = f"acme_{next(NUMBERS)}"  # an import that hangs keeps its name for good
        (tmp_path / f"{module}.py").write_text(code.replace("acme_target", f"{module}_target"))
        (tmp_path / f"{module}_target.py").write_text("while True:\n    pass\n")
        monkeypatch.syspath_prepend(tmp_path)
        point = importlib.metadata.EntryPoint("acme", module, "retrieve")
        points = importlib.metadata.entry_points
        monkeypatch.setattr(
            importlib.metadata, "entry_points", lambda **of: [point] if of.get("group") == "retrieve" else points(**of)
        )
        monkeypatch.setenv("RETRIEVE_PLUGIN_SECONDS", "0.3")
        for module in (loading, registry):
            monkeypatch.setattr(module, "PATIENCE", 0.1)
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.chdir(tmp_path)
        x, support = blobs((32, 32), seed=1, fill=0.06)
        np.savez(tmp_path / "scan.npz", intensity=1e3 * measure(x), support=support)
        loading.loaded.cache_clear()

    yield install
    loading.loaded.cache_clear()


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.filterwarnings("always")
def test_it_harms_nothing_and_is_named(installed, capfd, kind):
    code, words = HOSTILE[kind]
    installed(code)
    main(["solvers"])
    listed = capfd.readouterr()
    assert "hio" in listed.out
    assert LOUD not in listed.out
    main(["run", "scan.npz", "--solver", "er:iterations=3", "--starts", "1", "--no-picture", "--json"])
    ran = capfd.readouterr()
    assert json.loads(ran.out)["files"][0]["failure"] is None
    told = listed.err + ran.err
    assert "Traceback" not in told
    if words is None:
        assert "left out" not in told
    else:
        assert words in told
        assert "acme" in told
    if LOUD in code:
        assert LOUD in told


def test_a_reader_that_takes_a_file_is_named(installed, capfd):
    read = "import numpy as np\n    return RawFile(np.full((32, 32), 7.0), 'made up', kind='intensity', centred=True)"
    installed(reader("return True", read))
    main(["inspect", "scan.npz"])
    assert "read as acme by plugin acme (unknown distribution)" in capfd.readouterr().out


def test_a_listing_names_what_is_still_loading(installed, capfd):
    installed("import time\ntime.sleep(0.25)")
    main(["solvers"])
    assert "still loading: acme (unknown distribution)" in capfd.readouterr().out
