"""The page in a real browser: nothing is fetched, the console is clean, slider, sorting and choices work."""

import io
import shutil

import numpy as np
import pytest
from PIL import Image

from retrieve.evaluate.analyze import analyze
from retrieve.report.page import write_page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pip install playwright)")
CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine (apt-get install chromium)")
DRAWING = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]  # WebGL without a card
ARGUMENTS = ["--no-sandbox", *DRAWING, "--disable-background-networking", "--no-first-run"]
READS = "willReadFrequently"  # a hint on speed that the viewer of surfaces earns itself
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def opened(browser):
    """Opens a file; when the test is over, nothing may have been fetched or complained of."""
    contexts, said, asked = [], [], []

    def open_page(path, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: READS in message.text or said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []
    fetched = [url for url in asked if not url.startswith("data:")]
    assert len(fetched) == len(contexts)
    assert all(url.startswith("file:") and url.endswith("/page.html") for url in fetched)


def wait_for_change(page, element, before):
    page.wait_for_function("([image, before]) => image.src !== before", arg=[element.element_handle(), before])


def column(page, table, k):
    return page.eval_on_selector_all(f"#{table} tbody tr", f"rows => rows.map(row => row.cells[{k}].dataset.key)")


def test_slider_cuts_the_volume(result_of, tmp_path, opened, monkeypatch):
    monkeypatch.setattr("retrieve.report.result_panels.can_draw_surfaces", lambda: False)  # quicker
    page = opened(write_page(result_of((16, 20, 24)), tmp_path / "page.html"))
    viewer = page.locator(".viewer").first
    image, slider, told = viewer.locator("img").first, viewer.locator("input"), viewer.locator("output")
    before, place = image.get_attribute("src"), told.inner_text()
    slider.focus()
    page.keyboard.press("ArrowRight")
    wait_for_change(page, image, before)
    assert (place, told.inner_text()) == ("z = 0", "z = 1")
    page.keyboard.press("Home")
    page.wait_for_function("told => told.textContent.includes('\u2212')", arg=told.element_handle())

    moved = image.get_attribute("src")
    viewer.get_by_role("button", name="y").click()
    wait_for_change(page, image, moved)
    assert told.inner_text() == "y = 0"
    sides = image.evaluate("image => image.decode().then(() => [image.naturalHeight, image.naturalWidth])")
    depth, _, columns = (int(n) for n in viewer.get_attribute("data-shape").split(","))
    assert sides == [depth, columns]
    page.screenshot(path=tmp_path / "result.png", full_page=True)
    assert (tmp_path / "result.png").stat().st_size > 10_000


def seen_of(locator):
    """The pixels (rows, columns, 3) of an element on the screen."""
    return np.asarray(Image.open(io.BytesIO(locator.screenshot())).convert("RGB"), int)


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_surface_is_drawn_offline_and_turns_with_the_mouse(result_of, tmp_path, opened, scheme):
    pytest.importorskip("plotly")
    pytest.importorskip("skimage")
    page = opened(write_page(result_of((24, 24, 24)), tmp_path / "page.html"), offline=True, color_scheme=scheme)
    plot = page.locator(".solid .plot")
    plot.scroll_into_view_if_needed()
    page.wait_for_selector(".solid canvas")
    page.wait_for_timeout(500)
    before = seen_of(plot)
    coloured = np.ptp(before, axis=2) > 30
    assert 0.02 < coloured.mean() < 0.7
    box = plot.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 3, steps=4)
    page.mouse.up()
    page.wait_for_timeout(500)
    assert (np.abs(seen_of(plot) - before).max(axis=2) > 30).mean() > 0.01


