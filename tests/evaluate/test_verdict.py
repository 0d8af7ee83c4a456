import dataclasses
from pathlib import Path

import numpy as np
import pytest

import retrieve as rt
from retrieve.evaluate.verdict import account_lines, judge, label_of, next_step
from retrieve.io.results import read_result
from retrieve.io.verdict import Verdict
from retrieve.problem.scoring import Score, select_start
from retrieve.simulate import TEST_SEED, TUNE_SEED, Noise, object_set
from retrieve.solvers import HIO

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
BLIND = Noise(support="unknown")


@pytest.fixture(scope="module")
def film():
    return object_set("domains2d-10-blobs").problem(0, TUNE_SEED)


def run(problem, starts, iterations=400):
    return rt.solve(HIO(iterations=iterations), problem, starts=starts, batch=starts)


def shuffled(problem, seed=0):
    """The pattern with its pixels shuffled within rings of resolution: its phases fit nothing."""
    y = problem.amplitude.copy()
    q = np.sqrt(sum(k**2 for k in np.meshgrid(*(np.fft.fftfreq(n, 1 / n) for n in y.shape), indexing="ij"))).astype(int)
    for ring in range(q.max() + 1):
        y[q == ring] = np.random.default_rng([seed, ring]).permutation(y[q == ring])
    return problem.replace(amplitude=y, truth=None)


def test_one_start_tells_nothing(film):
    verdict = judge(run(film, 1, iterations=5))
    assert (verdict.label, verdict.probability) == ("cannot tell", None)
    assert "--starts 2" in verdict.words


def test_starts_of_a_solver_that_draws_nothing_tell_nothing(film):
    result = rt.solve(rt.solvers.ER(iterations=5), film, starts=3, x0=np.broadcast_to(film.truth, (3, *film.shape)))
    verdict = judge(result)
    assert (verdict.label, verdict.probability) == ("cannot tell", None)
    assert "the same to the bit" in verdict.words


@pytest.mark.slow
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_flat_pattern_is_not_taken_for_solved():
    """Counts without a speckle: the object is a point, or fits noise."""
    counts = np.random.default_rng(0).poisson(5, (64, 64))
    verdict = judge(rt.solve(rt.solvers.Auto(), rt.Problem.from_arrays(intensity=counts), starts=4))
    assert verdict.label in ("cannot tell", "not solved", "outside calibration")
    assert verdict.probability is None or verdict.probability < 0.2


def test_starts_that_agree_and_predict_are_solved(film):
    verdict = judge(run(film, 3))
    assert verdict.label == "solved"
    assert verdict.probability > 0.8
    assert verdict.evidence["nearest_correlation"] > 0.99


def test_a_shuffled_pattern_is_not_solved(film):
    verdict = judge(run(shuffled(film), 3))
    assert verdict.label != "solved"
    assert verdict.probability < 0.4


@pytest.mark.parametrize(
    ("p", "groups", "label"),
    [(0.9, 1, "solved"), (0.9, 2, "solved"), (0.4, 2, "several solutions"), (0.4, 1, "not solved"), (0.4, 0, "not solved")],
)
def test_labels(p, groups, label):
    assert label_of(p, groups) == label


def test_two_objects_that_score_alike_are_two_groups(film):
    result = run(shuffled(film), 4)
    twice = dataclasses.replace(result, estimates=result.estimates[[0, 0, 1, 1]], scores=(result.scores[0],) * 4, chosen=0)
    verdict = judge(twice)
    assert verdict.evidence["nearest_correlation"] > 0.999
    assert "2 different groups of starts score about as well" in verdict.words


def test_evidence_of_older_files_is_read(film, tmp_path):
    older = {"partner": 0.5, "company": 0.0, "level": 0.05, "ratio": 5.0, "gap": 2.0, "transfer": 0.7, "closure": 0.6}
    verdict = Verdict("solved", 0.9, older, "words")
    path = dataclasses.replace(run(film, 1, iterations=2), verdict=verdict).save(tmp_path / "a.cxi")
    back = read_result(path).verdict
    assert back.evidence["nearest_correlation"] == 0.5
    assert back.evidence["outline_overlap"] == 0.6
    assert (back.label, back.probability, back.advice) == ("solved", 0.9, "")


def test_the_verdict_is_in_the_file(film, tmp_path):
    result = run(film, 2)
    result = dataclasses.replace(result, verdict=judge(result), account=(("one",), ("two",)))
    back = read_result(result.save(tmp_path / "a.cxi"))
    assert back.verdict == result.verdict
    assert back.account == result.account


