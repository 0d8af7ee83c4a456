"""The site is built without a warning, has no dead link, and is readable in a browser: light, dark, on a phone."""

import html
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from PIL import Image

import retrieve

pytest.importorskip("zensical", reason="zensical is not installed (pip install '.[docs]')")
pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
PARTS = ("docs", "retrieve", "mkdocs.yml", "CHANGELOG.md", "CITATION.cff")
CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of the site, and what the build printed."""
    root = tmp_path_factory.mktemp("project")
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, root / part, ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"))
        else:
            shutil.copy(source, root / part)
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    told = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=500, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    return root / "site", told.stdout + told.stderr


class Page(HTMLParser):
    """The links, sources and anchors of a page; `menu` has the links within its menu."""

    def __init__(self, path):
        super().__init__()
        self.links, self.loads, self.anchors, self.menu, self.depth = set(), set(), set(), set(), 0
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.anchors |= {given[key] for key in ("id", "name") if given.get(key)}
        if tag == "nav" and (self.depth or "md-nav--primary" in given.get("class", "")):
            self.depth += 1
        if tag == "a" and given.get("href"):
            self.links.add(given["href"])
            if self.depth:
                self.menu.add(given["href"])
        elif tag in ("img", "script", "iframe") and given.get("src"):
            self.loads.add(given["src"])
        elif tag == "link" and given.get("href") and given.get("rel") in ("stylesheet", "icon"):
            self.loads.add(given["href"])

    def handle_endtag(self, tag):
        if tag == "nav" and self.depth:
            self.depth -= 1


@pytest.fixture(scope="module")
def pages(built):
    return {path: Page(path) for path in built[0].rglob("*.html")}


def target(path, link):
    """File and anchor to which a link of a page leads; no file for links to the network."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return None, ""
    return (path.parent / unquote(parts.path)).resolve() if parts.path else path, unquote(parts.fragment)


def test_the_build_says_nothing_but_that_it_is_done(built):
    said = [line for line in built[1].splitlines() if line.strip() and not line.startswith("Build ")]
    assert said == ["No issues found"]


def test_a_dead_link_would_end_the_build(built, tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# Start\n\nA [page](nowhere.md).\n")
    (tmp_path / "mkdocs.yml").write_text("site_name: x\nstrict: true\n")
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=100, check=False).returncode != 0


def test_no_link_is_dead(pages):
    dead = []
    for path, page in pages.items():
        if path.name == "404.html":
            continue
        for link in page.links | page.loads:
            file, anchor = target(path, link)
            if file is None:
                continue
            if not file.exists() or (anchor and file.suffix == ".html" and anchor not in pages[file].anchors | {"__skip"}):
                dead.append(f"{path.name}: {link}")
    assert dead == []


def test_every_page_is_in_the_menu_of_the_start_page(built, pages):
    start = built[0] / "index.html"
    listed = {target(start, link)[0] for link in pages[start].menu}
    assert sorted(path.name for path in set(pages) - listed if path.name != "404.html") == []


def test_nothing_is_loaded_from_the_network(pages):
    assert [load for page in pages.values() for load in page.loads if urlsplit(load).netloc] == []


def test_equations_are_mathml(built):
    text = (built[0] / "concepts.html").read_text()
    assert text.count("<math") > 10
    assert not [page for page in built[0].rglob("*.html") if 'class="arithmatex"' in page.read_text()]


def test_every_public_name_is_on_the_page_of_the_api(built, pages):
    anchors = pages[built[0] / "api.html"].anchors
    assert [name for name in retrieve.__all__ if f"retrieve.{name}" not in anchors] == []


def test_signatures_have_types(built):
    text = html.unescape(re.sub(r"<[^>]+>", "", (built[0] / "api.html").read_text()))
    flat = re.sub(r"\s+", " ", text)
    for wanted in (
        "solver: Solver | str",
        "starts: int | None = None",
        "-> Result",
        "total: int | None = None, evaluations: float = 0",
    ):
        assert wanted in flat, wanted


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pip install playwright)")
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine (apt-get install chromium)")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_start_page_in_a_browser(built, browser, tmp_path, colours, size):
    page = browser.new_page(viewport=size, color_scheme=colours)
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((built[0] / "index.html").as_uri())
    page.wait_for_load_state("load")
    page.screenshot(path=tmp_path / "start.png")
    pixels = np.asarray(Image.open(tmp_path / "start.png").convert("L"))
    margin = pixels[pixels.shape[0] // 8 :, :8]
    assert (np.median(margin) > 200) == (colours == "light")
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    assert page.evaluate("document.images.length") >= 1
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert errors == []
    page.close()


def test_the_search_works_without_a_server_or_a_network(built, browser):
    page = browser.new_page(viewport=DESK)
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((built[0] / "notes" / "measured.html").as_uri())
    page.wait_for_load_state("load")
    page.keyboard.press("/")
    page.keyboard.type("oversampling")
    page.get_by_text(re.compile(r"^[1-9]\d* results$")).wait_for(timeout=30_000)
    page.get_by_text("Not solved: what now?").first.wait_for(timeout=30_000)
    assert [url for url in asked if not url.startswith(("file:", "about:", "data:"))] == []
    assert errors == []
    page.close()


@pytest.mark.parametrize("name", ["gallery", "reference", "api", "troubleshooting", "concepts", "peers"])
def test_no_page_is_wider_than_a_phone(built, browser, name):
    page = browser.new_page(viewport=PHONE)
    page.goto((built[0] / f"{name}.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.close()
