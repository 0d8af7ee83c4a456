import re
from dataclasses import replace

import numpy as np
import pytest
from reading import HOSTILE, assert_alone, text_of

from retrieve.problem.scoring import Score
from retrieve.report.page import page


@pytest.mark.parametrize("shape", [(32, 32), (20, 24, 16)])
@pytest.mark.parametrize("truth", [True, False])
def test_result_says_its_numbers_and_stands_alone(result_of, shape, truth):
    html = page(result_of(shape, truth=truth, meta={"title": "Grain 7", "voxel_size_nm": 12.5}))
    assert_alone(html)
    said = text_of(html)
    for part in (
        "Grain 7",
        "R 0.00667 on the fitted pixels",
        "R_free 0.0125",
        "R_free / R 1.88",
        "of the pixels that were held out",
    ):
        assert part in said
    for part in ("solver hio, 3 starts, seed 7", "start 2 was chosen", "all 3 found the same object", "12.5 nm", "Mode 2:"):
        assert part in said
    assert ("Against the truth" in said) == truth
    assert ('type="range"' in html) == (len(shape) == 3)


def test_result_of_one_start_has_no_spread(result_of):
    said = text_of(page(result_of(starts=1, scores=(Score(0.02),), held=None)))
    assert "Spread and modes" not in said
    assert "no pixels were held out" in said
    assert "Starts 1 there is no other" in said


def test_failed_starts_are_told_with_their_reason(result_of):
    made = result_of(starts=3, interrupted=True)
    estimates = made.estimates.copy()
    estimates[0] = np.nan
    html = page(
        replace(made, estimates=estimates, scores=(Score(np.nan, None, failure="no finite value left"), *made.scores[1:]))
    )
    said = text_of(html)
    assert "Starts 2 of 3" in said
    assert "Start 0 failed. no finite value left" in said
    assert "Interrupted." in said


def test_result_without_any_finite_value_still_has_a_page(result_of):
    made = result_of(starts=2)
    lost = np.full_like(made.estimates, np.nan)
    scores = (Score(np.nan, None, failure="lost"),) * 2
    html = page(replace(made, object=lost[0], estimates=lost, scores=scores, history=({}, {}), supports=None, spread=None))
    assert "Start 1 failed." in text_of(html)
    assert_alone(html)


@pytest.mark.parametrize(("how", "words"), [("common-mode", "their common mode"), ("mean", "their mean")])
def test_a_combined_object_is_called_so(result_of, how, words):
    made = result_of(averaged=Score(0.01, 0.02), manifest={"combine": how})
    assert f"the object is {words}" in text_of(page(made))


def test_hostile_words_of_a_result_are_escaped(result_of):
    meta = {"title": HOSTILE, "source": HOSTILE}
    manifest = {"solver": HOSTILE, "options": {HOSTILE: HOSTILE}, "input": {"path": HOSTILE}}
    made = result_of(starts=2, meta=meta, manifest=manifest, scores=(Score(1.0, failure=HOSTILE), Score(1.0)))
    html = page(made)
    assert html.count("<script>") == 1
    assert html.count("</style>") == 1
    assert text_of(html).count("alert(") >= 5


@pytest.mark.parametrize("truth", [True, False])
def test_a_result_shows_how_sure_its_support_is(result_of, truth):
    html = page(result_of((32, 32), truth=truth))
    assert "share of the agreeing starts whose support holds it" in html
    assert re.search(r"all of the 3 starts that agree hold \d+ px, any of them \d+ px", text_of(html))
    assert "share of the agreeing starts" not in page(result_of((32, 32), truth=truth, starts=1))


@pytest.mark.parametrize("shape", [(32, 32), (16, 20, 18)])
def test_the_same_result_gives_the_same_page(result_of, shape):
    assert page(result_of(shape)) == page(result_of(shape))


def test_the_outline_of_the_support_lies_on_the_object(result_of):
    html = page(result_of((32, 32), truth=False))
    overlays = re.findall(r'<svg viewBox="0 0 (\d+) (\d+)" [^>]*>((?:<path[^>]*>)+)', html)
    sizes = re.findall(r'<img [^>]*width="(\d+)" height="(\d+)">', html)
    assert len(overlays) == 2  # amplitude and phase
    for columns, rows, paths in overlays:
        assert (columns, rows) in sizes
        assert re.search(r'd="M[\dMHV ]+" stroke="(white|#4d4d4d)"', paths)
