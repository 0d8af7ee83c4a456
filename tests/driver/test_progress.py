"""What `on_step` may see of the estimate."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import retrieve as rt
from retrieve.driver.solve import solve
from retrieve.plugins.registry import find


def looked_at(solver, problem, every=1, **options):
    """The result, and what each `every`th step showed."""
    seen, kept = [], []

    def on_step(progress):
        if progress.step % every == 0:
            seen.append((progress, progress.look()))
            kept.append(progress.look)

    result = solve(find("solvers", solver[0])(**solver[1]), problem, on_step=on_step, **options)
    assert all(look() is None for look in kept)  # the solver may have reused the memory
    return result, seen


@pytest.mark.parametrize("device", ["cpu", "torch"])
@pytest.mark.parametrize("solver", [("hio", {"iterations": 60}), ("auto", {"effort": 0.1})], ids=lambda s: s[0])
def test_the_estimate_is_there_at_each_step_and_the_result_is_the_same(easy, solver, device):
    blind = easy.replace(support=None)
    result, seen = looked_at(solver, blind, 7, starts=2, device=device)
    assert all(look.x.shape == easy.shape and look.x.dtype == np.complex64 for _, look in seen)
    assert any(np.abs(look.x).max() > 0 for _, look in seen)
    assert all(not look.x[~look.support].any() for _, look in seen if look.support is not None)
    unseen = solve(find("solvers", solver[0])(**solver[1]), blind, starts=2, device=device)
    assert_array_equal(result.estimates, unseen.estimates)
    assert result.scores == unseen.scores
    assert result.manifest == unseen.manifest


def test_of_a_batch_the_start_of_the_lowest_score_is_seen(easy):
    result, seen = looked_at(("hio", {"iterations": 200}), easy, 200, starts=6, batch=6, score_every=200)
    [(progress, look)] = seen
    best = int(np.argmin([score.r_free for score in result.scores]))
    assert progress.r_free == min(values["r_free"][-1] for values in result.history)
    assert_array_equal(look.x, result.estimates[best])


def test_workers_show_each_start_at_its_end(easy):
    result, seen = looked_at(("hio", {"iterations": 30}), easy, starts=3, executor="serial")
    for progress, look in seen:
        assert_array_equal(look.x, result.estimates[progress.start])


def test_a_volume_shows_an_estimate_with_its_first_steps():
    problem = rt.example("crystal3d")
    first = []

    def on_step(progress):
        first.append(progress.look())
        return True

    solve(find("solvers", "auto")(), problem, starts=1, on_step=on_step)
    assert first[0].x.shape == problem.shape
    assert np.abs(first[0].x).max() > 0
