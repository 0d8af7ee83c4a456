from concurrent.futures import Future
from contextlib import nullcontext

import pytest

from retrieve.driver.executors import Serial
from retrieve.errors import InputError
from retrieve.plugins.registry import find, registered
from retrieve.testing import run_checks


@pytest.mark.parametrize("name", [name for name, (_, plugin) in registered("executors").items() if plugin == "retrieve"])
def test_the_built_in_ones_conform(name):
    outcomes = run_checks(find("executors", name), kind="executors")
    assert [outcome.status for outcome in outcomes] == ["passed"] * 2


class Deaf(Serial):
    """Gives back what it was handed."""

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        future.set_result(args[0])
        return future


class Mute(Serial):
    """Keeps what is raised to itself."""

    def submit(self, fn, /, *args, **kwargs):
        future = super().submit(fn, *args, **kwargs)
        return future if future.exception() is None else super().submit(str, "fine")


@pytest.mark.parametrize(
    ("executor", "expected"),
    [(Deaf, {"calls and returns": "failed", "carries what is raised": "skipped"}), (Mute, {"carries what is raised": "failed"})],
)
def test_a_fault_fails_its_check(executor, expected):
    outcomes = run_checks(lambda where, workers: nullcontext(executor()), kind="executors")
    assert {outcome.check: outcome.status for outcome in outcomes if outcome.status != "passed"} == expected


def test_one_that_needs_a_place_is_not_asked():
    def farm(where, workers):
        raise InputError("give the farm's address, as farm:ADDRESS")

    assert {(outcome.status, outcome.reason) for outcome in run_checks(farm, kind="executors")} == {
        ("skipped", "give the farm's address, as farm:ADDRESS")
    }