def test_a_strain_chooses_its_colour_and_stands_upright(strain_of, tmp_path, opened):
    pytest.importorskip("plotly")
    pytest.importorskip("skimage")
    page = opened(write_page(strain_of(axis=1), tmp_path / "page.html"))
    page.wait_for_selector(".solid canvas")
    bars = page.locator(".solid .bar:visible")
    assert "strain" in bars.first.inner_text()
    page.locator(".solid").get_by_role("button", name="displacement").click()
    assert page.locator(".solid .axes button[aria-pressed=true]").inner_text() == "displacement"
    assert "displacement (nm)" in bars.first.inner_text()
    assert bars.count() == 1
    assert page.evaluate("document.querySelector('.solid .plot').data[0].cmax") == pytest.approx(0.0035, rel=0.2)

    viewer = page.locator(".viewer").first
    image, told = viewer.locator("img").nth(3), viewer.locator("output")
    assert told.inner_text() == "z = 0 nm"
    top = """async image => {
        const canvas = document.createElement("canvas");
        await image.decode();
        [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
        const context = canvas.getContext("2d");
        context.drawImage(image, 0, 0);
        return [...context.getImageData(canvas.width / 2 | 0, 3, 1, 1).data];
    }"""
    drawn = image.evaluate(top)
    assert drawn[0] > drawn[2]  # red: strain rises with y, which points up
    before = image.get_attribute("src")
    viewer.locator("input").focus()
    page.keyboard.press("ArrowRight")
    wait_for_change(page, image, before)
    assert told.inner_text() == "z = 2 nm"
    cut = image.evaluate(top)
    assert cut[0] > cut[2]


def test_slider_comes_back_to_the_picture_it_began_with(result_of, tmp_path, opened, monkeypatch):
    """What the script cuts out of the sheet is, pixel for pixel, the cut that was drawn on writing."""
    monkeypatch.setattr("retrieve.report.result_panels.can_draw_surfaces", lambda: False)  # quicker
    page = opened(write_page(result_of((16, 20, 24)), tmp_path / "page.html"))
    image, slider = page.locator(".viewer img").nth(1), page.locator(".viewer input").first
    pixels = """async image => {
        const canvas = document.createElement("canvas");
        await image.decode();
        [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
        const context = canvas.getContext("2d");
        context.drawImage(image, 0, 0);
        return [...context.getImageData(0, 0, canvas.width, canvas.height).data].join();
    }"""
    first, source = image.evaluate(pixels), image.get_attribute("src")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    wait_for_change(page, image, source)
    assert image.evaluate(pixels) != first
    source = image.get_attribute("src")
    page.keyboard.press("ArrowRight")
    wait_for_change(page, image, source)
    assert image.evaluate(pixels) == first


