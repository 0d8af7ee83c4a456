"""The run as a record: what the manifest keeps, and that it does the same again."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from retrieve.driver.batch import resolve_spec
from retrieve.driver.run_spec import Budget, RunSpec
from retrieve.driver.solve import run, solve
from retrieve.errors import InputError
from retrieve.plugins.registry import find
from retrieve.problem.likelihood import Gaussian, Poisson
from retrieve.solvers import ER, HIO, Recipe


def again(result, problem, **how):
    """The result of the run that its manifest records, by way of JSON."""
    return run(RunSpec.from_record(json.loads(json.dumps(result.manifest))), problem, **how)


def same(one, other):
    for name in ("object", "estimates", "supports", "samples"):
        assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    assert [h["step"][-1] for h in one.history] == [h["step"][-1] for h in other.history]
    assert one.chosen == other.chosen


def test_a_record_older_than_an_option_means_what_it_meant():
    record = json.loads(
        json.dumps(RunSpec(find("solvers", "dps")(), starts=1, batch=1, agree=0.0, likelihood=Gaussian()).record())
    )
    assert RunSpec.from_record(record).solver.begin == "search"
    del record["options"]["begin"]
    assert RunSpec.from_record(record).solver.begin == "noise"


def test_a_record_is_read_back_whole(hard):
    spec = RunSpec(
        Recipe(recipe="3 hio + 2 er", beta=0.7),
        starts=3,
        seed=4,
        hold_out=0.05,
        budget=Budget(steps=9, seconds=2.5),
        agree=0.5,
        device="cpu",
        likelihood=Poisson(scale=3.0),
        averaging="common-mode",
        keep=2,
        batch=2,
        score_every=7,
        strict=False,
        separate=True,
        input={"path": "a.npz", "sha256": "0" * 64, "key": "x"},
        x0="1" * 64,
        stopped={0: 5, 2: None},
        samples_stopped={},
    )
    assert RunSpec.from_record(json.loads(json.dumps(spec.record()))) == spec
    resolved = resolve_spec(RunSpec(HIO()), hard)
    assert None not in (resolved.starts, resolved.batch, resolved.agree, resolved.likelihood)
    assert resolve_spec(resolved, hard) == resolved


def test_the_manifest_of_an_older_file_is_read():
    solver = HIO(iterations=30)
    older = RunSpec(solver, starts=4, batch=2, agree=0.0, likelihood=Gaussian(), separate=True, averaging="mean").record()
    for name in ("strict", "budget", "x0", "stopped", "samples_stopped", "samples", "agree"):
        del older[name]
    older["combine"], older["shared"] = older.pop("averaging"), older.pop("separate")
    spec = RunSpec.from_record({**older, "transform": "numpy", "versions": {}, "machine": "a", "weights": [1.0]})
    assert (spec.averaging, spec.separate, spec.agree, spec.samples, spec.budget) == ("mean", True, 0.0, 0, Budget())
    assert not spec.strict
    assert RunSpec.from_record({**older, "starts": 1}).strict


@pytest.mark.parametrize("executor", [None, "serial"])
def test_a_run_that_its_seconds_stopped_is_repeated_to_the_bit(hard, executor):
    budget = Budget(seconds=0.1)
    result = solve(HIO(iterations=10**7), hard, starts=3, batch=2, budget=budget, executor=executor)
    stopped = result.manifest["stopped"]
    assert stopped == {str(k): int(h["step"][-1]) for k, h in enumerate(result.history)}
    assert result.manifest["budget"]["seconds"] == 0.1
    found = again(result, hard)
    same(found, result)
    assert found.manifest["stopped"] == stopped


@pytest.mark.parametrize("bound", [{"ffts": 33}, {"steps": 12}])
def test_a_run_that_a_count_stopped_is_repeated_to_the_bit(hard, bound):
    result = solve(HIO(iterations=500), hard, starts=3, budget=Budget(**bound))
    assert set(result.manifest["stopped"].values()) == {int(result.history[0]["step"][-1])}
    same(again(result, hard), result)


def test_a_start_that_ended_within_its_budget_is_not_cut_at_its_repetition(hard):
    result = solve(HIO(iterations=20), hard, starts=2, budget=Budget(steps=1000))
    assert result.manifest["stopped"] == {"0": None, "1": None}
    same(again(result, hard), result)
    assert solve(HIO(iterations=20), hard).manifest["stopped"] is None


def test_an_interrupted_run_is_repeated_up_to_where_it_was_stopped(hard):
    solver = HIO(iterations=40)
    result = solve(solver, hard, starts=6, batch=2, on_step=lambda told: told.start == 2 and told.step == 7)
    assert result.interrupted
    assert result.manifest["stopped"] == {"0": None, "1": None, "2": 7, "3": 7}
    found = again(result, hard)
    same(found, result)
    assert not found.interrupted


def test_starts_that_workers_had_done_when_they_were_interrupted_are_those_that_are_repeated(hard):
    """They need not be the first ones."""
    spec = RunSpec(HIO(iterations=20), starts=5, separate=True, stopped={0: None, 3: None, 4: 6})
    found, whole = run(spec, hard), solve(HIO(iterations=20), hard, starts=5)
    assert_array_equal(found.estimates[:2], whole.estimates[[0, 3]])
    assert_array_equal(found.estimates[2], solve(HIO(iterations=6), hard, starts=5).estimates[4])
    same(run(replace(spec, separate=False, batch=3), hard), found)


@pytest.mark.slow
def test_samples_that_were_stopped_are_repeated_to_the_bit():
    """In parts side by side on the cores; each part may stop at another step."""
    from retrieve.simulate import TUNE_SEED, object_set

    film = object_set("domains2d-25-cells").problem(3, TUNE_SEED)
    solver = find("solvers", "diffusion")(search=20, evaluations=8)
    result = solve(solver, film, starts=3, samples=3, agree=0, device="torch:cpu", budget=Budget(steps=26))
    assert set(result.manifest["samples_stopped"]) == {"3", "4", "5"}
    same(again(result, film), result)


def test_where_the_work_is_done_is_no_part_of_the_record(hard):
    records = [
        solve(ER(iterations=5), hard, starts=3, executor=executor, workers=workers).manifest
        for executor, workers in (("serial", 1), ("threads", 2), ("threads", 3))
    ]
    assert records[0] == records[1] == records[2]
    assert not {"executor", "workers"} & set(records[0])


def test_own_beginnings_are_recorded_by_their_hash(hard, tmp_path):
    from retrieve.io.results import read_result

    x0 = np.random.default_rng(0).standard_normal((2, *hard.shape)).astype(np.complex64)
    result = solve(HIO(iterations=5), hard, starts=2, x0=x0)
    assert len(result.manifest["x0"]) == 64
    same(again(result, hard, x0=x0), result)
    for other in (None, x0[::-1], x0.astype(np.complex128)):
        with pytest.raises(InputError, match=r"began with an array x0 of SHA-256 \w{12}…; give that array"):
            again(result, hard, x0=other)
    assert_array_equal(read_result(result.save(tmp_path / "a.cxi")).x0, x0)
    assert solve(HIO(iterations=5), hard).manifest["x0"] is None


@dataclass(frozen=True)
class Uneven(Gaussian):
    """A likelihood as a plugin may define one."""


def test_a_likelihood_of_a_plugin_comes_back_or_is_named(hard, monkeypatch):
    entries = {"gaussian": "retrieve.problem.likelihood:Gaussian", "uneven": Uneven}
    monkeypatch.setattr("retrieve.plugins.builtin.register_likelihoods", lambda: entries)
    result = solve(HIO(iterations=3), hard.replace(likelihood=Uneven(sigma=0.7)))
    assert RunSpec.from_record(result.manifest).likelihood == Uneven(sigma=0.7)
    unknown = {**result.manifest, "likelihood": {"name": "lorentz", "width": 2.0}}
    with pytest.raises(InputError, match="the likelihood 'lorentz' is unknown here; install the plugin that registers it"):
        RunSpec.from_record(unknown)


def test_weights_that_changed_are_refused():
    record = RunSpec(HIO(), starts=1, likelihood=Gaussian()).record()
    with pytest.raises(InputError, match="the weights .* have changed since"):
        RunSpec.from_record({**record, "record": {"weights_sha256": "0"}})
