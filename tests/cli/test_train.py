"""`retrieve train` as a user calls it."""

import json

import numpy as np
import pytest
import torch
from train_command import BRIEF, FILM, SMALL, log_of, trainer

from retrieve.priors import weights
from retrieve.priors.training.checkpoint import read_checkpoint
from retrieve.simulate import object_set


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    return trainer(tmp_path, monkeypatch, capsys)


def test_a_training_leaves_weights_with_their_card(run, tmp_path):
    code, told, _ = run("diffusion", FILM, "--out", "new/run", *SMALL, *BRIEF)
    assert code == 0
    for words in ("edm of 0.0", f"for {FILM}, on cpu", "100%", "loss", "objects/s", "written: new/run/domains2d-edm.safetensors"):
        assert words in told.replace("\n", "")
    out = tmp_path / "new" / "run"
    assert {p.name for p in out.iterdir() if not p.name.startswith("events.")} == {
        "checkpoint.pt", "domains2d-edm.safetensors", "log.csv", "picture-000000064.png",
    }  # fmt: skip
    card = weights.card_of(out / "domains2d-edm.safetensors")
    assert card["name"] == "domains2d-edm"
    assert card["licence"] == "BSD-3-Clause"
    assert card["data"]["options"]["domains"] == 3
    assert card["architecture"]["window"] == [11, 11]
    assert card["geometry"]["reach"] == [5, 5]
    assert card["training"]["objects"] == 64
    assert card["training"]["device"] == "CPU, 1 threads"
    assert len(card["training"]["validation"]) == 11
    assert card["version"].startswith("retrieve-phase ")
    assert json.loads(json.dumps(card, allow_nan=False)) == card
    state = read_checkpoint(out)
    for (name, kept), mean in zip(
        weights.load_weights(out / "domains2d-edm.safetensors").named_parameters(), state["average"], strict=True
    ):
        torch.testing.assert_close(kept, mean.half().float(), msg=name)


@pytest.mark.slow
def test_quiet_says_nothing(run):
    assert run("diffusion", FILM, "--out", "run", *SMALL, *BRIEF, "--quiet") == (0, "", "")


@pytest.mark.slow
def test_again_says_that_it_is_finished_and_more_goes_on_with_the_options_of_before(run, tmp_path):
    run("diffusion", FILM, "--out", "run", *SMALL, *BRIEF, "-q", "--rate", "0.002", "--name", "first", "--data-seed", 1_000_007)
    before = read_checkpoint(tmp_path / "run")
    code, told, _ = run("diffusion", FILM, "--out", "run", "--threads", 1)
    assert code == 0
    assert "run is finished; a larger --minutes or --objects" in told.replace("\n", " ")
    assert log_of(tmp_path / "run") == [64]
    code, told, _ = run("diffusion", FILM, "--out", "run", "--threads", 1, "--objects", 96, "--name", "more")
    assert "continues at 66%" in told
    state = read_checkpoint(tmp_path / "run")
    assert state["settings"] == before["settings"] | {"objects": 96}
    assert state["settings"]["rate"] == 0.002
    assert log_of(tmp_path / "run") == [64, 96]
    card = weights.card_of(tmp_path / "run" / "more.safetensors")
    assert card["training"]["objects"] == 96
    assert (card["data"]["seed"], card["data"]["held_seed"]) == (1_000_007, 1_000_008)
    assert (tmp_path / "run" / "first.safetensors").exists()


@pytest.mark.slow
def test_the_paper_s_kind(run, tmp_path):
    words = ["--kind", "epsilon", "--no-conditioned", "--window", "12"]
    assert run("diffusion", FILM, "--out", "run", *SMALL, *BRIEF, *words)[0] == 0
    card = weights.card_of(tmp_path / "run" / "domains2d-epsilon.safetensors")
    assert card["architecture"]["conditioned"] is False
    assert card["support_unknown"] == 1
    assert card["sigma"] == pytest.approx([0.01414, 163], rel=0.01)


