import re
import shlex
import subprocess
import sys
from dataclasses import replace
from html import unescape

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from retrieve.errors import InputError
from retrieve.evaluate.comparison import Comparison
from retrieve.plugins.flags import solver_from
from retrieve.plugins.options import values_of
from retrieve.problem.scoring import Score
from retrieve.report.page import page, write_page
from retrieve.report.page.command import command_of

HOSTILE = """<script>alert("x")</script></style>'&{{title}}"""


def text_of(html):
    """What a reader sees, roughly."""
    body = html[html.index("<body>") : html.rindex("<script>")]
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", body)))


def assert_alone(html):
    """The page fetches nothing: no address, no source but data, a policy that forbids the rest, and sound names."""
    assert "http:" not in html
    assert "https:" not in html
    assert "default-src 'none'; img-src data:;" in html
    assert all(source.startswith("data:image/png;base64,") for source in re.findall(r'src="([^"]*)"', html))
    assert all(target.startswith(("#", "data:,")) for target in re.findall(r'href="([^"]*)"', html))
    assert not re.findall(r"@import|url\((?!#)", html)
    names = re.findall(r'\bid="([^"]*)"', html)
    assert len(names) == len(set(names))
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', html)) <= set(names)


# a result -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(32, 32), (20, 24, 16)])
@pytest.mark.parametrize("truth", [True, False])
def test_result_says_its_numbers_and_stands_alone(result_of, shape, truth):
    html = page(result_of(shape, truth=truth, meta={"title": "Grain 7", "voxel_size_nm": 12.5}))
    assert_alone(html)
    said = text_of(html)
    for part in (
        "Grain 7",
        "Misfit R 0.00667",
        "R_free 0.0125",
        "Free over fitted 1.88",
        "of the pixels that the solver never saw",
    ):
        assert part in said
    for part in ("solver hio, 3 starts, seed 7", "start 2 was chosen", "all 3 found the same object", "12.5 nm", "mode 2,"):
        assert part in said
    assert ("Against the truth" in said) == truth
    assert ('type="range"' in html) == (len(shape) == 3)


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


# a comparison -------------------------------------------------------------------------------------


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


def test_columns_that_say_one_thing_are_left_out(comparison_of):
    heads = {
        noises: re.findall(
            r'<button type="button">(\w+)|<button title="[^"]*" type="button">(\w+)',
            page(comparison_of(noises=noises)).split('id="summary-table"')[1].split("</thead>")[0],
        )
        for noises in ((None,), (0.0, 0.1))
    }
    titles = {noises: ["".join(pair) for pair in found] for noises, found in heads.items()}
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
    monkeypatch.setattr("retrieve.report.page.of_comparison.BUDGET", 10)
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


# the file -----------------------------------------------------------------------------------------


def test_page_is_written_beside_and_renamed(result_of, tmp_path):
    path = tmp_path / "out.html"
    path.write_text("before")
    assert write_page(result_of(), path) == path
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert list(tmp_path.iterdir()) == [path]


def test_failure_leaves_what_was_there(result_of, tmp_path, monkeypatch):
    path = tmp_path / "out.html"
    path.write_text("before")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        write_page(result_of(), path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_place_that_cannot_be_written_is_said(result_of, tmp_path):
    with pytest.raises(InputError, match="no directory"):
        write_page(result_of(), tmp_path / "missing" / "out.html")


def test_importing_the_page_loads_no_heavy_library():
    program = (
        "import sys, retrieve.report.page; print([m for m in ('torch', 'sklearn', 'matplotlib', 'PIL') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip() == "[]"


# its pieces ---------------------------------------------------------------------------------------


def test_png_gives_the_colours_back():
    import base64
    import io

    from matplotlib import colormaps
    from PIL import Image

    from retrieve.report.page.images import ColourScale, png

    uri = png(np.array([[0.0, 1.0, 2.0], [np.nan, -5.0, 9.0]]), ColourScale("viridis", 0.0, 2.0, "x"))
    image = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGBA"))
    first, last = (np.round(255 * np.array(colormaps["viridis"](share)[:3])) for share in (0.0, 1.0))
    assert_array_equal(image[0, 0, :3], first)
    assert_array_equal(image[1, 1, :3], first)
    assert_array_equal(image[0, 2, :3], last)
    assert_array_equal(image[1, 2, :3], last)
    assert image[1, 0, 3] == 0
    assert image[0, 1, 3] == 255


def test_atlas_holds_every_cut_in_its_place():
    from retrieve.report.page.images import atlas

    volume = np.arange(5 * 2 * 4).reshape(5, 2, 4)
    sheet, across = atlas(volume)
    for z in range(5):
        row, column = z // across * 2, z % across * 4
        assert_array_equal(sheet[row : row + 2, column : column + 4], volume[z])


def test_large_volumes_and_patterns_are_thinned():
    from retrieve.report.page.images import MAX_PIXELS, ColourScale, Panel, block_mean, viewer

    volume = np.zeros((4, 6, 2 * MAX_PIXELS + 2))
    html = viewer({"": [Panel("x", volume, ColourScale("viridis", 0, 1, "x"), "x")]}, (3, 3, MAX_PIXELS), [2.0] * 3, "nm")
    assert 'data-step="3"' in html
    assert 'data-shape="2,2,75"' in html
    assert "6 nm" in unescape(html)
    assert_array_equal(block_mean(np.array([[1.0, 3.0, 9], [np.nan, 2.0, 9], [9, 9, 9]]), largest=2), [[2.0]])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "—"),
        (float("nan"), "—"),
        (float("inf"), "∞"),
        (0.0, "0"),
        (0.123456, "0.123"),
        (-2.5, "−2.5"),
        (1.5e-7, "1.5 × 10⁻⁷"),
    ]
    + [(12345, "12 345"), (1000.4, "1 000"), (True, "1")],
)
def test_numbers_for_reading(value, text):
    from retrieve.report.page.html import number

    assert number(value).replace("\u202f", " ") == text


def test_elements_escape_what_is_not_markup():
    from retrieve.report.page.html import tag

    assert tag("p", "<b>", tag("i", "&"), None, class_='"x"', data_k=0, hidden=True, id=None) == (
        '<p class="&quot;x&quot;" data-k="0" hidden>&lt;b&gt;<i>&amp;</i></p>'
    )


@pytest.mark.parametrize("truth", [True, False])
def test_a_result_shows_how_sure_its_support_is(result_of, truth):
    html = page(result_of((32, 32), truth=truth))
    assert "share of the agreeing starts whose support holds it" in html
    assert re.search(r"all of the 3 starts that agree hold \d+ px, any of them \d+ px", text_of(html))
    assert "share of the agreeing starts" not in page(result_of((32, 32), truth=truth, starts=1))
