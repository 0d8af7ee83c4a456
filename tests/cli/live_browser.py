"""A browser that watches the live page of a command."""

import json
import socket
import threading
import time
import urllib.request
from urllib.parse import urlsplit

import pytest


class Browser(threading.Thread):
    """Asks for the state of the page as a browser does, and presses a button for each file once `ready` is true."""

    def __init__(self, page, button, ready):
        super().__init__(daemon=True)
        self.address, self.button, self.ready = page.address, button, ready
        self.told, self.error = [], None

    def ask(self, path, data=None):
        with urllib.request.urlopen(self.address + path, data=data, timeout=20) as answer:
            return answer.read().decode()

    def run(self):
        try:
            self.told.append({"document": self.ask("")})
            seen, pressed = 0, set()
            while True:
                told = json.loads(self.ask(f"state?seen={seen}&who=a"))
                self.told.append(told)
                seen = told["version"]
                if self.button and told["title"] not in pressed and self.ready(told):
                    self.ask(self.button, b"")
                    pressed.add(told["title"])
                if told["state"] == "over":
                    if told["report"]:
                        self.told.append({"document": self.ask("report?who=a")})
                    return
                time.sleep(0.01)
        except Exception as error:
            self.error = error


def ended(browsers):
    """What the one browser was told, once it is done; the page is gone."""
    [browser] = browsers
    browser.join(20)
    assert browser.error is None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", urlsplit(browser.address).port), timeout=2)
    return browser.told
