"""What an ensemble says, for ensembles of which it is known."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from retrieve.errors import InputError
from retrieve.evaluate.analysis_summary import summary, write_summary
from retrieve.evaluate.analyze import analyze
from retrieve.evaluate.ensemble import agreement_matrix, clusters_of, pairwise, upper
from retrieve.evaluate.groups import natural_threshold, verdict_of
from retrieve.evaluate.metrics import chi2_diffraction
from retrieve.numerics.stacks import align_all
from retrieve.report.analysis_picture import analysis_picture
from retrieve.report.page import page
from retrieve.simulate import crystal


def test_one_solution(ensemble):
    result = ensemble()
    made = analyze([result])
    assert re.fullmatch(r"one solution: all 6 agree, by 0\.9\d on average", made.verdict)
    assert len(made.clusters) == 1
    assert made.kind == "starts"
    assert made.members.shape == (6, 32, 32)
    expected = pairwise(align_all(result.estimates, made.reference), result.problem)
    for name, matrix in made.pairs.items():
        assert_allclose(upper(matrix), upper(expected[name]), atol=2e-3)
        assert upper(matrix).size == 15
    assert upper(made.pairs["amplitude"]).min() > 0.9
    expected = [chi2_diffraction(x, result.problem) for x in result.estimates]
    assert_allclose(made.errors["chi2_diffraction"], expected)


def test_noise_lowers_the_likeness_and_raises_the_spread(ensemble):
    little, much = (analyze([ensemble(noise=n)]) for n in (0.02, 0.2))
    for name in ("amplitude", "phase", "diffraction"):
        assert np.median(upper(little.pairs[name])) > np.median(upper(much.pairs[name]))
    assert much.modes.spread.max() > 5 * little.modes.spread.max()
    assert np.nanmedian(much.modes.phase_spread) > 10 * np.nanmedian(little.modes.phase_spread)
    assert little.modes.phase.fractions[0] > much.modes.phase.fractions[0]
    assert little.modes.common > much.modes.common


@pytest.mark.parametrize("noise", [0.02, 0.1, 0.18])
@pytest.mark.parametrize(
    ("seeds", "sizes", "verdict"),
    [
        (
            (0, 0, 0, 5, 5),
            [3, 2],
            r"several solutions: groups of 3, 2 among 5, agreeing by [01].\d\d within and 0.[78]\d between",
        ),
        ((0, 0, 0, 5), [3, 1], r"one solution is found 3 times of 4, agreeing by [01].\d\d; the other 1 agree with none"),
        ((0,) * 9, [9], "one (solution|group, but a loose one): all 9 agree,? by .*"),
    ],
)
def test_several_solutions_whatever_their_scatter(ensemble, seeds, sizes, verdict, noise):
    made = analyze([ensemble(seeds, noise=noise)])
    assert [len(cluster.members) for cluster in made.clusters] == sizes
    assert re.fullmatch(verdict, made.verdict), made.verdict
    assert set(made.clusters[0].members) == set(range(sizes[0]))


def test_a_threshold_of_ones_own(ensemble):
    loose = ensemble(noise=0.25)
    assert len(analyze([loose]).clusters) == 1
    assert analyze([loose], threshold=0.95).verdict == "no solution is found twice among 6"
    assert len(analyze([ensemble((0, 0, 0, 5, 5))], threshold=0.2).clusters) == 1


def test_starts_that_agree_in_nothing(rng):
    x = rng.normal(size=(8, 200)) + 1j * rng.normal(size=(8, 200))
    matrix = agreement_matrix(x)
    found = clusters_of(matrix, natural_threshold(matrix))
    assert verdict_of(found, matrix).startswith("no solution stands out: all 8 agree by 0.0")


def test_groups_that_are_nearly_the_same_are_one_solution(ensemble):
    """Two groups 0.99 apart stand clearly apart, and mean the same."""
    matrix = np.full((6, 6), 0.9999)
    matrix[:3, 3:] = matrix[3:, :3] = 0.99
    np.fill_diagonal(matrix, 1)
    assert len(clusters_of(matrix, natural_threshold(matrix))) == 1


def test_the_reference_is_one_that_has_company(ensemble):
    assert analyze([ensemble((5, 0, 0, 0))], threshold=0.9).reference == 0  # its free score is the best by more than 5 %
    near = ensemble((5, 0, 0, 0))
    near = replace(near, scores=(near.scores[0],) * 4)
    assert analyze([near]).reference in (1, 2, 3)


def test_failed_starts_are_left_out(ensemble):
    made = analyze([ensemble(failed=(0, 3))])
    assert (len(made.members), made.left_out) == (4, 2)


def test_starts_whose_score_is_infinite_are_left_out(ensemble):
    whole = ensemble()
    scores = (replace(whole.scores[0], r=np.inf), *whole.scores[1:])
    made = analyze([replace(whole, scores=scores)])
    assert (len(made.members), made.left_out) == (len(scores) - 1, 1)
    assert np.isfinite(made.members).all()


def test_samples_are_taken_where_there_are_some(ensemble):
    assert analyze([ensemble(samples=4)]).kind == "samples"
    assert len(analyze([ensemble(samples=4)]).members) == 4
    assert len(analyze([ensemble(samples=4)], of="starts").members) == 6
    assert analyze([ensemble(samples=4), ensemble()]).kind == "starts"


def test_files_of_other_exposure_and_middle_agree(ensemble):
    """Two data sets of one object: the scale and the ramp that differ are taken out before they are compared."""
    second = ensemble(scale=3.0, draw=1, noise=0.05)
    ramp = np.exp(0.05j * np.arange(32))
    second = replace(second, estimates=(second.estimates * ramp).astype(np.complex64))
    made = analyze([ensemble(noise=0.05), second], ["a.cxi", "b.cxi"])
    assert made.verdict.startswith("one solution: all 12")
    between = made.between("amplitude")
    assert between.shape == (2, 2)
    assert_allclose(between, between.T)
    assert between.min() > 0.95
    assert made.between("phase").min() > 0.95
    power = np.linalg.norm(made.members.reshape(12, -1), axis=1)
    assert power.max() < 1.1 * power.min()
    assert [one.of for one in made.curves] == ["6 members", "averages of the first two files"]
    other = analyze([ensemble(noise=0.05), ensemble((5,) * 6, draw=1, noise=0.05)])
    assert other.between("amplitude")[0, 1] < other.between("amplitude")[0, 0]
    assert other.verdict.startswith("several solutions: groups of 6, 6")


def test_curves(ensemble):
    made = analyze([ensemble(noise=0.02, meta={"voxel_size_nm": 5.0})])
    assert [one.curve.name for one in made.curves] == ["PRTF", "FRC"]
    assert all(one.curve.value[1] > 0.9 for one in made.curves)
    assert made.curves[0].resolution.half_period_nm == pytest.approx(5 * made.curves[0].resolution.half_period)


@pytest.mark.parametrize("shape", [(32, 32), pytest.param((16, 20, 18), marks=pytest.mark.slow)])
def test_picture_and_page(ensemble, shape, tmp_path):
    made = analyze([ensemble((0, 0, 0, 5), shape=shape), ensemble((0, 0), shape=shape)], ["<a>.cxi", "b.cxi"])
    analysis_picture(made, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 30_000
    html = page(made)
    for title in ("Likeness of pairs", "Fit to the data", "Solutions", "Spread and modes", "Resolution"):
        assert f">{title}</h2>" in html
    assert made.verdict in html
    assert "<a>" not in html
    assert "http:" not in html
    assert "https:" not in html
    assert html == page(made)


def test_the_summary_is_json_and_complete(ensemble, tmp_path):
    made = analyze([ensemble()], ["a.cxi"], modes=3)
    read = json.loads(write_summary(made, tmp_path / "a.json").read_text())
    assert read == summary(made)
    assert read["files"] == ["a.cxi"]
    assert read["pairwise"]["phase"]["median"] == pytest.approx(np.median(upper(made.pairs["phase"])))
    assert sum(read["pairwise"]["phase"]["histogram"]["counts"]) == 15
    assert len(read["nmf"]["fractions"]) == len(read["circular_svd"]["fractions"]) == 3
    assert read["clusters"][0]["members"] == made.clusters[0].members.tolist()
    assert read["between_files"] is None


def test_numbers_that_are_none(ensemble):
    """An ensemble of which one file has a single member has no likeness within it: null, and no NaN."""
    made = analyze([ensemble(), ensemble((0,), draw=1)])
    assert np.isnan(made.between("phase")[1, 1])
    assert summary(made)["between_files"]["phase"][1][1] is None


@pytest.mark.parametrize(
    ("seeds", "arguments", "match"),
    [
        ([(0,)], {}, "there is 1 usable start; .*--starts or --samples"),
        ([(0, 0)], {"modes": 3}, "there are 2 usable starts; an analysis of modes=3 needs at least 3"),
        ([(0, 0)], {"of": "samples"}, "result 1 holds no samples"),
        ([(0, 0)], {"of": "all"}, "of='all' is unknown; give one of auto, starts, samples"),
        ([(0, 0)], {"threshold": 2}, "threshold=2 is out of range"),
    ],
)
def test_what_cannot_be_analysed(ensemble, seeds, arguments, match):
    with pytest.raises(InputError, match=match):
        analyze([ensemble(s) for s in seeds], **arguments)


def test_results_of_different_shapes(ensemble):
    with pytest.raises(InputError, match=r"objects of shapes \(32, 32\), \(32, 40\); objects of one shape"):
        analyze([ensemble(), ensemble(shape=(32, 40))])


def test_members_lie_in_the_middle(ensemble):
    made = analyze([ensemble(noise=0.0)])
    middle = np.abs(crystal((32, 32), seed=0, fill=0.4, phase=2.0))
    for member in made.members:
        assert np.corrcoef(np.abs(member).ravel(), np.abs(made.members[made.reference]).ravel())[0, 1] > 0.99
    assert_array_equal(made.members.shape[1:], middle.shape)
    weight = np.abs(made.members[0]) ** 2
    assert abs((weight.sum(axis=1) @ np.arange(32)) / weight.sum() - 16) < 1
