"""Ctrl-C and TERM: a run that is stopped keeps what there is."""

import os
import signal
import threading

import numpy as np
import pytest

from retrieve.cli import main
from retrieve.cli.solving import Interrupt
from retrieve.io.results import read_result
from retrieve.simulate import blobs, measure


@pytest.fixture
def scan(here):
    np.savez("scan.npz", intensity=1e4 * measure(blobs((32, 32), seed=1)[0]))


@pytest.fixture
def kill(monkeypatch):
    """Send a signal to this process when a run has come to a step."""

    def at_step(number, step):
        from retrieve.cli import progress, solving

        plain = progress.live_progress

        def live(console, quiet):
            return _Sending(plain(console, quiet), number, step)

        monkeypatch.setattr(solving, "live_progress", live)

    return at_step


class _Sending:
    """Live progress that sends a signal at a step of the second start."""

    def __init__(self, inner, number, step):
        self.inner, self.number, self.step = inner, number, step

    def __enter__(self):
        show = self.inner.__enter__()

        def sending(progress):
            if progress.step == self.step:
                os.kill(os.getpid(), self.number)
            return show(progress)

        return sending

    def __exit__(self, *error):
        return self.inner.__exit__(*error)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_there_is_is_kept_and_replays(scan, kill, number):
    kill(number, 40)
    before = signal.getsignal(number)
    with pytest.raises(SystemExit, match="130"):
        main(["run", "scan.npz", "--recipe", "100 hio", "--starts", "2", "-q", "--no-picture", "--out", "a.cxi"])
    result = read_result("a.cxi")
    assert result.interrupted
    assert result.verdict is not None
    assert set(result.manifest["stopped"].values()) == {40}
    assert signal.getsignal(number) == before
    with pytest.raises(SystemExit, match="0"):
        main(["run", "--replay", "a.cxi", "-q"])


def ask(*numbers, at_once=False):
    """What an Interrupt makes of signals."""
    with Interrupt(at_once) as interrupt:
        for number in numbers:
            interrupt._ask(number, None)
    return interrupt.asked


def test_a_second_ctrl_c_stops_at_once_and_a_second_term_does_not():
    assert ask(signal.SIGTERM, signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        ask(signal.SIGINT, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        ask(signal.SIGTERM, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        ask(signal.SIGTERM, at_once=True)


def test_the_second_term_does_not_disturb_the_end_of_workers():
    with Interrupt(at_once=True) as interrupt:
        with pytest.raises(KeyboardInterrupt):
            interrupt._ask(signal.SIGTERM, None)
        interrupt._ask(signal.SIGTERM, None)


def test_a_thread_has_no_signals():
    seen = []
    thread = threading.Thread(target=lambda: seen.append(ask()))
    thread.start()
    thread.join()
    assert seen == [False]
