"""The server of the live page: one page, on this machine alone, for those who know its secret address.

A web page elsewhere can neither read nor press anything: it does not know the token, and a name that it makes point to this
machine is refused. Any port is right in the name of the host, so that a tunnel such as ``ssh -L`` may begin at another one.
"""

from __future__ import annotations

import hmac
import json
import secrets
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from .screen import Screen

LOOPBACK = "127.0.0.1"
NAMES = (LOOPBACK, "localhost")
"""Names by which a browser may call this machine."""
SECONDS = 10.0
"""A connection that says nothing for so long is closed."""
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class LivePage:
    """Serves a screen at a free port of the loopback address while the block runs.

    Parameters
    ----------
    screen : Screen
        What the page shows.
    document : callable
        Makes the HTML of the page.
    actions : mapping of str to callable
        What the buttons do, by their names.
    """

    def __init__(self, screen: Screen, document: Callable[[], str], actions: Mapping[str, Callable[[], object]]) -> None:
        self.screen, self.document, self.actions = screen, document, actions
        self.token = secrets.token_urlsafe(24)
        handler = type("BoundHandler", (_Handler,), {"page": self})
        self._server = _Server((LOOPBACK, 0), handler)
        self.address = f"http://{LOOPBACK}:{self._server.server_address[1]}/{self.token}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)

    def __enter__(self) -> LivePage:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.screen.rest()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away is no error of the run."""


class _Handler(BaseHTTPRequestHandler):
    page: ClassVar[LivePage]
    timeout = SECONDS
    server_version, sys_version = "retrieve", ""

    def do_GET(self) -> None:
        """The page, its state, or the report."""
        if (what := self._asked()) is None:
            return
        screen = self.page.screen
        if what == "":
            self._answer(200, "text/html", self.page.document())
        elif what == "state":
            seen, who = self._given("seen"), self._given("who")
            told = screen.state(int(seen) if seen.isdecimal() else 0, who)
            self._answer(200, "application/json", json.dumps(told))
            if told["state"] == "over" and not told["report"]:
                screen.leaves(who)
        elif what == "report" and (report := screen.report()) is not None:
            self._answer(200, "text/html", report)
            screen.leaves(self._given("who"))
        else:
            self._refuse(404, "there is nothing here")

    def do_POST(self) -> None:
        """A button."""
        if (what := self._asked()) is None:
            return
        if what not in self.page.actions:
            self._refuse(404, "there is no such button")
        elif self.headers.get("Origin", own := f"http://{self.headers['Host']}") != own:
            self._refuse(403, "another page sent this")
        elif self.page.screen.pressed(what):
            self.page.actions[what]()
            self._answer(200, "application/json", "{}")
        else:
            self._refuse(409, "the work ends already")

    def _asked(self) -> str | None:
        """What is asked for below the token; None, and refused, without the token or by another name of the host."""
        path = urlsplit(self.path).path.encode("utf-8", "replace")
        _, token, *rest = [*path.split(b"/"), b""]
        hosts = self.headers.get_all("Host", [])
        if len(hosts) != 1 or hosts[0].partition(":")[0].lower() not in NAMES:
            self._refuse(403, "this page answers to its own address alone")
        elif not hmac.compare_digest(token, self.page.token.encode()):
            self._refuse(403, "the address lacks its token; take the whole address that the program printed")
        else:
            return rest[0].decode("utf-8", "replace") if len(rest) == 2 else "/"
        return None

    def _given(self, name: str) -> str:
        """A short value of the query."""
        return parse_qs(urlsplit(self.path).query).get(name, [""])[0][:9]

    def _refuse(self, code: int, why: str) -> None:
        self._answer(code, "text/plain", why + "\n")

    def _answer(self, code: int, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(code)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Security-Policy", "frame-ancestors 'none'")
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is no request, or has a method that the page does not know."""
        self._refuse(403 if code == HTTPStatus.NOT_IMPLEMENTED else code, "this is no request to the page")

    def log_message(self, format: str, *args: Any) -> None:
        """The terminal is the run's."""
