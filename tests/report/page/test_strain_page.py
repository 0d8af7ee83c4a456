import pytest
from reading import HOSTILE, assert_alone, scripts_of, text_of

from retrieve.report.page import page


def test_a_strain_says_its_figures_and_stands_alone(strain_of):
    html = page(strain_of())
    assert_alone(html)
    told = text_of(html)
    for part in (
        "Strain of scan.cxi",
        "(3.1 ± 0.02) × 10⁻⁴",
        "reflection 1 1 1",
        "−1 1 1",
        "positive strain is a larger",
        "Over 3 starts",
    ):
        assert part in told
    assert "30 × 30 × 30" in told
    assert page(strain_of()) == html


def test_one_object_has_no_spread_in_its_page(strain_of):
    told = text_of(page(strain_of(members=1)))
    assert "±" not in told
    assert "Spread of" not in told


def test_hostile_text_stays_text(strain_of):
    html = page(strain_of(meta={"title": HOSTILE}, notes=(HOSTILE,), hkl=None))
    assert "alert(" not in "".join(scripts_of(html)[:2])
    assert '<script>alert("x")' not in html
    assert "the reflection is not known" in text_of(html)


def test_without_the_viewer_the_page_names_the_remedy(strain_of, monkeypatch):
    monkeypatch.setattr("retrieve.report.strain_panels.can_draw_surfaces", lambda: False)
    html = page(strain_of())
    assert "retrieve-phase[view]" in text_of(html)
    assert len(scripts_of(html)) == 1


def test_buttons_choose_the_colour(strain_of):
    pytest.importorskip("plotly")
    html = page(strain_of())
    for name in ("strain", "displacement", "phase", "spread of strain"):
        assert f">{name}</button>" in html
