import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import PathPatch
from numpy.testing import assert_allclose, assert_array_equal

from retrieve.errors import InputError
from retrieve.evaluate.verdict import Verdict
from retrieve.io.result import Cost, Result
from retrieve.numerics.alignment import tilt
from retrieve.problem import Problem
from retrieve.problem.scoring import Score
from retrieve.report.history_panel import history_panel
from retrieve.report.result_picture import HEADLINE_WIDTH, plot, result_picture
from retrieve.simulate import beam_stop, crystal, measure


def result_of(shape, *, starts=3, phase=1.0, meta=None, photons=1e5, **changes):
    x = crystal(shape, seed=0, fill=0.4, phase=phase)
    if photons:
        x *= np.sqrt(photons / np.sum(np.abs(x) ** 2))
    problem = Problem.from_arrays(
        intensity=measure(x, photons=photons), mask=beam_stop(shape, 2), truth=x, meta={} if meta is None else meta
    )
    steps = [20.0, 40.0, 60.0]
    history = tuple({"step": steps, "r": [0.3, 0.1, 0.02 / (k + 1)], "r_free": [0.4, 0.2, 0.05]} for k in range(starts))
    made = Result(
        object=x,
        estimates=np.stack([x] * starts),
        supports=np.stack([np.abs(x) > 0] * starts),
        chosen=starts - 1,
        scores=tuple(Score(0.02 / (k + 1), 0.05) for k in range(starts)),
        history=history,
        cost=Cost(),
        problem=problem,
        spread=np.abs(x) / 10 if starts > 1 else None,
        manifest={"solver": "hio"},
    )
    return replace(made, **changes)


def panels(figure):
    return {axes.get_title(): axes for axes in figure.axes if axes.get_title()}


def colour_bars(figure):
    return [axes.get_ylabel() for axes in figure.axes if axes.get_label() == "<colorbar>"]


def outlines(axes):
    return [artist for artist in axes.get_children() if isinstance(artist, PathPatch)]


def shown(axes):
    return np.ma.filled(axes.images[0].get_array().astype(float), np.nan)


def test_2d_has_its_panels_units_and_headline():
    figure = plot(result_of((64, 64), interrupted=True))
    assert set(panels(figure)) == {"amplitude", "phase", "spread", "measured", "calculated", "R against the step"}
    assert colour_bars(figure) == ["amplitude (√counts)", "phase (rad)", "std of amplitude (√counts)", "intensity (counts)"]
    headline = figure.get_suptitle()
    for part in ("hio", "R 0.00667", "R_free 0.05", "3 starts, the third was chosen", "interrupted"):
        assert part in headline
    assert "interrupted" not in plot(result_of((64, 64))).get_suptitle()


def test_what_the_verdict_warns_of_fits_above_the_picture():
    verdict = Verdict("solved", 0.9, {}, "", (40 * "a long warning ", "a short one"))
    lines = plot(replace(result_of((64, 64)), verdict=verdict)).get_suptitle().splitlines()
    assert max(map(len, lines)) <= HEADLINE_WIDTH
    assert lines[1].startswith("verdict: solved")
    assert lines[-1] == "a short one"
    assert " ".join(lines[2:-1]) == (40 * "a long warning ").strip()


@pytest.mark.parametrize("starts", [1, 3])
def test_3d_shows_a_cut_an_axis_for_each_quantity(starts):
    figure = plot(result_of((24, 26, 28), starts=starts, meta={"voxel_size_nm": (5.0, 4.0, 2.0)}))
    titles = set(panels(figure))
    names = {"amplitude", "phase"} | ({"spread"} if starts > 1 else set())
    assert titles == {f"{n}, {a} = 0 nm" for n in names for a in "zyx"} | {
        f"{n}, q{a} = {i}".replace("-", "−")
        for n in ("measured", "calculated")
        for a, i in zip("zyx", peak_of((24, 26, 28)), strict=True)
    } | {"R against the step"}
    cut = panels(figure)["amplitude, y = 0 nm"]
    assert [text.get_text() for text in cut.texts] == ["5 nm"]  # of 38 nm
    assert not panels(figure)["phase, y = 0 nm"].texts
    assert (cut.get_xlabel(), cut.get_ylabel()) == ("x (nm)", "z (nm)")
    left, right, bottom, top = cut.images[0].get_extent()
    assert (right - left) / shown(cut).shape[1] == pytest.approx(2)
    assert (bottom - top) / shown(cut).shape[0] == pytest.approx(5)


