"""A request to end, heard by all work of a thread: a signal or a button makes it, and each step looks for it."""

from __future__ import annotations

import threading

_here = threading.local()


class Request(threading.Event):
    """A request to end the work at its next step: to stop it, as a signal does, or to keep what there is as finished.

    A result that was stopped is interrupted. A result that was kept counts as one whose budget was spent.
    """

    def __init__(self) -> None:
        super().__init__()
        self.keeps = False

    def stop(self) -> None:
        """Stop the work; what was to be kept is stopped, too."""
        self.keeps = False
        self.set()

    def keep(self) -> None:
        """Keep what there is, unless the work was stopped before."""
        if not self.is_set():
            self.keeps = True
            self.set()

    def renew(self) -> None:
        """Let the next work begin if this one was kept; a request to stop stays."""
        if self.keeps:
            self.clear()
            self.keeps = False

    @property
    def stops(self) -> bool:
        """Whether the work was stopped."""
        return self.is_set() and not self.keeps


def listen(request: Request | None) -> Request | None:
    """Let the work of this thread end on a request, and return the request of before; None: nothing ends it."""
    before = heard()
    _here.request = request
    return before


def heard() -> Request | None:
    """The request that ends the work of this thread."""
    return getattr(_here, "request", None)


def must_stop() -> bool:
    """Whether the work of this thread is to end at its next step."""
    request = heard()
    return request is not None and request.is_set()


def must_keep() -> bool:
    """Whether what there is then counts as finished."""
    request = heard()
    return request is not None and request.is_set() and request.keeps
