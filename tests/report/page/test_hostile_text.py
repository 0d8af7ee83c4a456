"""Text of files, users and plugins stays text on every page, in a real browser; what got in as markup would not run."""

from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from time import sleep

import pytest
from test_browser import browser as browser
from test_browser import opened as opened

from retrieve.evaluate.analyze import analyze
from retrieve.report.page import page, write_page

EVIL = (
    "<img src=x onerror=alert(1)><script>alert(2)</script></style></script></svg></title><svg onload=alert(3)>\"'>"
    '{{7*7}}<a href="javascript:alert(4)">x</a>$\\frac{$ [/bold] #010101 #030001 href="#a url(#a \x1b[2J &lt;b&gt;'
)
SEEN = " ".join(EVIL.replace("\x1b", "").split())


@pytest.fixture
def pages(result_of, comparison_of, strain_of, monkeypatch):
    """A page of each kind, each text of which is hostile."""
    meta = {"title": EVIL, "source": EVIL, EVIL: {EVIL: [EVIL]}, "notes": [EVIL], "input": {"path": EVIL}}
    manifest = {"solver": EVIL, "seed": 7, "options": {EVIL: EVIL}, "versions": {EVIL: EVIL}, "record": {EVIL: EVIL}}

    def result(shape=(24, 24)):
        made = result_of(shape, meta=meta, manifest=manifest)
        scores = (replace(made.scores[0], failure=EVIL), *made.scores[1:])
        history = tuple({**one, EVIL: one["r"]} for one in made.history)
        return replace(made, scores=scores, history=history, stages=(((1, EVIL), (30, EVIL + "2")),) * len(scores))

    comparison = comparison_of(solvers=(EVIL, EVIL + "2"), groups=((EVIL, (24, 24)),))
    rows = tuple(replace(row, failure=EVIL) if row.start == 1 else row for row in comparison.rows)
    settings = {**comparison.settings, "benchmark": EVIL, "command": [EVIL], EVIL: EVIL}
    return {
        "result": result(),
        "volume": result((24, 24, 24)),
        "comparison": replace(comparison, rows=rows, settings=settings),
        "analysis": analyze([result(), result()], [EVIL, EVIL + "2"]),
        "strain": replace(strain_of(), meta=meta, notes=(EVIL,), frame=EVIL),
    }


@pytest.mark.parametrize("kind", ["result", "volume", "comparison", "analysis", "strain"])
def test_text_stays_text(pages, opened, tmp_path, kind):
    shown = opened(write_page(pages[kind], tmp_path / "page.html"))
    dialogs = []
    shown.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    shown.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    shown.wait_for_timeout(100)
    text = " ".join(shown.evaluate("document.body.textContent").replace("\x1b", "").split())
    assert SEEN in text
    assert dialogs == []
    assert shown.locator("img[src=x], [onload], [onerror], a[href^=javascript], body style, main script:not([type])").count() == 0
    drawn = shown.eval_on_selector_all("svg text", "all => all.map((one) => one.textContent)")
    assert all(SEEN in " ".join(one.replace("\x1b", "").split()) for one in drawn if "7*7" in one)


@pytest.fixture
def server():
    """A server of this machine that lists who asks for what, and its address."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        do_POST = do_GET

        def log_message(self, *args):
            pass

    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=made.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{made.server_port}", asked
    made.shutdown()
    made.server_close()


def test_markup_that_got_in_would_not_run(result_of, browser, tmp_path, server):
    """The second wall: were a text not escaped, the policy would stop its scripts, handlers, styles and requests."""
    address, asked = server
    inside = (
        "<script>document.title = 'owned'</script><svg onload=\"document.title = 'owned'\"></svg>"
        f"<script src='{address}/script'></script><img src='{address}/image' onerror=\"document.title = 'owned'\">"
        f"<style>h1 {{ display: none }} h2 {{ background: url('{address}/style') }}</style>"
        f"<link rel=stylesheet href='{address}/link'>"
        f"<p style=\"background: url('{address}/attribute')\">x</p><iframe src='{address}/frame'></iframe>"
        f"<object data='{address}/object'></object><form action='{address}/form'><button id=send>x</button></form>"
    )
    html = page(result_of((24, 24)))
    (tmp_path / "page.html").write_text(html.replace("</main>", f"{inside}</main>"), "utf-8")
    context = browser.new_context()
    shown = context.new_page()
    shown.goto((tmp_path / "page.html").as_uri())
    shown.wait_for_timeout(200)
    assert shown.title() == "Phase retrieval"
    assert shown.locator("h1").is_visible()
    assert shown.url.startswith("file:")
    shown.locator("#send").dispatch_event("click")
    sleep(0.2)
    context.close()
    assert asked == []
