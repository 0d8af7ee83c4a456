import dataclasses

import numpy as np
import pytest

import retrieve as rt
from retrieve.evaluate.verdict import account_lines, features, judge, label_of, model, probability
from retrieve.io.results import read_result
from retrieve.io.verdict import Verdict
from retrieve.problem.scoring import Score, select_start
from retrieve.simulate import TUNE_SEED, Noise, object_set
from retrieve.solvers import HIO

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
def test_a_flat_pattern_is_not_taken_for_solved():
    """Counts without a speckle: the object is a point, on which every start agrees."""
    counts = np.random.default_rng(0).poisson(5, (64, 64))
    verdict = judge(rt.solve(rt.solvers.Auto(), rt.Problem.from_arrays(intensity=counts), starts=4))
    assert (verdict.label, verdict.probability) == ("cannot tell", None)
    assert "flat" in verdict.words


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


EVIDENCE = {
    "nearest_correlation": 0.5,
    "agreement_rate": 0.0,
    "r_free": 0.05,
    "ratio": 5.0,
    "score_gap": 2.0,
    "prtf": 0.7,
    "outline_overlap": 0.6,
    "blurred": 0.0,
}


@pytest.mark.parametrize(
    ("name", "better"),
    [("nearest_correlation", 0.99), ("agreement_rate", 1.0), ("r_free", 0.001), ("prtf", 0.99), ("outline_overlap", 0.95)],
)
def test_more_agreement_is_never_less_probable(name, better):
    assert probability(EVIDENCE | {name: better}) > probability(EVIDENCE)
    assert len(features(EVIDENCE)) == len(model()["weight"]) == len(model()["mean"])


def test_evidence_of_older_files_is_read(film, tmp_path):
    older = dict(
        zip(("partner", "company", "level", "ratio", "gap", "transfer", "closure", "blurred"), EVIDENCE.values(), strict=True)
    )
    assert probability(older) == probability(EVIDENCE)
    verdict = Verdict("solved", 0.9, older, "words")
    path = dataclasses.replace(run(film, 1, iterations=2), verdict=verdict).save(tmp_path / "a.cxi")
    assert read_result(path).verdict == verdict._replace(evidence=EVIDENCE)


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