def test_a_choice_against_the_lowest_free_score_is_explained(film):
    result = run(film, 3, iterations=5)
    pixels = int(result.held.sum())
    near = 0.1 * (1 + 0.5 * np.sqrt(2 / pixels))
    scores = (Score(0.3, 0.1), Score(0.2, near), Score(0.4, 0.5))
    lines = account_lines(dataclasses.replace(result, scores=scores, chosen=1, account=(("seen",),) * 3))
    assert lines[0] == "seen"
    assert lines[1].startswith(f"start 1 is chosen (R_free {near:.4g}), though start 0 has the lowest R_free (0.1): on {pixels}")
    assert account_lines(dataclasses.replace(result, scores=scores, chosen=0)) == []
    assert select_start(scores, pixels, alike=True) == 1


def test_odd_supports_are_told(film):
    result = run(film, 1, iterations=5)
    support = np.zeros((1, 64, 64), bool)
    support[0, 0:5, 10:20] = support[0, 40:50, 10:20] = True
    x = np.where(support[0], 1, 0).astype(np.complex64)
    warnings = " ".join(judge(dataclasses.replace(result, object=x, supports=support)).warnings)
    assert "touches the edge" in warnings
    assert "detached" in warnings


def crystal_with_hot_pixels(number, counts, support):
    problem = object_set("crystal2d").problem(number, TUNE_SEED, Noise(photons=1e6))
    y = problem.amplitude.copy()
    y[20, 41] = np.sqrt(counts)
    return problem.replace(amplitude=y, support=problem.support if support else None)


@pytest.mark.parametrize("counts", [1e7, 1e8, 1e9])
@pytest.mark.parametrize("solver", [HIO(), rt.solvers.Recipe()])
def test_a_hot_pixel_is_never_solved_and_is_named(counts, solver):
    problem = crystal_with_hot_pixels(0, counts, support=isinstance(solver, HIO))
    verdict = judge(rt.solve(solver, problem, starts=4, strict=False))
    assert verdict.label == "not solved"
    assert verdict.probability < 0.1
    assert "(52, 9)" in verdict.advice  # of the centred pattern
    assert any("pixel (52, 9)" in warning for warning in verdict.warnings)


@pytest.mark.slow
def test_few_wrong_positive_objects_in_wide_supports_are_called_solved(monkeypatch):
    """The starts agree on a smooth box in them; a verdict by agreement and R alone calls nearly all of them solved."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from verdict_kinds import case
    from verdict_runs import outcome

    wrong, right = [], []
    for number in range(70):
        drawn = case("positive", number, TEST_SEED)
        result = rt.solve(drawn.solver, drawn.problem, starts=drawn.starts, seed=number, strict=False)
        found = outcome(result.object, drawn.problem.truth)
        is_right = found["correlation"] > 0.95 and found["inside"] > 0.6
        (right if is_right else wrong).append(judge(result).label == "solved")
    assert len(wrong) >= 8
    assert sum(wrong) <= 0.5 * len(wrong)
    assert sum(right) >= 0.5 * len(right)


def test_a_pattern_that_is_not_explained_is_not_solved(film):
    """All starts agree, since they are one start thrice; R is 0.9."""
    result = run(film, 2, iterations=30)
    noise = np.random.default_rng(0).random((64, 64)) * film.amplitude.max()
    result = dataclasses.replace(
        result,
        estimates=np.stack([result.estimates[0], result.estimates[0] * 1.0001]),
        scores=(Score(0.9, 0.9),) * 2,
        problem=film.replace(amplitude=noise.astype(np.float32)),
    )
    verdict = judge(result)
    assert verdict.label == "not solved"
    assert "not explained" in verdict.words
    assert "retrieve inspect" in verdict.advice


@pytest.mark.parametrize(
    ("label", "evidence", "words"),
    [
        ("several solutions", {}, "retrieve analyze"),
        ("not solved", {"nearest_correlation": 0.7}, "the starts disagree: try --starts 12"),
        ("not solved", {"may_be_real": 1.0, "fill": 0.2}, "more than twice as large as the object: give a tighter one"),
        ("not solved", {"ratio": 5.0}, "the fit follows the noise: give a tighter support"),
        ("not solved", {"filled_minima": 0.3}, "two crystals? More is measured in the minima than one object explains"),
        ("not solved", {"filled_minima": 0.0}, "the starts agree on an object that fits badly"),
        ("not solved", {}, "the starts agree on an object that fits badly"),
    ],
)
def test_the_next_step_follows_from_the_evidence(label, evidence, words):
    agreed = {"nearest_correlation": 0.97, "may_be_real": 0.0, "fill": 0.8, "ratio": 1.2}
    assert words in next_step(label, agreed | evidence, 6)


def test_a_solved_result_needs_no_next_step(film):
    assert judge(run(film, 3)).advice == ""
