import re
from dataclasses import replace

import numpy as np
import pytest
from reading import HOSTILE, assert_alone, scripts_of, text_of

from retrieve.problem.scoring import Score
from retrieve.report.deviance_panel import deviance_panel
from retrieve.report.object_panels import voxel_edges
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
    for part in ("solver hio, 3 starts, seed 7", "the third was chosen", "all 3 found the same object", "12.5 nm", "Mode 2:"):
        assert part in said
    assert ("Against the truth" in said) == truth
    assert ('type="range"' in html) == (len(shape) == 3)


def test_stages_are_numbered_and_named_on_the_page(result_of):
    stages = ((1, "raar"), (25, "er"))
    said = text_of(page(result_of(stages=(stages,) * 3)))
    assert "Numbers: stages of start 2." in said
    assert "1 raar 2 er" in said
    assert "Numbers: stages" not in text_of(page(result_of()))


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


def test_the_page_shows_the_deviance_by_shells_of_frequency(result_of):
    scores = (Score(0.02, 0.05, 1.0, deviance=1.23, deviance_free=1.89), Score(0.03, 0.05, 1.0, deviance=4.5, deviance_free=5.5))
    said = text_of(page(result_of(starts=2, scores=scores, chosen=0)))
    assert "Deviance per pixel 1.23 on the fitted pixels; 1 if noise explains the misfit; 1.89 on the held-out ones" in said
    assert "free deviance" in said
    assert "4.5" in said
    unknown = result_of(starts=2)
    unknown = replace(unknown, problem=unknown.problem.replace(amplitude=unknown.problem.amplitude * np.float32(0.7)))
    assert "eviance" not in text_of(page(unknown))


def test_the_page_says_why_another_start_than_the_lowest_was_chosen(result_of):
    scores = (Score(0.3, 0.1), Score(0.2, 0.101), Score(0.4, 0.5))
    said = text_of(page(result_of(starts=3, scores=scores, chosen=1)))
    assert "Starts 3 start 1 is chosen (R_free 0.101), though start 0 has the lowest R_free (0.1)" in said


@pytest.mark.parametrize("shape", [(64, 64), (20, 24, 28)])
def test_the_deviance_of_a_shell_is_that_of_its_pixels(result_of, shape):
    made = result_of(shape)
    truth = replace(made, object=made.problem.truth)
    panel = deviance_panel(truth)
    fitted, held, one = (np.asarray(curve.y) for curve in panel.curves)
    assert len(fitted) == len(held) == min(shape) // 2 + 1
    assert np.nanmedian(fitted) == pytest.approx(1, abs=0.15)
    assert np.nanmedian(held) == pytest.approx(1, abs=0.35)
    assert np.isnan(fitted[0])  # under the beam stop
    far = np.fft.fftn(truth.object)
    q = np.sqrt(sum(f**2 for f in np.meshgrid(*map(np.fft.fftfreq, shape), indexing="ij")))
    wrong = replace(truth, object=np.fft.ifftn(np.where(q > 0.4, 3 * far, far)).astype(np.complex64))
    seen = np.asarray(deviance_panel(wrong).curves[0].y)
    low, high = panel.curves[0].x < 0.35, panel.curves[0].x > 0.42
    np.testing.assert_allclose(seen[low], fitted[low], rtol=1e-2)
    assert (seen[high] > 1.5 * fitted[high]).all()


def test_only_a_volume_brings_the_viewer(result_of):
    pytest.importorskip("plotly")
    flat, solid = page(result_of()), page(result_of((16, 20, 24)))
    assert len(scripts_of(flat)) == 1
    assert len(scripts_of(solid)) == 3
    assert len(solid) < 3e6
    assert "Surface at half the median amplitude" in text_of(solid)
    assert_alone(solid)


def test_without_the_viewer_the_page_names_the_remedy(result_of, monkeypatch):
    monkeypatch.setattr("retrieve.report.result_panels.can_draw_surfaces", lambda: False)
    made = page(result_of((16, 20, 24)))
    assert "retrieve-phase[view]" in text_of(made)
    assert len(scripts_of(made)) == 1
    assert "retrieve-phase[view]" not in text_of(page(result_of()))


@pytest.mark.slow
def test_a_page_of_a_large_volume_is_small(result_of):
    assert len(page(result_of((128, 128, 128), starts=2)).encode()) < 8e6


EXPERIMENT = {
    "diffractometer": "34idc",
    "energy_kev": 9.0,
    "distance_m": 0.5,
    "pixel_size_um": [55.0, 55.0],
    "angles_deg": {"delta": 32.174, "gamma": 12.6346, "theta": [0.01 * k for k in range(16)]},
}


def test_scale_bars_have_the_length_that_they_tell(result_of):
    html = page(result_of((32, 32), truth=False, meta={"voxel_size_nm": 12.5}))
    shares = re.findall(r'<span class="scale" data-length="([^"]*)" style="--share:([^"]*)%"><i></i>(\d+) nm', html)
    (_, columns, _), *_ = re.findall(r'alt="(amplitude, retrieved)" width="(\d+)" height="(\d+)"', html)
    assert len(shares) == 2  # the object and the modes
    length, share, told = shares[0]
    assert float(length) == float(told)
    assert float(share) == pytest.approx(100 * float(length) / (12.5 * int(columns)), abs=0.01)


def test_an_experiment_gives_the_object_its_nanometres(result_of):
    made = text_of(page(result_of((16, 20, 24), truth=False, meta={"experiment": EXPERIMENT})))
    edges = voxel_edges({"experiment": EXPERIMENT}, (16, 20, 24))
    size = np.linalg.norm(edges, axis=1)
    assert f"voxels of {size[0]:.3g}" in made
    assert "retrieve strain puts the object upright" in made
    assert " px)" not in made[made.index("Object") : made.index("Diffraction")]


def test_a_wrong_experiment_leaves_pixels(result_of):
    broken = {**EXPERIMENT, "angles_deg": {"theta": [0.0] * 16, "delta": 30.0, "gamma": 0.0}}
    assert voxel_edges({"experiment": broken}, (16, 20, 24)) is None
    assert voxel_edges({"experiment": {"energy_kev": -1}}, (16, 20, 24)) is None
    assert voxel_edges({}, (16, 20, 24)) is None
    assert voxel_edges({"experiment": EXPERIMENT}, (20, 24)) is None
