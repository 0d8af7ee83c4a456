"""Whatever is in a file: no traceback, no hang, no signal, no nonsense saved, no memory without need, nothing left behind.

Each format has mutants by seeds. A seed makes the same mutant anywhere. A failure names the file, which is kept.
"""

import os

import pytest
from fuzz_campaign import Reader, campaign
from fuzz_samples import FORMATS

SHOWN = 8
FEW = {"cbf": 12}
"""Quick mutants of formats that take long (30 of the others): a tenth of damaged CBF keep the parser to its limit of 2 s."""
MANY = int(os.environ.get("RETRIEVE_MUTANTS", "100"))
"""Mutants of each format in the long tests."""


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    made = Reader(tmp_path_factory.mktemp("reader"))
    yield made
    made.stop()


def checked(form, seeds, folder, reader):
    if form.name in ("edf", "cbf"):
        pytest.importorskip("fabio", reason="fabio reads this format; pip install 'retrieve-phase[detectors]'")
    failures = campaign(form, seeds, folder, reader)
    assert not failures, f"{len(failures)} of {len(seeds)} mutants failed:\n" + "\n".join(failures[:SHOWN])


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_mutants_are_read_or_refused_in_words(form, tmp_path, reader):
    checked(form, range(FEW.get(form.name, 30)), tmp_path, reader)


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_many_more_mutants(form, tmp_path, reader):
    checked(form, range(1000, 1000 + MANY), tmp_path, reader)
