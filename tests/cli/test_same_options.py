"""-o, -v, -q and -n are the same options on every command that makes something."""

import os
from pathlib import Path

import click
import numpy as np
import pytest
from train_command import BRIEF, FILM, SMALL

from retrieve.cli import app, main
from retrieve.simulate import blobs, measure

MAKING = {
    "run": ("-o", "-v", "-q", "-n"),
    "compare": ("-o", "-v", "-q", "-n"),
    "prepare scan": ("-o", "-v", "-q", "-n"),
    "prepare pulses": ("-o", "-v", "-q", "-n"),
    "simulate crystal2d": ("-o", "-v", "-q", "-n"),
    "simulate pulses": ("-o", "-v", "-q", "-n"),
    "analyze": ("-o", "-v", "-q", "-n"),
    "strain": ("-o", "-v", "-q", "-n"),
    "train diffusion": ("-o", "-v", "-q", "-n"),
    "train unet": ("-o", "-v", "-q", "-n"),
    "reproduce": ("-o", "-q"),
}
MEANING = {"-o": "--out", "-v": "--verbose", "-q": "--quiet", "-n": "--dry-run", "-f": "--force"}


def command_of(words):
    found, context = app, click.Context(app)
    for word in words.split():
        found = found.get_command(context, word)
    return found


@pytest.mark.parametrize("words", MAKING)
def test_short_options_have_one_meaning(words):
    short = {opt: param.opts for param in command_of(words).params for opt in param.opts if opt in MEANING}
    assert set(MAKING[words]) <= set(short)
    for letter, names in short.items():
        assert MEANING[letter] in names


@pytest.fixture
def called(here, capsys):
    """Run a command in a folder of its own; its output."""

    def call(*words, code=0):
        ended = 0
        try:
            main(list(words))
        except SystemExit as stop:
            ended = stop.code or 0
        told = capsys.readouterr()
        assert ended == code, told.err
        return told.out

    return call


@pytest.mark.parametrize(
    ("words", "told", "option"),
    [
        (["simulate", "crystal2d", "--count", "3"], ["dry run: 3 object(s) of crystal2d", "would write: crystal2d"], "--fill "),
        (["simulate", "pulses", "--frames", "5"], ["dry run: 5 pulses", "would write: pulses.h5"], "--frames 5"),
        (["compare", "scan.npz", "--solver", "er:iterations=9", "-o", "a.json"], ["would write: a.json"], "--iterations 9"),
        (["prepare", "scan", "frames.npz"], ["dry run: 6 frames", "frames.prepared.cxi"], "--bad-pixels error"),
        (["analyze", "two.cxi"], ["dry run: 2 starts of 1 file(s)", "would write: two.analysis.json"], "--modes 2"),
    ],
)  # fmt: skip
def test_a_dry_run_tells_and_writes_nothing(called, words, told, option):
    np.savez("scan.npz", intensity=1e4 * measure(blobs((32, 32), seed=1)[0]))
    np.savez("frames.npz", frames=np.random.default_rng(0).poisson(5, (6, 32, 32)).astype(np.uint16))
    called("run", "scan.npz", "--recipe", "20 er", "--starts", "2", "-o", "two.cxi", "-q", "--no-picture")
    before = sorted(os.listdir())
    said = called(*words, "-n", "-v")
    for part in (*told, option):
        assert part in said
    assert called(*words, "-n", "-q") == ""
    assert sorted(os.listdir()) == before


def test_a_dry_run_of_a_strain_checks_the_experiment(called):
    np.savez("volume.npz", intensity=1e4 * measure(blobs((16, 16, 16), seed=1)[0]))
    called("run", "volume.npz", "--recipe", "5 er", "--starts", "1", "-o", "volume.cxi", "-q", "--no-picture")
    called("strain", "volume.cxi", "-n", code=2)
    facts = ["--diffractometer", "34idc", "--energy", "10", "--distance", "1", "--pixel-size", "55", "--direct-beam", "8,8"]
    facts += ["--hkl", "1,1,1", "--lattice", "4.08", "--angle", "theta=0:0.5", "--angle", "delta=30", "--angle", "gamma=10"]
    said = called("strain", "volume.cxi", *facts, "--angle", "chi=90", "--angle", "phi=0", "-nv")
    for part in ("dry run: 1 start(s) of 16×16×16", "volume.strain.vti", "--layers 2.0"):
        assert part in said
    assert not list(Path().glob("*.strain.*"))


@pytest.mark.slow
def test_a_dry_run_of_a_training_tells_its_speed(called):
    said = called("train", "diffusion", FILM, "-o", "new", *SMALL, *BRIEF, "-nv")
    assert "objects a second" in said
    assert "would write: new/domains2d-edm.safetensors" in said
    assert "--batch 8" in said
    assert not Path("new").exists()
