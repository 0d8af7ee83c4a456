"""FFTW's plans on disk: a damaged file is measured anew, and a manifest's hash is that of the plans in use."""

import re
import subprocess
import sys

import numpy as np
import pytest
from fast_cases import needs, noise

import retrieve as rt
from retrieve.numerics import arrays, fast
from retrieve.solvers import HIO

pytestmark = needs["fftw"]
SHAPE = (40, 44)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty folder for plans."""
    monkeypatch.setenv("RETRIEVE_CACHE", str(tmp_path))
    forget()
    yield tmp_path
    forget()


def forget():
    """As a new process."""
    fast.planned.cache_clear()
    fast.part("fftw").wisdom_for.cache_clear()
    fast.part("fftw")._LOCAL.__dict__.clear()


def files(cache):
    return sorted(path for path in cache.rglob("*") if path.is_file())


def flipped(content):
    """One figure of the last plan changed: FFTW reads it."""
    last = list(re.finditer(rb"#x[0-9a-f]", content))[-1].end() - 1
    return content[:last] + (b"1" if content[last : last + 1] != b"1" else b"2") + content[last + 1 :]


DAMAGES = {
    "empty": lambda content: b"",
    "garbage": lambda content: b"garbage" * 40,
    "cut": lambda content: content[: len(content) // 2],
    "flipped": flipped,
    "another machine": lambda content: re.sub(rb"^(\S+) \S+", rb"\1 0123456789ab", content),
    "without a plan": lambda content: content.partition(b"\n")[2].partition(b"\n")[0] + b"\n)\n",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_measured_anew_and_kept(cache, damage):
    fftw = fast.part("fftw")
    fftw.wisdom_for(SHAPE)
    [file] = files(cache)
    damaged = DAMAGES[damage](file.read_bytes())
    file.write_bytes(damaged)
    forget()
    wisdom = fftw.wisdom_for(SHAPE)
    assert files(cache) == [file]
    assert file.read_bytes() != damaged
    assert file.read_bytes().endswith(wisdom)
    arrays.fftn(noise(1, *SHAPE), 2)
    forget()
    assert fftw.wisdom_for(SHAPE) == wisdom


def test_a_file_of_an_older_version_is_used_as_it_is(cache):
    fftw = fast.part("fftw")
    wisdom = fftw.wisdom_for(SHAPE)
    [file] = files(cache)
    file.write_bytes(wisdom)
    forget()
    assert fftw.wisdom_for(SHAPE) == wisdom
    assert file.read_bytes() == wisdom


MEASURE = """
from retrieve.numerics import fast
print(fast.part("fftw").wisdom_for((40, 44)).hex())
"""


def test_processes_that_measure_at_once_have_the_same_plans(cache):
    begun = [subprocess.Popen([sys.executable, "-c", MEASURE], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert len({process.communicate()[0] for process in begun}) == 1
    assert [path.name for path in files(cache)] == ["40x44"]


def test_the_manifest_names_the_plans_in_use(cache, easy):
    """With the support unknown the blur of the shrink-wrap has plans of its own, for real arrays."""
    said = {}
    for known in (True, False):
        solver = rt.solvers.Recipe(recipe="25 hio + 10 er")
        result = rt.solve(solver, easy if known else easy.replace(support=None))
        again = rt.solve(solver, easy if known else easy.replace(support=None))
        said[known] = result.manifest["transform"]
        assert said[known] == again.manifest["transform"]
        np.testing.assert_array_equal(result.estimates, again.estimates)
    assert said[True] != said[False]
    before = {path.name: path.read_bytes() for path in files(cache)}
    real = [path for path in files(cache) if path.name.endswith("-real")]
    assert real
    for path in real:  # other plans give another hash, though those of the object stay
        path.write_bytes(path.read_bytes().partition(b"\n")[2] + b" ")
    forget()
    changed = rt.solve(rt.solvers.Recipe(recipe="25 hio + 10 er"), easy.replace(support=None))
    assert changed.manifest["transform"] != said[False]
    assert before.keys() == {path.name for path in files(cache)}


def test_workers_name_their_plans(cache, easy):
    here = rt.solve(HIO(iterations=5), easy, executor="serial", starts=2)
    there = rt.solve(HIO(iterations=5), easy, executor="threads", workers=2, starts=2)
    assert "plans" in here.manifest["transform"]
    assert there.manifest["transform"] == here.manifest["transform"]
