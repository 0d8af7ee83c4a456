"""A request to stop, heard by all work of a thread: a signal makes it, and each step looks for it."""

from __future__ import annotations

import threading

_here = threading.local()


def listen(request: threading.Event | None) -> threading.Event | None:
    """Let the work of this thread stop when the event is set, and return the event of before; None: nothing stops it."""
    before = heard()
    _here.request = request
    return before


def heard() -> threading.Event | None:
    """The event that stops the work of this thread."""
    return getattr(_here, "request", None)


def must_stop() -> bool:
    """Whether the work of this thread is to stop at its next step."""
    request = heard()
    return request is not None and request.is_set()
