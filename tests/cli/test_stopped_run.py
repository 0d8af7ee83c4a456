"""Ctrl-C, TERM and HUP: a run that is stopped keeps what there is."""

import os
import signal
import threading

import numpy as np
import pytest

from retrieve.cli import main
from retrieve.cli.signals import ending, stopping
from retrieve.driver.stopping import must_stop
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
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


def ask(*numbers):
    """What `stopping` makes of signals."""
    with stopping() as request:
        for number in numbers:
            signal.raise_signal(number)
    return request.is_set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_asks_and_only_a_second_ctrl_c_stops_at_once(number):
    before = signal.getsignal(number)
    assert ask(number)
    assert ask(number, signal.SIGTERM, signal.SIGHUP)
    with pytest.raises(KeyboardInterrupt):
        ask(number, signal.SIGINT)
    assert signal.getsignal(number) == before


def test_a_block_within_a_block_has_its_request():
    with stopping() as outer:
        with stopping() as inner:
            signal.raise_signal(signal.SIGTERM)
        assert inner is outer
        assert outer.is_set()
        assert must_stop()
    assert not must_stop()


def test_outside_of_work_that_stops_at_a_step_term_ends_the_command_once():
    with ending():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGHUP)  # what is being tidied up goes on
    with ending(), stopping():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)


def test_nohup_is_obeyed():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ending(), stopping() as request:
            signal.raise_signal(signal.SIGHUP)
        assert not request.is_set()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_thread_has_no_signals():
    seen = []
    thread = threading.Thread(target=lambda: seen.append(ask()))
    thread.start()
    thread.join()
    assert seen == [False]
