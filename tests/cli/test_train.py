"""`retrieve train` as a user calls it."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from retrieve.cli import main
from retrieve.priors import weights
from retrieve.priors.training.state import read_checkpoint
from retrieve.simulate import object_set

FILM = "domains2d:size=16,domains=3,fill=0.3,kind=blobs"
SIZE = {"base": "8", "widths": "1", "attention": "none", "embedding": "16", "blocks": "1", "patch": "1", "threads": "1"}
SMALL = [word for name, value in SIZE.items() for word in (f"--{name}", value)]
BRIEF = ["--objects", "64", "--batch", "8", "--precision", "float32"]


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """A function that runs ``retrieve train words`` in a folder of its own: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)

    def called(*words):
        code = 0
        try:
            main(["train", *map(str, words)])
        except SystemExit as stop:
            code = stop.code or 0
        told = capsys.readouterr()
        return code, told.out, told.err

    return called


def log_of(folder):
    with (folder / "log.csv").open(newline="") as file:
        return [int(row["objects"]) for row in csv.DictReader(file)]


def test_a_training_leaves_weights_with_their_card(run, tmp_path):
    code, told, _ = run("diffusion", FILM, "--out", "new/run", *SMALL, *BRIEF)
    assert code == 0
    for words in ("edm of 0.0", f"for {FILM}, on cpu", "100%", "loss", "objects/s", "written: new/run/domains2d-edm.safetensors"):
        assert words in told.replace("\n", "")
    out = tmp_path / "new" / "run"
    assert {p.name for p in out.iterdir() if not p.name.startswith("events.")} == {
        ".lock", "checkpoint.pt", "domains2d-edm.safetensors", "log.csv", "picture-000000064.png",
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
    state = read_checkpoint(out)
    for (name, kept), mean in zip(
        weights.load_weights(out / "domains2d-edm.safetensors").named_parameters(), state["average"], strict=True
    ):
        torch.testing.assert_close(kept, mean.half().float(), msg=name)


def test_quiet_says_nothing(run):
    assert run("diffusion", FILM, "--out", "run", *SMALL, *BRIEF, "--quiet") == (0, "", "")


def test_again_says_that_it_is_finished_and_more_goes_on_with_the_options_of_before(run, tmp_path):
    run("diffusion", FILM, "--out", "run", *SMALL, *BRIEF, "-q", "--rate", "0.002", "--name", "first", "--data-seed", 1_000_007)
    before = read_checkpoint(tmp_path / "run")
    code, told, _ = run("diffusion", FILM, "--out", "run", "--threads", 1)
    assert code == 0
    assert "run is finished; a larger --minutes or --objects" in told.replace("\n", " ")
    assert log_of(tmp_path / "run") == [64]
    code, told, _ = run("diffusion", FILM, "--out", "run", "--threads", 1, "--objects", 96, "--name", "more")
    assert "goes on at 66%" in told
    state = read_checkpoint(tmp_path / "run")
    assert state["settings"] == before["settings"] | {"objects": 96}
    assert state["settings"]["rate"] == 0.002
    assert log_of(tmp_path / "run") == [64, 96]
    card = weights.card_of(tmp_path / "run" / "more.safetensors")
    assert card["training"]["objects"] == 96
    assert (card["data"]["seed"], card["data"]["held_seed"]) == (1_000_007, 1_000_008)
    assert (tmp_path / "run" / "first.safetensors").exists()


def test_the_paper_s_kind(run, tmp_path):
    words = ["--kind", "epsilon", "--no-conditioned", "--window", "12"]
    assert run("diffusion", FILM, "--out", "run", *SMALL, *BRIEF, *words)[0] == 0
    card = weights.card_of(tmp_path / "run" / "domains2d-epsilon.safetensors")
    assert card["architecture"]["conditioned"] is False
    assert card["support_unknown"] == 1
    assert card["sigma"] == pytest.approx([0.01414, 163], rel=0.01)


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


def test_a_network_that_is_told_the_pattern_begins_with_one_that_was_not(run, tmp_path):
    run("diffusion", FILM, "--out", "first", *SMALL, *BRIEF, "--window", "16", "-q")
    first = "first/domains2d-edm.safetensors"
    words = ["--pattern", "--sigma", "0.05", *BRIEF, "--objects", 8, "--rate", "1e-9"]
    assert run("diffusion", FILM, "--out", "told", "--init", first, *words, "-q")[0] == 0
    one, two = (weights.card_of(tmp_path / path) for path in (first, "told/domains2d-edm.safetensors"))
    assert "pattern" not in one["architecture"]
    assert two["architecture"]["pattern"] is True
    assert two["pattern"]["sigma"] == 0.05
    x = torch.randn(1, 16, 16, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    plain, told = (weights.load_weights(tmp_path / path) for path in (first, "told/domains2d-edm.safetensors"))
    given = told.given(torch.fft.fft2(x[0]).abs(), torch.ones(16, 16, dtype=torch.bool))
    torch.testing.assert_close(given.denoise(x, 0.5), plain.denoise(x, 0.5), rtol=1e-3, atol=1e-3)  # its channels begin at zero
    assert run("diffusion", FILM, "--out", "told", *BRIEF, "--objects", 16, "-q")[0] == 0
    assert weights.card_of(tmp_path / "told/domains2d-edm.safetensors")["pattern"] == two["pattern"]


def test_volumes_are_inverted_too(run, tmp_path):
    volume = "domains3d:size=16,domains=3"
    assert run("unet", volume, "--out", "run", *BRIEF, "--objects", 8, "--widths", "4,4", "--threads", 1, "-q")[0] == 0
    module = weights.load_weights(tmp_path / "run" / "domains3d-complex-unet.safetensors")
    assert module.reconstruct(torch.ones(1, 16, 16, 16), torch.ones(1, 16, 16, 16, dtype=torch.bool)).shape == (1, 16, 16, 16)


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


BAD = [  # arguments, what the message must hold
    (["diffusion", "films4d"], ["unknown set 'films4d'", "films2d", "folder of objects"]),
    (["diffusion", "films2d:most=x"], ["most='x'", "int"]),
    (["diffusion", "films2d:mosst=9"], ["'mosst'", "did you mean most"]),
    (["diffusion", "empty"], ["empty", "no file to train on"]),
    (["diffusion", "./nowhere"], ["./nowhere", "no folder"]),
    (["diffusion", "file"], ["file", "no folder"]),
    (["diffusion", FILM, "--window", "13", "--patch", "2"], ["window (13, 13)", "multiple of 2"]),
    (["diffusion", FILM, "--pattern", "--window", "12"], ["window=12 with pattern=true", "16x16"]),
    (["diffusion", FILM, "--window", "8"], ["window=8", "reach 5×5 px", "give 11x11"]),
    (["diffusion", FILM, "--window", "12x12x12"], ["window=12x12x12"]),
    (["diffusion", FILM, "--widths", "1,a"], ["widths='1,a'"]),
    (["diffusion", FILM, "--attention", "4"], ["attention=4"]),
    (["diffusion", FILM, "--base", "7"], ["base=7", "even"]),
    (["diffusion", FILM, "--batch", "0"], ["batch=0"]),
    (["diffusion", FILM, "--minutes", "none"], ["never ends"]),
    (["diffusion", FILM, "--bse", "8"], ["--bse", "--base"]),
    (["diffusion", FILM, "--name", "a/b"], ["'a/b'", "--out"]),
    (["diffusion", FILM, "--out", "file"], ["file", "another folder"]),
    (["diffusion", FILM, "--out", "file/run"], ["file", "another folder"]),
    (["diffusion", FILM, "--out", "damaged"], ["damaged/checkpoint.pt", "remove it"]),
    (["unet", FILM, "--widths", "4,4,4,4,4"], ["shape (16, 16)", "multiple of 32"]),
    (["difusion", FILM], ["difusion"]),
    (["diffusion", FILM, "--device", "tpu"], ["tpu", "cuda"]),
]
if not torch.cuda.is_available():
    BAD.append((["diffusion", FILM, "--device", "cuda"], ["cuda", "--device cpu"]))


@pytest.mark.parametrize(("words", "held"), BAD, ids=[" ".join(a).replace("/", "_") for a, _ in BAD])
def test_bad_input_is_refused_before_any_work(run, tmp_path, words, held):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "checkpoint.pt").write_bytes(b"nothing")
    before = sorted(tmp_path.rglob("*"))
    small = SMALL if words[0] == "diffusion" else []
    code, out, told = run(words[0], "--out", "run", *small, "--minutes", "0.01", *words[1:], "-q")
    assert code == 2
    assert out == ""
    assert told.startswith("error: ")
    assert len(told.strip().splitlines()) == 1
    for text in held:
        assert text in told
    assert sorted(tmp_path.rglob("*")) == before


OTHER = [
    (["diffusion", FILM, "--base", "16"], "base 8, not 16"),
    (["diffusion", FILM, "--kind", "epsilon"], "kind edm, not epsilon"),
    (["diffusion", FILM.replace("s=3", "s=4")], "domains 3, not 4"),
    (["unet", FILM], "network edm, not complex-unet or real-unet"),
]


@pytest.mark.parametrize(("words", "held"), OTHER, ids=[text for _, text in OTHER])
def test_the_folder_of_another_training_is_left_as_it_is(run, tmp_path, words, held):
    run("diffusion", FILM, "--out", "run", *SMALL, *BRIEF, "-q")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "run").iterdir() if p.name != ".lock"}
    code, _, told = run(*words, "--out", "run", "--threads", 1, "-q", "--objects", 96)
    assert code == 2
    assert held in told
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "run").iterdir() if p.name != ".lock"} == before


