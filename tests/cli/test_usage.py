"""Mistakes that users of PyNX and cohere, authors and students make: each is told in one line, with what to write instead."""

from pathlib import Path

import numpy as np
import pytest

from retrieve.cli import main
from retrieve.simulate import blobs, measure

MISTAKES = {
    "run scan.npz --nb_run 20": "no option --nb_run; it is --starts here",
    "run scan.npz --gpu 1": "no option --gpu; it is --device here",
    "run data=scan.npz nb_run=20 seed=3": "options are written --NAME VALUE, here scan.npz --starts 20 --seed 3",
    "run scan.npz --recipe ER**200,HIO**400": "the number comes first: 200 er in place of ER**200; write it like '3*(",
    "run scan.npz --recipe 200*HIO": "no * stands before a name: 200 hio; write it like",
    "run scan.npz --solver HIO": "unknown solver 'HIO'; did you mean hio?\n",
    "run scan.npz --solver hio,beta=0.8": "options follow a colon; write NAME:OPTION=VALUE",
    "run scan.npz --solver hio --beta abc": "option beta='abc' is not of type float; give a value in (0, 2]",
    "run scan.npz --support 10": "support: no file 10; check the name",
    "run scan.npz --starts many": "'many' is no whole number",
    "run scan.npz --starts 0": "0 is out of range; give x>=1",
    "run scan.npz --seconds soon": "'soon' is no number",
    "run scan.npz -o result.tif": "unknown ending '.tif' of results; known: .cxi,",
    "run scan.npz -o out/result.cxi": "cannot write out/result.cxi: there is no directory out",
    "run scan.npz --likelihood poison": "unknown likelihood 'poison'; did you mean poisson? (auto takes it",
    "run scan.npz --start notes": "--start: notes is no reconstruction; give a CXI, HDF5, npz or npy file",
    "run scan.npz --shrink-wrap 0.1": "no option --shrink-wrap; did you mean --shrink-wrap.",
    "run scan.npz --bogus": "no option --bogus; did you mean ",
    "run negative.npy": "intensity has 1 negative values on measured pixels; mask them",
    "prepare scan.npz": "'scan.npz' is a file, not a command; commands: pulses, scan",
    "prepare scan scan.npz": "scan.npz holds one frame of 32×32, and a rocking scan has several; name all its files",
    "prepare scan stack.npy --crop 64": "no option --crop; it is --size here",
    "scan.npz": "to phase a file: retrieve run scan.npz",
    "train dps": "unknown command 'dps'; known: diffusion, unet",
    "train diffusion": "--out is missing (see `retrieve train diffusion --help`)",
    "train diffusion films -o w": "did you mean films3d or films2d? Or give a folder of objects",
    "simulate crystal2d -n 5": "for so many objects write --count 5",
    "simulate crystal2d --noise 0.1": "no option --noise; it is --sigma here",
    "reproduce": "name one of fig2, fig3,",
    "analyze": "RESULT... is missing (see `retrieve analyze --help`)",
    "solvers RAAR": "did you mean raar?",
    "weights DOMAINS2D": "did you mean domains2d? Or give the path of a .safetensors file",
}  # fmt: skip


@pytest.mark.parametrize("words", MISTAKES)
def test_a_mistake_is_one_line_with_what_to_write(here, capsys, words):
    intensity = 1e4 * measure(blobs((32, 32), seed=1)[0])
    np.savez("scan.npz", intensity=intensity)
    intensity[3, 3] = -1
    np.save("negative.npy", intensity)
    np.save("stack.npy", np.ones((6, 32, 32), np.uint16))
    Path("notes").write_text("of no use")
    before = sorted(Path().iterdir())
    with pytest.raises(SystemExit) as stop:
        main(words.split())
    assert stop.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert told.count("\n") == 1
    assert MISTAKES[words] in told
    assert sorted(Path().iterdir()) == before


def test_a_group_without_a_command_shows_its_help(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["train"])
    assert stop.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith("Usage: ")
    assert "unet" in told
    assert "error" not in told
