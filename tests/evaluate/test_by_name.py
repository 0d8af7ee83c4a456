"""`retrieve.solve`, `compare` and their cards, as a notebook uses them."""

import numpy as np
import pytest

import retrieve as rt
from retrieve.errors import InputError
from retrieve.simulate import TUNE_SEED, Noise, object_set


@pytest.fixture(scope="module")
def film():
    return object_set("domains2d-10-cells").problem(0, TUNE_SEED)


@pytest.fixture(scope="module")
def result(film):
    return rt.solve("hio:iterations=20", film, starts=2)


def test_a_solver_by_name_is_that_solver(film, result):
    same = rt.solve(rt.solvers.HIO(iterations=20), film, starts=2)
    assert np.array_equal(result.object, same.object)
    assert result.manifest["options"]["iterations"] == 20


def test_solve_judges(film, result):
    assert result.verdict == rt.judge(result)
    assert result.uncertainty is not None
    bare = rt.solve("hio:iterations=5", film, starts=2, verdict=False)
    assert bare.verdict is None
    assert bare.uncertainty is None


def test_solve_averages(film):
    begun = film.truth * (1 + 0.2 * np.random.default_rng(0).normal(size=(2, *film.shape)))
    mean = rt.solve("er:iterations=2", film, starts=2, x0=begun, average="mean", verdict=False)
    assert mean.averaging == "mean"
    assert mean.manifest["averaging"] == "mean"
    assert rt.solve("er:iterations=2", film, starts=2, x0=begun).averaging is None


def test_auto_takes_the_mean_of_starts_that_agree():
    problem = object_set("crystal2d").problem(0, TUNE_SEED, Noise(photons=1e6, support="unknown"))
    result = rt.solve("auto", problem, starts=2, agree=0)
    best = rt.solve("auto", problem, starts=2, agree=0, average="best")
    assert np.array_equal(result.estimates, best.estimates)
    assert (result.averaging, best.averaging) == ("mean", None)
    assert result.verdict == best.verdict  # of the starts


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda film: rt.solve(film, rt.solvers.HIO()), "the solver comes first"),
        (lambda film: rt.solve(rt.solvers.HIO, film), r"HIO is a class; make one: HIO\(\)"),
        (lambda film: rt.solve("hoi", film), "did you mean hio"),
        (lambda film: rt.solve("hio", "scan.npz"), r"retrieve.read\('scan.npz'\)"),
        (lambda film: rt.solve("hio", film.data), "ndarray, no Problem"),
        (lambda film: rt.solve("hio:beta=9", film), "beta=9"),
        (lambda film: rt.compare(["hio", "hio"], film), "two solvers are labelled 'hio'"),
        (lambda film: rt.compare(["hio"], film, objects=3), "belong to a benchmark"),
    ],
    ids=["swapped", "class", "unknown", "path", "array", "option", "labels", "no benchmark"],
)
def test_mistakes_are_told(film, call, told):
    with pytest.raises(InputError, match=told):
        call(film)


def test_the_learned_solvers_are_at_hand():
    assert rt.solvers.Diffusion.name == "diffusion"
    assert rt.solvers.DPS.name == "dps"
    assert rt.solvers.UNet.name == "unet"
    with pytest.raises(AttributeError, match="no attribute 'Difusion'"):
        _ = rt.solvers.Difusion


def test_data_lie_as_objects_do():
    intensity = np.zeros((16, 12), np.float32)
    intensity[8, 6], intensity[3, 4] = 100, 7
    mask = np.ones(intensity.shape, bool)
    mask[0, 0] = False
    data = rt.Problem.from_arrays(intensity=intensity, mask=mask).data
    assert np.isnan(data[0, 0])
    assert np.allclose(np.nan_to_num(data), intensity)


def test_texts_are_short(film, result):
    for shown in (film, result, result.verdict):
        assert len(repr(shown)) < 2000
    assert repr(film).startswith("Problem(pattern: ")
    assert result.verdict.headline in repr(result)


def test_cards_hold_facts_and_escape_texts(film, result):
    card = result._repr_html_()
    assert result.verdict.headline in card
    assert "data:image/png;base64," in card
    assert "<script" not in card
    verdict = result.verdict._replace(words="<script>alert(1)</script>")
    assert "<script" not in verdict._repr_html_()
    assert f"{film.data.shape[0]} × {film.data.shape[1]} px" in film._repr_html_()


@pytest.mark.parametrize("name", ["problem", "result", "figure"])
def test_pictures_are_pngs(film, result, name):
    shown = {"problem": film, "result": result, "figure": rt.plot(result)}[name]
    assert shown._repr_png_().startswith(b"\x89PNG")


def test_tables_hold_a_line_a_start(result):
    pytest.importorskip("pandas")
    table = result.table()
    assert list(table["chosen"]) == [k == result.chosen for k in range(2)]
    assert np.allclose(table["r"], [score.r for score in result.scores])


def test_compare_by_name(film):
    pytest.importorskip("pandas")
    found = rt.compare({"quick": "hio:iterations=5", "slow": rt.solvers.HIO(iterations=20)}, film, starts=2)
    table = found.table()
    assert set(table["solver"]) == {"quick", "slow"}
    assert "complex_correlation" in table
    assert "quick" in found._repr_html_()
    assert repr(found) == "Comparison(quick, slow; 1 problems, 6 rows)"


def test_compare_on_a_benchmark():
    found = rt.compare("hio:iterations=5", "crystal2d", noise=[0.0], objects=1, starts=1, seconds=None)
    assert {row.group for row in found.rows} == {"crystal2d", "crystal2d-strong"}
    assert found.settings["benchmark"] == "crystal2d"


def test_compare_on_a_set_with_its_options():
    found = rt.compare("hio:iterations=5", "crystal2d:size=32", noise=[0.0], objects=1, starts=1, seconds=None)
    assert {row.group for row in found.rows} == {"crystal2d:size=32"}
    with pytest.raises(rt.OptionError, match="unknown option 'siez'"):
        rt.compare("hio:iterations=5", "crystal2d:siez=32")


def test_progress_takes_every_step(film, capsys):
    with rt.progress(quiet=True) as show:
        rt.solve("hio:iterations=5", film, starts=1, on_step=show, verdict=False)
    assert capsys.readouterr().out == ""
