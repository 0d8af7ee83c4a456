"""The live page in a real browser: it shows the run, asks nobody else, and becomes the report."""

import shutil
import threading

import pytest

import retrieve as rt
from retrieve.cli.console import PlainConsole
from retrieve.cli.live import live_page
from retrieve.cli.signals import stopping
from retrieve.cli.solving import run_spec
from retrieve.driver.run_spec import RunSpec
from retrieve.plugins.registry import find
from retrieve.report.live.server import LivePage
from retrieve.report.page import write_page
from retrieve.simulate import crystal, measure

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pip install playwright)")
CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine (apt-get install chromium)")
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1180, "height": 900}


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-background-networking"])
        yield started
        started.close()


class Run(threading.Thread):
    """A long run with a live page, in a thread of its own."""

    def __init__(self, folder, shape, title="scan <b>7</b>.npz"):
        super().__init__(daemon=True)
        self.folder, self.title = folder, title
        intensity = measure(crystal(shape, seed=0, fill=0.4, phase=2.0) * 30, photons=1e6)
        self.problem = rt.Problem.from_arrays(intensity=intensity)
        self.address, self.result = None, None
        self.served = threading.Event()

    def run(self):
        spec = RunSpec(find("solvers", "recipe")(recipe="1000000 hio"), starts=2, batch=1)
        console = PlainConsole(quiet=True)
        with stopping() as self.request, live_page(True, self.title, self.request, True) as live:
            self.result = run_spec(spec, self.problem, console, True, live=live)
            live.end("written: page.html", write_page(self.result, self.folder / "page.html"))


@pytest.fixture
def running(tmp_path, monkeypatch):
    """Begins a run, and gives it with its address."""
    begun = []

    def begin(shape):
        run = Run(tmp_path, shape)
        enter = LivePage.__enter__

        def entered(page):
            run.address = page.address
            run.served.set()
            return enter(page)

        monkeypatch.setattr(LivePage, "__enter__", entered)
        run.start()
        assert run.served.wait(30)
        begun.append(run)
        return run

    yield begin
    for run in begun:
        run.request.stop()
        run.join(30)
        assert not run.is_alive()


@pytest.fixture
def opened(browser):
    """Opens an address; when the test is over, nothing may have been asked of others or complained of."""
    contexts, said, asked = [], [], []

    def open_page(address, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(120_000)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []
    hosts = {url.split("/")[2] for url in asked if not url.startswith("data:")}
    assert len(hosts) == 1
    assert hosts.pop().startswith("127.0.0.1:")


@pytest.mark.parametrize(
    ("scheme", "viewport"),
    [
        pytest.param("light", DESK, id="light"),
        pytest.param("dark", DESK, id="dark", marks=pytest.mark.slow),
        pytest.param("light", PHONE, id="light-phone", marks=pytest.mark.slow),
        pytest.param("dark", PHONE, id="dark-phone", marks=pytest.mark.slow),
    ],
)
def test_a_run_is_seen_and_kept(running, opened, tmp_path, scheme, viewport):
    run = running((48, 48))
    page = opened(run.address, color_scheme=scheme, viewport=viewport)
    page.wait_for_selector("#pictures img")
    assert page.locator("h1").inner_text() == run.title  # text, never markup
    assert page.locator("h1 b").count() == 0
    page.wait_for_function("() => document.querySelector('#tiles .value')?.textContent.startsWith('0.')")
    assert {"Amplitude", "Phase", "Measured", "Calculated"} <= set(page.locator("figcaption").all_inner_texts())
    page.wait_for_function("() => document.querySelectorAll('#pictures svg.svg').length === 1")
    assert page.locator("#stage").inner_text().startswith("start 0: hio, step ")
    first = page.locator("#pictures img").nth(3).get_attribute("src")
    page.wait_for_function("first => document.querySelectorAll('#pictures img')[3].src !== first", arg=first)
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    shot = tmp_path / f"live-{scheme}.png"
    page.screenshot(path=shot, full_page=True)
    assert shot.stat().st_size > 10_000
    page.get_by_role("button", name="Keep").click()
    page.wait_for_selector("h2:has-text('In short')")  # the page has become the report
    run.join(30)
    assert not run.result.interrupted


def test_the_colours_follow_the_scheme(running, opened):
    run = running((32, 32))
    grounds = []
    for scheme in ("light", "dark"):
        page = opened(run.address, color_scheme=scheme)
        page.wait_for_selector("#pictures img")
        grounds.append(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))
    assert grounds[0] != grounds[1]
    page.get_by_role("button", name="Stop").click()
    run.join(30)
    assert run.result.interrupted


def test_a_volume_shows_its_sections_in_the_proportions_of_the_pattern(running, opened):
    run = running((16, 20, 24))
    page = opened(run.address, viewport=PHONE)
    page.wait_for_selector("#pictures img")
    titles = page.locator("figcaption").all_inner_texts()
    for name in ("Amplitude, z", "Amplitude, y", "Amplitude, x", "Phase, z", "Measured, qz", "Calculated, qx"):
        assert any(title.startswith(name) for title in titles), name
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.get_by_role("button", name="Stop").click()
    run.join(30)


def test_when_the_run_is_gone_the_last_pictures_stay_and_the_page_says_so(browser):
    from retrieve.report.live.screen import Screen
    from retrieve.report.page.render import render

    screen = Screen("scan.npz")
    screen.offer(lambda: "<p id='last'>the last picture</p>")
    with LivePage(
        screen, lambda: render("live.html", "live.js", title="x", lead="", stage="", buttons={"stop": ""}), {}
    ) as served:
        page = browser.new_page()
        page.goto(served.address)
        page.wait_for_selector("#last")
    page.wait_for_function("() => document.getElementById('stage').textContent.startsWith('The run is over')")
    assert page.locator("#last").inner_text() == "the last picture"
    assert page.get_by_role("button", name="Stop").is_disabled()
    page.close()