@pytest.mark.slow
def test_it_begins_with_other_weights(run, tmp_path):
    """The network is then theirs, the card tells of them, and the loss starts below that of fresh ones."""
    run("diffusion", FILM, "--out", "first", *SMALL, *BRIEF, "--objects", 256, "--rate", "3e-3", "-q")
    first = "first/domains2d-edm.safetensors"
    words = [*BRIEF, "--objects", 8, "--rate", "1e-9"]
    assert run("diffusion", FILM, "--out", "second", "--init", first, *words, "-q")[0] == 0
    card = weights.card_of(tmp_path / "second/domains2d-edm.safetensors")
    assert card["architecture"] == weights.card_of(tmp_path / first)["architecture"]
    assert card["training"]["init_sha256"] == weights.sha256(tmp_path / first)
    assert run("diffusion", FILM, "--out", "fresh", *SMALL, *words, "-q")[0] == 0
    cards = (weights.card_of(tmp_path / folder / "domains2d-edm.safetensors") for folder in ("second", "fresh"))
    losses = [card["training"]["validation"]["mse@0.979"] for card in cards]
    assert losses[0] < 0.9 * losses[1]
    code, _, told = run("diffusion", FILM, "--out", "third", "--init", first, "--base", 16, *BRIEF, "-q")
    assert code == 2
    assert "of another network" in told


@pytest.mark.slow
def test_a_network_that_is_told_the_pattern_begins_with_one_that_was_not(run, tmp_path):
    run("diffusion", FILM, "--out", "first", *SMALL, *BRIEF, "--window", "16", "-q")
    first = "first/domains2d-edm.safetensors"
    words = ["--pattern", "--sigma", "0.05", *BRIEF, "--objects", 8, "--rate", "1e-9"]
    assert run("diffusion", FILM, "--out", "told", "--init", first, *words, "-q")[0] == 0
    one, two = (weights.card_of(tmp_path / path) for path in (first, "told/domains2d-edm.safetensors"))
    assert one["architecture"]["pattern"] is False
    assert two["architecture"]["pattern"] is True
    assert two["pattern"]["sigma"] == 0.05
    x = torch.randn(1, 16, 16, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    plain, told = (weights.load_weights(tmp_path / path) for path in (first, "told/domains2d-edm.safetensors"))
    given = told.given(torch.fft.fft2(x[0]).abs(), torch.ones(16, 16, dtype=torch.bool))
    torch.testing.assert_close(given.denoise(x, 0.5), plain.denoise(x, 0.5), rtol=1e-3, atol=1e-3)  # its channels begin at zero
    assert run("diffusion", FILM, "--out", "told", *BRIEF, "--objects", 16, "-q")[0] == 0
    assert weights.card_of(tmp_path / "told/domains2d-edm.safetensors")["pattern"] == two["pattern"]


@pytest.mark.slow
def test_volumes_are_inverted_too(run, tmp_path):
    volume = "domains3d:size=16,domains=3"
    assert run("unet", volume, "--out", "run", *BRIEF, "--objects", 8, "--widths", "4,4", "--threads", 1, "-q")[0] == 0
    module = weights.load_weights(tmp_path / "run" / "domains3d-complex-unet.safetensors")
    assert module.reconstruct(torch.ones(1, 16, 16, 16), torch.ones(1, 16, 16, 16, dtype=torch.bool)).shape == (1, 16, 16, 16)


@pytest.mark.slow
def test_a_folder_of_objects(run, tmp_path):
    (tmp_path / "mine").mkdir()
    np.savez(tmp_path / "mine" / "objects.npz", objects=object_set("crystal2d").objects(12, 0)[0])
    words = [*SMALL, *BRIEF, "--base", 4, "--patch", 4]
    assert run("diffusion", "mine", "--out", "run", *words)[0] == 0
    card = weights.card_of(tmp_path / "run" / "mine-edm.safetensors")
    assert card["data"] == {"folder": "mine", "objects": 11, "held": 1}
    assert card["geometry"]["shape"] == [64, 64]


def test_a_network_that_inverts_patterns(run, tmp_path):
    words = ["--widths", "4,4", "--sigma", "0.05", "--threads", 1]
    assert run("unet", FILM, "--out", "run", *BRIEF, *words)[0] == 0
    path = tmp_path / "run" / "domains2d-complex-unet.safetensors"
    card = weights.card_of(path)
    assert card["architecture"]["widths"] == [4, 4]
    assert card["measurement"]["sigma"] == 0.05
    assert weights.load_weights(path).reconstruct(torch.ones(2, 16, 16), torch.ones(2, 16, 16, dtype=torch.bool)).shape == (
        2,
        16,
        16,
    )
    assert run("unet", FILM, "--out", "run", "--threads", 1, "--objects", 96, "-q") == (0, "", "")
    assert log_of(tmp_path / "run") == [64, 96]
