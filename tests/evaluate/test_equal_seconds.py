"""Budgets in seconds and in transforms: the same for every solver, and a note where one does not come to its own method."""

import dataclasses
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import pytest
from small_cases import cases

from retrieve.cli import main
from retrieve.driver.solve import Budget
from retrieve.errors import InputError
from retrieve.evaluate import benchmarks, clock
from retrieve.evaluate.compare import compare, summarise
from retrieve.evaluate.comparison import Comparison, Row
from retrieve.evaluate.store import Store
from retrieve.evaluate.tables import from_dict, to_dict
from retrieve.report.comparison_command import command_of
from retrieve.simulate import set_names
from retrieve.solvers import ER, HIO, Solver, Step

DIFFUSION = "diffusion:search=600,beginnings=0,evaluations=4,rounds=1"


@pytest.fixture
def a_second_a_step(monkeypatch):
    """A clock that moves a second whenever it is read, which is once a step."""
    monkeypatch.setattr(clock, "_processor_seconds", itertools.count().__next__)


@dataclass(frozen=True)
class Fixed(Solver):
    """It draws nothing, and says so."""

    name: ClassVar[str] = "fixed"
    deterministic: ClassVar[bool] = True

    def steps(self, problem, x, rng) -> Iterator[Step]:
        yield Step(0 * x + 1)


@dataclass(frozen=True)
class Unknown(Solver):
    """It does not tell how long it is."""

    name: ClassVar[str] = "unknown"

    def steps(self, problem, x, rng) -> Iterator[Step]:
        for _ in range(400):
            yield Step(x)


def equal(solvers, seconds=100, starts=1, given=None, **settings):
    """A comparison in this process, so that the clock of the fixture holds."""
    return compare(solvers, given or cases(1), starts=starts, seconds=seconds, executor="serial", **settings)


def best_of(found):
    return {row.solver: row for row in found.rows if row.start is None}


def test_each_solver_spends_its_seconds_and_a_start_that_they_end_is_left_out(a_second_a_step):
    found = equal({"short": HIO(iterations=30), "even": ER(iterations=7), "long": HIO(iterations=500)})
    best = best_of(found)
    assert (best["short"].starts, best["short"].completed) == (3, 1)
    assert (best["even"].starts, best["even"].completed) == (14, 1)
    assert (best["long"].starts, best["long"].completed) == (1, 100 / 500)
    assert {label: row.ffts for label, row in best.items()} == dict.fromkeys(best, 2 * 100)  # the rest is spent, too
    assert [row.start for row in found.rows if row.solver == "short"] == [0, 1, 2, None]
    assert best["short"].r_free == min(row.r_free for row in found.rows if row.solver == "short")
    assert found.settings["stopped_by_budget"] == ["long"]
    (note,) = found.notes
    assert "long before its own end on 1 of 1 objects, after 20% of its steps" in note
    assert (found.settings["seconds"], found.settings["clock"]) == (100, "processor")
    assert found.equal == "each solver had 100 s of processor time an object, for all its starts"


def test_starts_run_together_in_blocks(a_second_a_step):
    found = best_of(equal({"hio": HIO(iterations=30)}, starts=4))["hio"]
    assert (found.starts, found.ffts) == (3 * 4, 100 * 4 * 2)


def test_a_start_is_that_of_any_other_run(a_second_a_step):
    timed = equal({"hio": HIO(iterations=30)})
    plain = compare({"hio": HIO(iterations=30)}, cases(1), starts=3)
    assert [row.r for row in timed.rows] == [row.r for row in plain.rows]


def test_one_start_is_enough_of_a_deterministic_solver(a_second_a_step):
    assert best_of(equal({"fixed": Fixed()}))["fixed"].starts == 1


def test_a_solver_of_unknown_length_is_named(a_second_a_step):
    found = equal({"unknown": Unknown()})
    assert best_of(found)["unknown"].completed is None
    assert "after an unknown share of its steps" in found.notes[0]


def test_few_starts_have_rows_and_all_count(a_second_a_step, monkeypatch):
    monkeypatch.setattr("retrieve.evaluate.trial.MOST_ROWS", 2)
    found = equal({"er": ER(iterations=7)})
    assert [row.start for row in found.rows] == [0, 1, None]
    every = compare({"er": ER(iterations=7)}, cases(1), starts=14)
    assert best_of(found)["er"].r_free == pytest.approx(best_of(every)["er"].r_free)
    assert summarise(found)[-1].starts == 14


@pytest.mark.parametrize(
    ("settings", "told"),
    [({"seconds": 0.0}, "seconds=0.0 is out of range"), ({"budget": Budget(seconds=2)}, "budget.seconds=2 bounds one start")],
)
def test_seconds_out_of_range(settings, told):
    with pytest.raises(InputError, match=told):
        compare({"hio": HIO()}, cases(1), **settings)