@pytest.fixture
def begun(tmp_path):
    """A training that would take an hour, as a process of its own, once it has written a checkpoint and two rows."""
    words = ["diffusion", FILM, "--out", "run", *SMALL, "--minutes", "60", "--batch", "8", "--precision", "float32"]
    often = ["--checkpoint-every", "0.2", "--validate-every", "0.15"]
    process = subprocess.Popen(
        [sys.executable, "-m", "retrieve", "train", *words, *often],
        cwd=tmp_path, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    run, deadline = tmp_path / "run", time.monotonic() + 120
    while not ((run / "checkpoint.pt").exists() and (run / "log.csv").exists() and len(log_of(run)) > 1):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield process
    process.kill()
    process.communicate()


def test_a_killed_training_goes_on(run, begun, tmp_path):
    code, _, told = run("diffusion", FILM, "--out", "run", "-q")
    assert (code, "another process is training in run" in told) == (2, True)
    begun.send_signal(signal.SIGKILL)
    begun.wait()
    state = read_checkpoint(tmp_path / "run")
    more = state["objects"] + 160
    code, told, _ = run("diffusion", FILM, "--out", "run", "--threads", 1, "--objects", more)
    assert code == 0
    assert "goes on at" in told
    rows = log_of(tmp_path / "run")
    assert rows == sorted(set(rows))
    assert rows[-1] == more
    after = read_checkpoint(tmp_path / "run")
    assert after["objects"] == more
    assert after["step"] == state["step"] + 20
    assert after["seconds"] > state["seconds"]


def test_ctrl_c_keeps_a_checkpoint(begun, tmp_path):
    at_least = read_checkpoint(tmp_path / "run")["objects"]
    begun.send_signal(signal.SIGINT)
    out, told = begun.communicate(timeout=60)
    assert begun.returncode == 130
    assert "stopped; the same command goes on" in out.replace("\n", " ")
    assert "Traceback" not in told
    assert read_checkpoint(tmp_path / "run")["objects"] >= at_least
    assert not list((tmp_path / "run").glob("*.safetensors"))


def test_help_loads_no_torch():
    code = (
        "import sys\nfrom retrieve.cli import main\ntry:\n    main(['train', 'diffusion', '--help'])\n"
        "except SystemExit:\n    pass\nassert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for words in ("--base", "--minutes", "--window", "--conditioned / --no-conditioned", "films2d"):
        assert words in done.stdout


def test_the_card_is_plain_json(run, tmp_path):
    run("diffusion", FILM, "--out", "run", *SMALL, *BRIEF, "-q")
    card = weights.card_of(tmp_path / "run" / "domains2d-edm.safetensors")
    assert json.loads(json.dumps(card, allow_nan=False)) == card
