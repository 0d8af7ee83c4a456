import re
import shlex
from dataclasses import replace

import pytest
from reading import HOSTILE, assert_alone, text_of

from retrieve.evaluate.comparison import Comparison
from retrieve.plugins.flags import solver_from
from retrieve.plugins.options import values_of
from retrieve.report.comparison_command import command_of
from retrieve.report.page import page


def test_comparison_has_its_parts_and_stands_alone(comparison_of):
    html = page(comparison_of(groups=(("cells", (24, 24)), ("crystal3d", (12, 14, 16)))))
    assert_alone(html)
    said = text_of(html)
    for part in ("domains2d-50: 2 solvers compared", "8 objects in 2 sets, 2 noise levels, 2 starts each, 64 runs."):
        assert part in said
    for part in ("Success against noise", "Summary", "Solver against solver", "Distributions", "Examples", "How this was made"):
        assert f">{part}</h2>" in html
    assert "Failures" not in said
    assert html.count('class="svg"') == 2 * 2 + 2 * 5 + 4  # success; distributions; convergence of each example
    assert "lower is better" in said  # the metrics' own formulas


def test_titles_begin_with_a_capital_but_greek_stays(comparison_of):
    made = comparison_of()
    rows = tuple(replace(row, metrics={**row.metrics, "chi2_object": 0.1}) for row in made.rows)
    titles = re.findall(r"<figcaption>([^<]*)", page(replace(made, rows=rows)))
    assert {"Phase similarity", "NRMSE", "R", "R_free", "χ² of the object", "Complex correlation above 0.95"} <= set(titles)


def test_columns_that_say_one_thing_are_left_out(comparison_of):
    titles = {}
    for noises in ((None,), (0.0, 0.1)):
        head = page(comparison_of(noises=noises)).split('id="summary-table"')[1].split("</thead>")[0]
        titles[noises] = re.findall(r"<button[^>]*>([^<]*)</button>", head)
    assert "noise" not in titles[(None,)]
    assert "noise" in titles[(0.0, 0.1)]
    assert "set" not in titles[(0.0, 0.1)]


def test_comparison_without_a_truth_shows_what_there_is(comparison_of):
    made = comparison_of(noises=(None,))
    rows = tuple(replace(row, metrics={}) for row in made.rows)
    pictures = tuple(replace(p, row=replace(p.row, metrics={}), truth=None, history={}) for p in made.pictures)
    html = page(replace(made, rows=rows, pictures=pictures))
    assert_alone(html)
    assert "Success against noise" not in html
    assert "Solver against solver" not in html
    assert "Convergence" not in html


def test_failures_are_counted_by_reason(comparison_of):
    made = comparison_of()
    rows = tuple(replace(row, failure="ran away", metrics={}) if row.solver == "hio" else row for row in made.rows)
    html = page(replace(made, rows=rows))
    assert "16 failed" in text_of(html)
    assert "ran away" in html.split('id="failures-table"')[1]


@pytest.mark.parametrize("rows", [0, 1])
def test_interrupted_comparison_has_a_page(comparison_of, rows):
    made = comparison_of()
    assert_alone(page(replace(made, rows=made.rows[:rows], pictures=())))


def test_hostile_words_of_a_comparison_are_escaped(comparison_of):
    made = comparison_of(solvers=(HOSTILE, "$raar$"), groups=((HOSTILE, (24, 24)),))
    rows = tuple(replace(row, failure=HOSTILE) if row.start == 0 else row for row in made.rows)
    settings = {**made.settings, "benchmark": HOSTILE, HOSTILE: [HOSTILE]}
    html = page(replace(made, rows=rows, settings=settings, solvers={**made.solvers, HOSTILE: {"name": HOSTILE}}))
    assert html.count("<script>") == 1
    assert html.count("</style>") == 1
    assert_alone(html)
    assert "$raar$" in text_of(html)


def test_examples_beyond_the_budget_are_left_out(comparison_of, monkeypatch):
    monkeypatch.setattr("retrieve.report.comparison_panels.EXAMPLE_PIXELS", 10)
    html = page(comparison_of())
    assert "1 more example left out" in text_of(html)
    assert html.count('class="example"') == 1


def test_full_comparison_is_below_six_megabytes(comparison_of):
    made = comparison_of(objects=20, starts=8, solvers=("a", "b", "c", "d"), noises=(0.0, 0.01, 0.05, 0.1, 0.2), pictures=3)
    assert len(page(made).encode()) < 6e6


def test_the_same_content_gives_the_same_page(comparison_of):
    assert page(comparison_of()) == page(comparison_of())


def test_command_runs_the_comparison_again(comparison_of):
    solvers = {
        "hio": {"name": "hio", "options": {**values_of(solver_from("hio", {})), "beta": 0.7}},
        "recipe:recipe=20 er": {"name": "recipe", "options": values_of(solver_from("recipe:recipe=20 er", {}))},
        "theirs": {"name": "foreign", "options": {"file": "theirs.npy", "convention": "cohere"}},
    }
    words = shlex.split(command_of(replace(comparison_of(), solvers=solvers)))
    given = dict(zip(words, words[1:], strict=False))
    assert (given["--benchmark"], given["--noise"], given["--ffts"]) == ("domains2d-50", "0,0.1", "1200")
    specs = [after for word, after in zip(words, words[1:], strict=False) if word == "--solver"]
    assert specs == ["hio=hio:beta=0.7", "recipe:recipe=20 er"]
    assert solver_from(specs[0].partition("=")[2], {}) == solver_from("hio:beta=0.7", {})
    assert given["--result"] == "theirs=theirs.npy:cohere"


def test_command_is_none_where_nothing_names_the_data():
    assert command_of(Comparison({}, {}, ())) is None
