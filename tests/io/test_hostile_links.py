"""HDF5 files that lead out of their folder: refused, unless the links are to be followed."""

import os

import h5py
import numpy as np
import pytest
from test_hostile_files import GOOD, refused, virtual

from retrieve.cli import main
from retrieve.errors import InputError
from retrieve.files import NotEnoughMemory, limited
from retrieve.io import load
from retrieve.io.records import RawFile, Reader
from retrieve.prepare import frames_of


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def away(here):
    """A folder with a measurement outside of the folder `mine`."""
    for folder in ("mine/below", "away"):
        (here / folder).mkdir(parents=True)
    for place in ("mine/beside.h5", "mine/below/deep.h5", "away/secret.h5"):
        with h5py.File(place, "w") as file:
            file["d"] = GOOD
    (here / "away/secret.txt").write_bytes(bytes(4096))
    os.symlink(here / "away/secret.h5", "mine/link.h5")
    return here


@pytest.mark.parametrize("target", ["../away/secret.h5", "absolute", "link.h5", "below/../../away/secret.h5"])
@pytest.mark.parametrize("kind", ["external link", "virtual dataset"])
def test_what_leads_out_of_the_folder_needs_follow_links(away, kind, target):
    target = str(away / "away/secret.h5") if target == "absolute" else target
    if kind == "virtual dataset":
        virtual("mine/a.h5", target)
    else:
        with h5py.File("mine/a.h5", "w") as file:
            file["d"] = h5py.ExternalLink(target, "/d")
    refused("mine/a.h5", "is a link to .*(secret|link).h5, outside the folder of the file; .* give --follow-links")
    with limited(follow_links=True):
        np.testing.assert_array_equal(load("mine/a.h5").data, GOOD)


@pytest.mark.parametrize("target", ["beside.h5", "below/deep.h5", "absolute"])
@pytest.mark.parametrize("kind", ["external link", "virtual dataset"])
def test_links_into_the_folder_and_below_are_followed(away, kind, target):
    target = str(away / "mine/beside.h5") if target == "absolute" else target
    if kind == "virtual dataset":
        virtual("mine/a.h5", target)
    else:
        with h5py.File("mine/a.h5", "w") as file:
            file["d"] = h5py.ExternalLink(target, "/d")
    np.testing.assert_array_equal(load("mine/a.h5").data, GOOD)
    with frames_of(["mine/a.h5"]) as frames:
        assert frames.shape == (1, 32, 32)


def test_links_are_followed_for_a_file_that_is_named_by_a_link(away):
    with h5py.File("mine/a.h5", "w") as file:
        file["d"] = h5py.ExternalLink("beside.h5", "/d")
    os.symlink(away / "mine/a.h5", "a.h5")
    np.testing.assert_array_equal(load("a.h5").data, GOOD)


def test_a_chain_of_links_out_of_the_folder(away):
    with h5py.File("mine/below/next.h5", "w") as file:
        file["d"] = h5py.ExternalLink("../../away/secret.h5", "/d")
    with h5py.File("mine/a.h5", "w") as file:
        file["d"] = h5py.ExternalLink("below/next.h5", "/d")
    refused("mine/a.h5", "outside the folder of the file")


def test_external_storage_copies_no_file_into_a_result(away, capsys):
    with h5py.File("mine/a.h5", "w") as file:
        file.create_dataset("d", (32, 32), "f4", external=[("../away/secret.txt", 0, 4096)])
    refused("mine/a.h5", "has its values in ../away/secret.txt, which may be any file; give --follow-links")
    for words in (["run", "mine/a.h5"], ["inspect", "mine/a.h5"], ["prepare", "scan", "mine/a.h5"]):
        with pytest.raises(SystemExit) as stop:
            main(words)
        assert stop.value.code == 2
        assert "--follow-links" in capsys.readouterr().err
    assert not list(away.glob("*.cxi"))


def test_a_reader_without_memory_says_so(here):
    def read(path, key):
        if key is None:
            raise MemoryError("Unable to allocate 7.28 TiB for an array with shape (1000000, 1000000)")
        return RawFile(GOOD, "d")

    (here / "a.odd").write_text("odd")
    with pytest.raises(NotEnoughMemory, match=r"a\.odd does not fit into memory \(7.28 TiB more are needed"):
        load("a.odd", extra=[Reader("odd", (".odd",), read)])


def test_the_options_of_the_command_line(away, capsys):
    with h5py.File("mine/a.h5", "w") as file:
        file["d"] = h5py.ExternalLink("../away/secret.h5", "/d")
    for words, said in (
        (["--max-memory", "lots"], "max_memory='lots' is no size"),
        (["--follow-links", "--max-memory", "1kB"], "needs 4.1 kB of memory, --max-memory allows 1 kB"),
        ([], "--follow-links"),
    ):
        with pytest.raises(SystemExit) as stop:
            main(["inspect", "mine/a.h5", *words])
        assert stop.value.code == 2
        assert said in capsys.readouterr().err
    main(["inspect", "mine/a.h5", "--follow-links", "--max-memory", "1GB"])
    assert "oversampling" in capsys.readouterr().out
    with pytest.raises(InputError, match="--follow-links"):  # the options hold for one command
        load("mine/a.h5")
