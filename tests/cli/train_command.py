"""`retrieve train` as the tests call it, and a training so small that it takes a second."""

import csv

from retrieve.cli import main

FILM = "domains2d:size=16,domains=3,fill=0.3,kind=blobs"
SIZE = {"base": "8", "widths": "1", "attention": "none", "embedding": "16", "blocks": "1", "patch": "1", "threads": "1"}
SMALL = [word for name, value in SIZE.items() for word in (f"--{name}", value)]
BRIEF = ["--objects", "64", "--batch", "8", "--precision", "float32", "--threads", "1"]


def trainer(folder, monkeypatch, capsys):
    """A function that runs ``retrieve train words`` in a folder: exit code, output, errors."""
    monkeypatch.chdir(folder)

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
    """The objects of each row of a training's log."""
    with (folder / "log.csv").open(newline="") as file:
        return [int(row["objects"]) for row in csv.DictReader(file)]
