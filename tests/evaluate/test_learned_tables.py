"""Rows that ran again in the table of the learned solvers, `benchmarks/learned_tables.py`."""

import importlib
import sys
from pathlib import Path

import pytest


@pytest.fixture
def renewed(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(Path(__file__).parents[2] / "benchmarks"), *sys.path])
    return importlib.import_module("learned_tables").renewed


def content(rates, paired=()):
    summaries = [
        {"group": "films", "noise": noise, "solver": solver, "best": True, "rate": rate}
        for (noise, solver), rate in rates.items()
    ]
    settings = {name: {solver: 8 for _, solver in rates} for name in ("objects", "starts", "weights_sha256")}
    pairs = [{"group": "films", "noise": noise, "a": "diffusion", "b": "hio"} for noise in paired]
    times = {"summaries": list(rates.values())}
    return {"settings": settings, "solvers": {}, "summaries": summaries, "paired": pairs, "times": times}


def test_what_ran_again_replaces_its_row_and_drops_its_tests(renewed):
    before = content({(0.0, "diffusion"): 1, (0.1, "diffusion"): 2, (0.0, "hio"): 3}, paired=(0.0, 0.1))
    after = renewed(before, content({(0.0, "diffusion"): 7, (0.0, "unet"): 8}))
    rows = {(s["noise"], s["solver"]): s["rate"] for s in after["summaries"]}
    assert rows == {(0.0, "diffusion"): 7, (0.1, "diffusion"): 2, (0.0, "hio"): 3, (0.0, "unet"): 8}
    assert after["times"]["summaries"] == [s["rate"] for s in after["summaries"]]
    assert [test["noise"] for test in after["paired"]] == [0.1]
    assert set(after["settings"]["starts"]) == {"diffusion", "hio", "unet"}
