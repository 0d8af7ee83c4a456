"""Peers of the benchmark in three dimensions: as much time as `auto` took, and PyNX where it is installed."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest

from retrieve.numerics.alignment import align
from retrieve.simulate import TUNE_SEED, Noise
from retrieve.simulate.crystal_kinds import CrystalKinds


@pytest.fixture
def peers(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "benchmarks"))
    return importlib.import_module("blind3d_peers")


def test_a_peer_gets_the_seconds_of_auto_or_the_median_of_its_cell(peers, tmp_path, monkeypatch):
    monkeypatch.setattr(peers, "KEPT", tmp_path)
    published = {"auto-smooth-64-1e5": {"cpu_seconds": 6.5}}
    assert peers.runs_of("auto-smooth-64-1e5", None, published) == ({}, 6.5, "median of auto-smooth-64-1e5")
    assert peers.runs_of("auto-smooth-64-1e5", 9.0, published) == ({}, 9.0, "--seconds")
    assert peers.runs_of("auto-smooth-64-1e6", None, published)[1] is None
    row = {"object": 3, "cpu_seconds": 4.5}
    (tmp_path / "auto-smooth-64-1e5.jsonl").write_text(json.dumps(row) + "\n")
    assert peers.runs_of("auto-smooth-64-1e5", None, published)[0] == {3: row}


def test_a_peer_that_is_not_there_is_named(peers, monkeypatch):
    monkeypatch.setitem(peers.MODULES, "pynx", ("no_such_program",))
    assert "pynx-hio cannot be imported (No module named 'no_such_program')" in peers.missing("pynx-hio")
    monkeypatch.setattr("sys.argv", ["blind3d_peers.py", "--peers", "pynx"])
    with pytest.raises(SystemExit):
        peers.main()


@pytest.mark.slow
def test_pynx_finds_a_crystal_and_says_so_by_its_free_likelihood(peers):
    """Of two starts at many photons the one of the lowest figure is right, in a support of its own."""
    reason = peers.missing("pynx")
    if reason:
        pytest.skip(reason)
    problem = CrystalKinds(kind="smooth", size=32).problem(0, TUNE_SEED, Noise(photons=1e7, support="unknown"))
    start = peers.PEERS["pynx-hio"](problem)
    found = [start(np.random.default_rng(seed)) for seed in range(2)]
    best = min(found, key=lambda pair: pair[0])[1]
    assert best.shape == problem.shape
    assert 0 < np.count_nonzero(best) < best.size / 4
    assert align(best, problem.truth).correlation > 0.95
