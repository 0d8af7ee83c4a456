"""What `retrieve train` says of its options, and what it refuses."""

import subprocess
import sys

import pytest
import torch
from train_command import BRIEF, FILM, SMALL, trainer


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    return trainer(tmp_path, monkeypatch, capsys)


def test_help_loads_no_torch():
    code = (
        "import sys\nfrom retrieve.cli import main\ntry:\n    main(['train', 'diffusion', '--help'])\n"
        "except SystemExit:\n    pass\nassert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    told = " ".join(done.stdout.split())
    for words in ("--base", "--window", "--conditioned / --no-conditioned", "films2d", "validations and pictures count, too"):
        assert words in told


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


@pytest.mark.slow
@pytest.mark.parametrize(("words", "held"), OTHER, ids=[text for _, text in OTHER])
def test_the_folder_of_another_training_is_left_as_it_is(run, tmp_path, words, held):
    run("diffusion", FILM, "--out", "run", *SMALL, *BRIEF, "-q")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "run").iterdir()}
    code, _, told = run(*words, "--out", "run", "--threads", 1, "-q", "--objects", 96)
    assert code == 2
    assert held in told
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "run").iterdir()} == before