def peak_of(shape):
    problem = result_of(shape).problem
    centred = np.fft.fftshift(problem.amplitude)
    return [int(i) - n // 2 for i, n in zip(np.unravel_index(centred.argmax(), shape), shape, strict=True)]


@pytest.mark.parametrize(("shape", "starts"), [((64, 64), 1), ((64, 64), 3), ((24, 26, 28), 1), ((24, 26, 28), 3)])
def test_nothing_is_clipped(shape, starts):
    stages = tuple((5 * k + 1, f"generation {k}, then a rather long name") for k in range(12))
    figure = plot(result_of(shape, starts=starts, stages=(stages,) * starts))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    page = figure.bbox.padded(1)
    for axes in figure.axes:
        box = axes.get_tightbbox(canvas.get_renderer())
        assert page.contains(box.x0, box.y0), axes.get_title()
        assert page.contains(box.x1, box.y1), axes.get_title()


def test_measured_and_calculated_share_their_scale_and_hide_what_was_not_measured():
    result = result_of((64, 64))
    drawn = panels(plot(result))
    measured, calculated = drawn["measured"], drawn["calculated"]
    assert measured.images[0].get_clim() == calculated.images[0].get_clim()
    assert_array_equal(np.isnan(shown(measured)), ~beam_stop((64, 64), 2))
    assert not np.isnan(shown(calculated)).any()
    floor, top = measured.images[0].get_clim()
    truth = measure(result.object)
    assert_allclose(shown(calculated), np.maximum(truth, floor), rtol=1e-3)
    assert floor == pytest.approx(1)  # one photon
    assert top == pytest.approx(np.max(result.problem.amplitude) ** 2)


@pytest.mark.parametrize("factor", [1, 1e4, 1e7])
def test_data_that_are_not_counts_are_not_called_counts(factor):
    result = result_of((64, 64), photons=None)
    labels = colour_bars(plot(replace(result, problem=result.problem.replace(amplitude=factor * result.problem.amplitude))))
    assert labels[-1] == "intensity (arb. units)"
    assert labels[0] == "amplitude (arb. units)"


def test_ramp_offset_and_position_do_not_change_the_picture():
    result = result_of((64, 64), starts=1)
    disguised = tilt(result.object * np.exp(1j), (0.3, -0.2))
    moved = replace(result, object=np.roll(disguised, (30, -28), (0, 1)), supports=np.roll(result.supports, (30, -28), (1, 2)))
    a, b = panels(plot(result)), panels(plot(moved))
    assert_allclose(shown(b["amplitude"]), shown(a["amplitude"]), rtol=1e-4, atol=1e-3)
    assert_allclose(shown(b["phase"]), shown(a["phase"]), atol=1e-3)
    assert b["phase"].images[0].get_extent() == a["phase"].images[0].get_extent()


def test_the_object_is_cropped_outlined_and_its_phase_masked():
    result = result_of((64, 64))
    drawn = panels(plot(result))
    assert shown(drawn["amplitude"]).shape[0] < 40
    assert np.nanmax(shown(drawn["amplitude"])) == pytest.approx(np.abs(result.object).max())
    assert np.isnan(shown(drawn["phase"])[0]).all()
    assert np.isfinite(shown(drawn["phase"])).sum() == np.sum(np.abs(result.object) > 0.1 * np.abs(result.object).max())
    assert len(outlines(drawn["amplitude"])) == 1
    without = replace(result, supports=None)
    assert len(outlines(panels(plot(without))["amplitude"])) == 0


def test_phase_scale_is_cyclic_where_phases_may_wrap():
    strong = panels(plot(result_of((64, 64), phase=6.0)))["phase"].images[0]
    assert strong.get_clim() == pytest.approx((-np.pi, np.pi))
    assert strong.get_cmap().name == "twilight"
    bar = next(axes for axes in plot(result_of((64, 64), phase=6.0)).axes if axes.get_ylabel() == "phase (rad)")
    assert [label.get_text() for label in bar.get_yticklabels()] == ["−π", "0", "π"]
    weak = panels(plot(result_of((64, 64), phase=0.5)))["phase"].images[0]
    assert 0.2 < weak.get_clim()[1] < 0.5
    assert weak.get_clim()[0] == -weak.get_clim()[1]


def test_error_curves_emphasise_the_chosen_start():
    result = result_of((64, 64))
    axes = panels(plot(result))["R against the step"]
    assert axes.get_yscale() == "log"
    assert len(axes.lines) == 6
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["R, start 2 (chosen)", "R_free, start 2 (chosen)"]
    best = next(line for line in axes.lines if line.get_label() == labels[0])
    assert_allclose(best.get_ydata(), result.history[2]["r"])
    assert best.get_linewidth() > axes.lines[0].get_linewidth()


STAGES = ((1, "wide, 32 px: batch 1"), (3, "wide, 32 px: batch 2"), (20, "half, then shrink-wrap"), (40, "er"), (50, "wide"))


def test_numbered_lines_on_the_error_curves_show_where_stages_begin():
    axes = panels(plot(replace(result_of((64, 64)), stages=((), (), STAGES))))["R against the step"]
    lines = [line.get_xdata()[0] for line in axes.lines if len(set(line.get_xdata())) == 1]
    assert lines == [1, 3, 20, 40, 50]
    numbers = {text.get_text(): text.get_position()[0] for text in axes.texts if text.get_text().isdigit()}
    assert numbers == {"2": 20, "3": 40, "1": 50}
    names = axes.texts[-1].get_text().replace("\u00a0", " ")
    assert names.split("   ") == ["1 wide", "2 half, then shrink-wrap", "3 er"]


def test_numbers_of_stages_keep_apart_and_a_single_stage_has_none():
    close = ((1, "coarse"), (2, "fine"), (40, "end"))
    panel = history_panel(replace(result_of((32, 32)), stages=(close,) * 3))
    assert [(mark.x, mark.name) for mark in panel.begins] == [(1, "coarse"), (2, ""), (40, "end")]
    assert panel.numbers == {"coarse": 1, "end": 2}
    for stages in ((), (((1, "hio"),),) * 3):
        assert history_panel(replace(result_of((32, 32)), stages=stages)).begins == ()


def test_no_word_stands_alone_in_the_headline():
    verdict = Verdict("cannot tell", None, {}, "", ("word " * 23 + "alone",))
    lines = plot(replace(result_of((32, 32)), verdict=verdict)).get_suptitle().splitlines()
    assert len(lines[-1]) > 0.7 * len(lines[-2])


def test_one_point_and_no_history():
    one = replace(result_of((64, 64), starts=1), history=({"step": [5.0], "r": [0.5]},))
    line = panels(plot(one))["R against the step"].lines[0]
    assert line.get_marker() == "o"
    none = replace(one, history=({"step": [5.0], "r": [float("nan")]},))
    axes = panels(plot(none))["R against the step"]
    assert not axes.lines
    assert axes.texts[0].get_text() == "no history"


@pytest.mark.parametrize(("shape", "value"), [((32, 32), 0), ((16, 16, 16), np.nan)])
@pytest.mark.filterwarnings("error")
def test_an_empty_estimate_is_drawn(shape, value, tmp_path):
    result = result_of(shape, starts=1)
    empty = replace(result, object=np.full_like(result.object, value), supports=None)
    result_picture(empty, tmp_path / "empty.png")
    assert (tmp_path / "empty.png").stat().st_size > 10_000


def test_picture_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    import matplotlib.figure

    result, path = result_of((32, 32)), tmp_path / "out.png"
    figure = result_picture(result, str(path))
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [p.name for p in tmp_path.iterdir()] == ["out.png"]
    assert tuple(figure.get_size_inches()) == (13.5, 7.5)

    before = path.read_bytes()

    def half(self, target, **_):
        target.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", half)
    with pytest.raises(InputError, match="disk full"):
        result_picture(result, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["out.png"]


def test_unknown_suffix(tmp_path):
    with pytest.raises(InputError, match=r"out\.xyz.*png"):
        result_picture(result_of((32, 32)), tmp_path / "out.xyz")
    assert not list(tmp_path.iterdir())


def test_importing_leaves_the_slow_out():
    code = (
        "import sys; import retrieve.report.result_picture, retrieve.numerics.alignment; "
        "import retrieve.evaluate.ensemble, retrieve.simulate; "
        "print([m for m in ('matplotlib', 'torch', 'sklearn') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_drawing_needs_no_pyplot(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # importing it now raises
    assert plot(result_of((32, 32))).axes


def test_the_spread_shows_what_all_agreeing_supports_hold_and_what_any_does():
    result = result_of((64, 64))
    wider = result.supports.copy()
    wider[0] |= np.roll(wider[0], 2, 0)
    unsure = replace(result, supports=wider, problem=result.problem.replace(support=None))
    drawn = panels(plot(unsure))["spread"]
    assert [text.get_text() for text in drawn.get_legend().get_texts()] == [
        "in all 3 supports that agree",
        "in any of them",
    ]
    assert len(outlines(drawn)) == 3  # the support, all, any
    known = replace(unsure, problem=result.problem.replace(support=result.supports[0]))
    assert panels(plot(known))["spread"].get_legend() is None