def test_rows_of_another_budget_are_not_resumed(a_second_a_step, tmp_path):
    for seconds, expected in ((50, 0), (50, 1), (60, 0)):
        with Store(tmp_path / "c.rows.jsonl", resume=True) as store:
            equal({"hio": HIO(iterations=10)}, seconds, store=store)
        assert store.taken == expected
    with Store(tmp_path / "c.rows.jsonl", resume=True) as store:
        compare({"hio": HIO(iterations=10)}, cases(1), starts=1, budget=Budget(ffts=10), store=store)
    assert store.taken == 0


def test_older_files_are_read_and_their_notes_kept():
    row = Row("s", None, 0, "a", None, 0.1, 0.2, {}, 1.0, 10)
    settings = {"benchmark": "domains2d-50", "starts": 8, "budget": {"seconds": 0.5}, "stopped_by_budget": ["a"]}
    content = to_dict(Comparison(settings, {"a": {"name": "hio", "options": {}}}, (row,)))
    for one in content["rows"]:
        del one["completed"], one["starts"]
    read = from_dict(json.loads(json.dumps(content)))
    assert read.rows == (row,)
    assert read.notes == ["the budget stopped a before its own end"]
    assert read.equal == ""
    assert "--seconds 4.0" in command_of(read)


def command(capsys, *words):
    with pytest.raises(SystemExit) as ended:
        main(["compare", *map(str, words)])
    return ended.value.code, " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_a_learned_solver_calls_its_network_under_a_benchmark(executor, tmp_path, monkeypatch, capsys):
    short = {name: dataclasses.replace(one, seconds=4.0) for name, one in benchmarks.BENCHMARKS.items()}
    monkeypatch.setattr(benchmarks, "BENCHMARKS", short)
    given = ["--benchmark", "domains2d-50", "--objects", 1, "--noise", 0.01, "--workers", 1, "--executor", executor]
    code, _ = command(capsys, *given, "--solver", DIFFUSION, "--solver", "hio", "--json", tmp_path / "a.json")
    assert code == 0
    content = json.loads((tmp_path / "a.json").read_text())
    calls = [row["network_evaluations"] for row in content["rows"] if row["solver"] == DIFFUSION]
    assert calls
    assert min(calls) > 0
    assert content["settings"]["seconds"] == 4
    starts = {row["solver"]: row["starts"] for row in content["rows"] if row["start"] is None}
    assert starts["hio"] > 4  # more than a block fit


def test_a_solver_cut_before_its_method_is_named_in_table_file_and_page(tmp_path, capsys):
    given = ["--benchmark", "domains2d-50-cells", "--objects", 1, "--noise", 0.01, "--ffts", 200, "--starts", 1]
    ours = "diffusion:beginnings=0,evaluations=250"
    given += ["--workers", 1, "--solver", ours, "--solver", "hio:iterations=50"]
    files = {kind: tmp_path / f"a.{kind}" for kind in ("json", "html", "csv")}
    code, out = command(capsys, *given, "--json", files["json"], "--report", files["html"], "--csv", files["csv"])
    assert code == 0
    expected = f"the budget stopped {ours} before its own end on 1 of 1 objects, after 4% of its steps"
    idle = "on 1 of them it never called its network"
    content = json.loads(files["json"].read_text())
    for text in (out, " ".join(files["html"].read_text().split()), *content["settings"]["notes"]):
        assert expected in text
        assert idle in text
    assert len(content["settings"]["notes"]) == 1  # hio came to its end
    shares = {row["solver"]: row["completed"] for row in content["rows"]}
    assert shares == {ours: pytest.approx(100 / (2000 + 24 + 250)), "hio:iterations=50": 1}
    assert "own run" in out
    assert "completed" in files["csv"].read_text().splitlines()[0]


def test_benchmarks_and_sets_have_the_same_names(capsys):
    assert set(benchmarks.benchmark_names()) == set(set_names())
    for name in set_names():
        first = next(benchmarks.benchmark(name).cases(noise=[0], objects=1))
        assert first.group == benchmarks.benchmark(name).sets[0]
    for line in (["compare", "--solver", "hio", "--benchmark"], ["simulate"]):
        with pytest.raises(SystemExit, match="2"):
            main([*line, "domains2d-50-cell"])
        assert "did you mean domains2d-50-cells" in capsys.readouterr().err


def test_the_list_has_every_name_with_size_noise_and_budget(capsys):
    main(["compare", "--list"])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    rows = {words[0]: words[1:] for words in reversed(lines) if words}  # the table stands first
    for name in set_names():
        one = benchmarks.benchmark(name)
        assert "×" in rows[name][0]
        assert rows[name][-1] == f"{one.seconds:g}"
        assert {str(one.objects), "0.05,"} <= set(rows[name])
    assert {"domains2d-50-blobs,", "domains2d-50-cells"} <= {word for words in lines for word in words}
