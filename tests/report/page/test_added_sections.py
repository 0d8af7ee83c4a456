"""Panels of plugins on the page of a result: shown, escaped, guarded."""

import importlib.metadata
import re
import types
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from markupsafe import Markup
from matplotlib.figure import Figure

import retrieve as rt
from retrieve.plugins import loading
from retrieve.report import page as pages
from retrieve.report.page import added, page
from retrieve.report.panels import ColourScale, HistogramPanel, ImagePanel, PixelGrid

BAD = "<script>alert(1)</script>"


@pytest.fixture
def install(monkeypatch):
    """Registers panels as those of plugins, by the name of each plugin."""
    real = importlib.metadata.entry_points

    def pretend(**plugins):
        points = []
        for name, panels in plugins.items():
            module = types.ModuleType(name)
            module.register_panels = rt.hookimpl(_returning(panels))
            points.append(
                SimpleNamespace(name=name, load=lambda module=module: module, dist=SimpleNamespace(name=f"{name}-dist"))
            )
        monkeypatch.setattr(
            importlib.metadata, "entry_points", lambda **of: tuple(points) if of == {"group": "retrieve"} else real(**of)
        )
        loading.loaded.cache_clear()

    yield pretend
    loading.loaded.cache_clear()


def _returning(panels):
    def register_panels():
        return panels

    return register_panels


def one(content):
    """A panel that shows this, whatever the result."""
    return {"mine": rt.Panel("Mine", lambda result: content)}


def section(html, title="Mine"):
    """The content of the section under a heading."""
    (found,) = re.findall(rf"<section [^>]*><h2 [^>]*>{re.escape(title)}</h2>(.*?)</section>", html, re.DOTALL)
    return found


def drawn():
    figure = Figure(figsize=(3, 2))
    figure.subplots().plot([1, 2, 3])
    return figure


def image(shape):
    names, middle = ("z", "y", "x")[-len(shape) :], tuple(n // 2 for n in shape)
    grid = PixelGrid(names, middle, (1.0,) * len(shape))
    return ImagePanel("map", np.arange(np.prod(shape), dtype=float).reshape(shape), ColourScale("viridis", 0, 1, "a"), grid)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a paragraph", "<p>a paragraph</p>"),
        (rt.CurvePanel("falls", [rt.ChartCurve(0, [1, 2], [3, 4], "line")], "x", "y", "a line"), "<svg"),
        (HistogramPanel("counts", np.arange(9.0), "n"), "<svg"),
        (
            rt.TablePanel("t", "shapes", [rt.Column("axis", ["y", "x"]), rt.Column("n", [3, 4.5])]),
            '<td class="n" data-key="4.5">',
        ),
        (image((8, 9)), '<div class="viewer"'),
        (image((7, 8, 9)), "data-atlas="),
        (drawn(), 'class="drawn"><img src="data:image/png;base64,'),
        (["first", drawn(), "last"], "<p>last</p>"),
    ],
)
def test_what_a_panel_may_show(install, result_of, content, words):
    install(acme=one(content))
    assert words in section(page(result_of()))


def test_nothing_shows_no_section(install, result_of):
    install(acme=one(None) | {"other": rt.Panel("Other", lambda result: [])})
    html = page(result_of())
    assert "Mine" not in html
    assert "Other" not in html


def test_it_is_given_the_result(install, result_of):
    install(acme={"mine": rt.Panel("Mine", lambda result: f"R = {result.score.r:.4f}")})
    made = result_of()
    assert f"R = {made.score.r:.4f}" in section(page(made))


@pytest.mark.parametrize("text", [BAD, Markup(BAD), type("Sly", (str,), {"__html__": lambda self: BAD})(BAD)])
def test_its_text_is_escaped_whatever_it_calls_itself(install, result_of, text):
    column = rt.Column(text, [1.0, text], hint=text, show=lambda number: Markup(BAD))
    curve = rt.ChartCurve(0, [1, 2], [3, 4], text)
    content = [text, rt.TablePanel(text, text, [column]), rt.CurvePanel(text, [curve], text, text, text, text)]
    install(acme={"mine": rt.Panel(text, lambda result: [*content, drawn()])})
    html = page(result_of())
    assert BAD not in html
    assert "alert(1)" in html


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda result: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda result: exit(0), "SystemExit"),
        (lambda result: 3, "its content is of type int; return a CurvePanel"),
        (lambda result: {"a": 1}, "its content is of type dict"),
        (lambda result: rt.CurvePanel("c", [rt.ChartCurve(0, [1, 2], [3, 4, 5])], "x", "y", ""), "IndexError"),
        (lambda result: rt.TablePanel("t", "c", [rt.Column("a", [1]), rt.Column("b", [1, 2])]), "ValueError"),
        (lambda result: rt.CurvePanel("c", [rt.ChartCurve(0, [1], np.array(["<b>"]))], "x", "y", ""), "give numbers"),
        ("not_there:panel", "No module named"),
    ],
)
def test_one_that_fails_is_told_and_the_page_is_made(install, result_of, function, words):
    install(acme={"mine": rt.Panel("Mine", function), "well": rt.Panel("Well", lambda result: "fine")})
    with pytest.warns(UserWarning, match=r"plugin acme \(acme-dist\) was left out: panel 'mine': "):
        html = page(result_of())
    assert "Left out." in section(html)
    assert words in section(html)
    assert "<p>fine</p>" in section(html, "Well")


def test_one_that_does_not_end(install, result_of, monkeypatch):
    def forever(result):
        while True:
            pass

    install(acme={"mine": rt.Panel("Mine", forever)})
    monkeypatch.setenv("RETRIEVE_PLUGIN_SECONDS", "0.3")
    with pytest.warns(UserWarning, match="panel 'mine': does not return within 0.3 s"):
        assert "does not return within 0.3 s" in section(page(result_of()))


def test_headings_differ(install, result_of):
    install(
        acme={"mine": rt.Panel("Starts", lambda result: "first")},
        other={"theirs": rt.Panel("Fit", lambda result: "second"), "more": rt.Panel("fit", lambda result: "third")},
    )
    html = page(result_of())
    assert "first" in section(html, "Starts (mine)")
    assert "second" in section(html, "Fit")
    assert "third" in section(html, "fit (more)")
    ids = re.findall(r'<h2 id="([^"]*)"', html)
    assert len(ids) == len(set(ids))


def test_the_headings_of_the_page_are_known():
    template = Path(pages.__file__).parent / "templates" / "result.html"
    assert re.findall(r'part\.section\("([^"]*)"\)', template.read_text()) == list(added.HEADINGS)


def test_two_plugins_of_one_name(install, result_of):
    install(acme=one("first"), other=one("second"))
    with pytest.warns(UserWarning, match="panel 'mine' is registered by acme .* and by other"):
        html = page(result_of())
    assert "<p>second</p>" not in html
    assert page(result_of()) == html  # the same content gives the same text
