"""Whatever is in a file: no traceback, no hang, no signal, no nonsense saved, no memory without need, nothing left behind.

Each format has mutants by seeds. A seed makes the same mutant anywhere. A failure names the file, which is kept.
"""

import pytest
from fuzz_campaign import Reader, campaign
from fuzz_samples import FORMATS

SHOWN = 8


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    made = Reader(tmp_path_factory.mktemp("reader"))
    yield made
    made.stop()


def checked(form, seeds, folder, reader):
    failures = campaign(form, seeds, folder, reader)
    assert not failures, f"{len(failures)} of {len(seeds)} mutants failed:\n" + "\n".join(failures[:SHOWN])


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_mutants_are_read_or_refused_in_words(form, tmp_path, reader):
    if form.name in ("edf", "cbf"):
        pytest.importorskip("fabio", reason="fabio reads this format; pip install 'retrieve-phase[detectors]'")
    checked(form, range(30), tmp_path, reader)


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_many_more_mutants(form, tmp_path, reader):
    if form.name in ("edf", "cbf"):
        pytest.importorskip("fabio", reason="fabio reads this format; pip install 'retrieve-phase[detectors]'")
    checked(form, range(1000, 1500), tmp_path, reader)
