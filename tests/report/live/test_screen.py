"""What the page shows, and when it draws."""

import threading
import time

import pytest

from retrieve.report.live.screen import DRAWING_SHARE, Screen, duration


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def screen(clock):
    return Screen("scan.npz", clock=clock, cost=clock)


def test_a_picture_is_drawn_only_when_a_browser_asks(screen):
    drawn = []
    screen.offer(lambda: drawn.append(1) or "<p>1</p>")
    time.sleep(0.05)
    assert drawn == []
    told = screen.state(0, "a")
    assert (told["version"], told["body"], drawn) == (1, "<p>1</p>", [1])
    assert "body" not in screen.state(1, "a")


def test_drawing_takes_a_share_of_the_time_however_long_it_takes(screen, clock):
    def draw():
        clock.now += 3.0
        return "<p></p>"

    version = 0
    for _ in range(1000):
        screen.offer(draw)
        version = screen.state(version, "a")["version"]
        clock.now += 1.0
    assert version >= 5
    assert 3.0 * version / clock.now <= DRAWING_SHARE + 0.01


def test_at_most_one_picture_a_second(screen, clock):
    for _ in range(100):
        screen.offer(lambda: "<p></p>")
        screen.state(1, "a")
        clock.now += 0.1
    assert screen.state(0, "a")["version"] <= 11


def test_nothing_is_drawn_once_the_work_rests(screen):
    begun, go, done = threading.Event(), threading.Event(), []

    def draw():
        begun.set()
        go.wait(10)
        done.append(1)
        return ""

    screen.offer(draw)
    asking = threading.Thread(target=screen.state, args=(0, "a"))
    asking.start()
    begun.wait(10)
    threading.Timer(0.1, go.set).start()
    screen.rest()
    assert done == [1]
    asking.join()
    screen.offer(draw)
    screen.rest()
    screen.state(1, "a")
    assert done == [1]


def test_time_left_follows_from_the_share_of_all_parts(screen, clock):
    assert (screen.state(1, "a")["share"], screen.state(1, "a")["left"]) == (None, "")
    clock.now = 30.0
    screen.progress(0.25, "at most")
    assert screen.state(1, "a")["left"] == "at most " + "2 min"
    screen.begin("2/4 b.npz", 1, 4)
    told = screen.state(1, "a")
    assert (told["title"], told["share"], told["left"]) == ("2/4 b.npz", 0.25, "about " + "2 min")
    screen.progress(0.5)
    assert screen.state(1, "a")["share"] == 0.375


def test_the_end_waits_for_browsers_that_watch_and_for_no_others(tmp_path):
    screen = Screen("scan.npz")
    begun = time.monotonic()
    screen.end("written: scan.cxi")
    assert time.monotonic() - begun < 1
    assert screen.state(0, "a")["words"] == "written: scan.cxi"

    page = tmp_path / "scan.html"
    page.write_text("<p>the report</p>")
    screen = Screen("scan.npz")
    screen.state(0, "a")
    screen.state(0, "b")
    ending = threading.Thread(target=screen.end, args=("written", page))
    ending.start()
    told = screen.state(0, "a")
    while told["state"] != "over":
        told = screen.state(0, "a")
    assert told["report"]
    assert screen.report() == "<p>the report</p>"
    screen.leaves("a")
    assert ending.is_alive()
    screen.leaves("b")
    ending.join(2)
    assert not ending.is_alive()


def test_buttons_are_pressed_once_and_come_back_for_the_next_file(screen):
    assert screen.state(1, "a")["buttons"] == ["stop", "keep"]
    assert screen.pressed("keep")
    assert not screen.pressed("keep")
    assert screen.state(1, "a")["state"] == "keeping"
    screen.begin("2/2 b.npz", 1, 2)
    assert screen.state(1, "a")["state"] == "running"
    assert screen.pressed("stop")
    assert not screen.pressed("keep")
    assert screen.state(1, "a")["buttons"] == []
    screen.begin("2/2 b.npz", 1, 2)
    assert screen.state(1, "a")["state"] == "stopping"
    assert not screen.pressed("other")


def test_once_the_work_rests_buttons_come_too_late(screen):
    screen.rest("the result is written")
    told = screen.state(1, "a")
    assert (told["stage"], told["buttons"]) == ("the result is written", [])
    assert not screen.pressed("keep")
    screen.begin("2/2 b.npz", 1, 2)
    assert screen.pressed("keep")


def test_durations():
    assert [duration(s) for s in (0.4, 89, 90, 120, 3599, 3700, 90_000)] == [
        "0 s",
        "89 s",
        "1 min 30 s",
        "2 min",
        "59 min 59 s",
        "1 h 01 min",
        "25 h 00 min",
    ]