def test_heads_sort_both_ways_and_choices_hide_rows(comparison_of, tmp_path, opened):
    made = comparison_of(solvers=("hio", "raar", "cg"))
    page = opened(write_page(made, tmp_path / "page.html"))
    heads = page.locator("#summary-table th")
    titles = heads.all_inner_texts()
    k = titles.index("R")
    before = [float(v) for v in column(page, "summary-table", k)]
    heads.nth(k).get_by_role("button").click()
    assert heads.nth(k).get_attribute("aria-sort") == "ascending"
    assert [float(v) for v in column(page, "summary-table", k)] == sorted(before)
    heads.nth(k).get_by_role("button").press("Enter")
    assert heads.nth(k).get_attribute("aria-sort") == "descending"
    assert [float(v) for v in column(page, "summary-table", k)] == sorted(before, reverse=True)
    heads.nth(0).get_by_role("button").click()
    assert heads.nth(k).get_attribute("aria-sort") == "none"
    assert column(page, "summary-table", 0) == sorted(column(page, "summary-table", 0))

    page.locator(".filters select").first.select_option("raar")
    assert set(page.locator("#summary-table tbody tr:visible td:first-child").all_inner_texts()) == {"raar"}
    page.locator(".filters select").first.select_option("*")
    assert page.locator("#summary-table tbody tr:visible").count() == len(before)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overflows_a_phone(comparison_of, result_of, tmp_path, opened, scheme):
    for name, content in {"comparison": comparison_of(), "result": result_of((16, 20, 24))}.items():
        folder = tmp_path / name
        folder.mkdir()
        page = opened(write_page(content, folder / "page.html"), viewport=PHONE, color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        page.screenshot(path=folder / f"{scheme}.png", full_page=True)


def test_colours_follow_the_scheme(comparison_of, tmp_path, opened):
    path = write_page(comparison_of(), tmp_path / "page.html")
    seen = {}
    for scheme in ("light", "dark"):
        page = opened(path, color_scheme=scheme)
        colours = {"html": "backgroundColor", "svg text": "fill", "svg path[style*='--c0']": "stroke"}
        seen[scheme] = [
            page.eval_on_selector(selector, f"element => getComputedStyle(element).{name}") for selector, name in colours.items()
        ]
    assert all(light != dark for light, dark in zip(*seen.values(), strict=True))


def test_printing_unfolds_but_for_examples(comparison_of, tmp_path, opened):
    page = opened(write_page(comparison_of(groups=(("a", (24, 24)), ("b", (24, 24)))), tmp_path / "page.html"))
    folded = "document.querySelectorAll('details:not([open]):not(.example)').length"
    assert page.evaluate(folded) > 0
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(folded) == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(folded) > 0


def test_full_comparison_opens_quickly(comparison_of, tmp_path, opened, record_property):
    made = comparison_of(objects=20, starts=8, solvers=("a", "b", "c", "d"), noises=(0.0, 0.01, 0.05, 0.1, 0.2), pictures=2)
    path = write_page(made, tmp_path / "page.html")
    page = opened(path)
    milliseconds = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    record_property("load_ms", milliseconds)
    print(f"{path.stat().st_size / 1e6:.2f} MB, loaded in {milliseconds:.0f} ms")
    page.screenshot(path=tmp_path / "comparison.png", full_page=True)
    assert path.stat().st_size < 6e6
    assert milliseconds < 10_000  # the bar is 2 s on a machine that does nothing else


def test_an_analysis_opens_and_its_tables_sort(result_of, tmp_path, opened):
    made = analyze([result_of((16, 20, 24), starts=4), result_of((16, 20, 24), starts=3)], ["one.cxi", "two.cxi"])
    page = opened(write_page(made, tmp_path / "page.html"))
    assert page.locator("h2").all_inner_texts()[0] == "In short"
    page.locator("#between-table th").nth(2).get_by_role("button").click()
    values = [float(v) for v in column(page, "between-table", 2)]
    assert values == sorted(values)
    image = page.locator(".viewer img").first
    before = image.get_attribute("src")
    page.locator(".viewer input").first.focus()
    page.keyboard.press("ArrowRight")
    wait_for_change(page, image, before)


@pytest.mark.parametrize("viewport", [PHONE, {"width": 1100, "height": 800}])
def test_panels_of_plugins_fit_the_page(result_of, tmp_path, opened, monkeypatch, viewport):
    from matplotlib.figure import Figure

    import retrieve as rt

    def content(result):
        figure = Figure(figsize=(9, 3))
        figure.subplots().plot(result.history[0]["r"])
        table = rt.TablePanel("ends", "Ends of R", [rt.Column("start", [0, 1, 2]), rt.Column("R", [0.3, 0.1, 0.2])])
        return ["A paragraph.", figure, rt.CurvePanel("R", [rt.ChartCurve(0, [1, 2], [2, 1])], "step", "R", "R falls"), table]

    monkeypatch.setattr("retrieve.report.page.added.available", lambda kind: {"mine": rt.Panel("My panel", content)})
    page = opened(write_page(result_of(), tmp_path / "page.html"), viewport=viewport)
    section = page.locator("section", has=page.locator("h2", has_text="My panel"))
    assert section.locator("p").first.inner_text() == "A paragraph."
    image = section.locator("img")
    assert image.evaluate("image => image.complete && image.naturalWidth") == 9 * 192
    assert image.bounding_box()["width"] <= viewport["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    page.locator("#added-mine-3 th").nth(1).get_by_role("button").click()
    assert column(page, "added-mine-3", 1) == ["0.1", "0.2", "0.3"]
