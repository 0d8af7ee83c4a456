"""The server of the live page: this machine alone, its address alone, and gone with the run."""

import http.client
import json
import socket
from urllib.parse import urlsplit

import pytest

from retrieve.report.live.screen import Screen
from retrieve.report.live.server import LivePage
from retrieve.report.page.render import render


@pytest.fixture
def pressed():
    return []


@pytest.fixture
def screen():
    return Screen("scan.npz")


@pytest.fixture
def page(screen, pressed):
    def document():
        return render("live.html", "live.js", title="a <b> & c", lead="", stage="", buttons={"stop": "ends"})

    actions = {name: lambda name=name: pressed.append(name) for name in ("stop", "keep")}
    with LivePage(screen, document, actions) as made:
        yield made


def asked(page, path, method="GET", **headers):
    """Status, headers and text of an answer; `path` below the token unless it begins with a slash."""
    parts = urlsplit(page.address)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    connection.request(method, path if path.startswith("/") else parts.path + path, headers=headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, answer.headers, text


def test_the_whole_address_shows_the_page_and_its_state(page):
    status, headers, text = asked(page, "")
    assert (status, headers["Cache-Control"], headers["Referrer-Policy"]) == (200, "no-store", "no-referrer")
    assert "a &lt;b&gt; &amp; c" in text
    assert "connect-src 'self'" in text
    status, _, text = asked(page, "state?seen=0&who=x")
    told = json.loads(text)
    assert (status, told["title"], told["state"], told["share"]) == (200, "scan.npz", "running", None)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "PUT"])
@pytest.mark.parametrize("path", ["/", "/state", "/stop", "/wrong/", "/wrong/state", "/wrong/stop", "//state"])
def test_without_the_token_everything_is_refused(page, pressed, method, path):
    status, _, text = asked(page, path, method)
    assert status == 403
    assert page.token not in text
    assert pressed == []


def test_part_of_the_token_is_not_enough(page):
    assert asked(page, f"/{page.token[:-1]}/")[0] == 403
    assert asked(page, f"/{page.token}x/")[0] == 403
    assert len(page.token) >= 32


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "0.0.0.0", ""])
@pytest.mark.parametrize("path", ["", "state", "stop"])
def test_another_name_of_the_host_is_refused(page, pressed, host, path):
    assert asked(page, path, "POST" if path == "stop" else "GET", Host=host)[0] == 403
    assert pressed == []


def test_a_tunnel_may_begin_at_another_port(page):
    assert asked(page, "", Host="localhost:8000")[0] == 200


def test_buttons_need_the_token_a_post_and_our_own_page(page, pressed):
    assert asked(page, "stop")[0] == 404
    assert asked(page, "stop", "POST", Origin="http://evil.example")[0] == 403
    assert asked(page, "other", "POST")[0] == 404
    assert pressed == []
    assert asked(page, "keep", "POST")[0] == 200
    assert asked(page, "keep", "POST")[0] == 409
    assert asked(page, "stop", "POST", Origin=page.address.rpartition("/")[0].rpartition("/")[0])[0] == 200
    assert asked(page, "stop", "POST")[0] == 409
    assert pressed == ["keep", "stop"]


def test_a_button_that_the_page_lacks_does_nothing(pressed):
    with LivePage(Screen("x", ["stop"]), str, {"stop": lambda: None, "keep": lambda: pressed.append("keep")}) as page:
        assert asked(page, "keep", "POST")[0] == 409
    assert pressed == []


def test_it_listens_on_loopback_alone_and_each_page_has_its_own_token(page, screen):
    assert page._server.server_address[0] == "127.0.0.1"
    assert page.address.startswith("http://127.0.0.1:")
    with LivePage(screen, str, {}) as other:
        assert other.token != page.token


def test_it_is_closed_with_the_run_even_while_browsers_ask(screen):
    with LivePage(screen, str, {}) as page:
        port = urlsplit(page.address).port
        idle = socket.create_connection(("127.0.0.1", port))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=2)
    idle.close()


@pytest.mark.parametrize(
    "rubbish", [b"\x00\xff\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n"]
)
def test_rubbish_is_refused_and_the_page_lives_on(page, rubbish, capfd):
    with socket.create_connection(("127.0.0.1", urlsplit(page.address).port), timeout=10) as connection:
        connection.sendall(rubbish)
        assert page.token.encode() not in connection.recv(4096)
    assert asked(page, "")[0] == 200
    assert capfd.readouterr() == ("", "")


def test_the_state_takes_any_query(page):
    for query in ("", "?seen=-1", "?seen=99999999999999999999", "?seen=x&who=" + "y" * 1000, "?seen=0&seen=1"):
        assert asked(page, "state" + query)[0] == 200
    assert asked(page, "report")[0] == 404
