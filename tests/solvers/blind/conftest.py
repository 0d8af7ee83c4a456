"""Shorter searches: without the parts that a test is not about."""

import pytest

from retrieve.solvers.blind import auto, search


@pytest.fixture
def without_breeding(monkeypatch):
    """Starts have no population."""

    def leave(context, start):
        return start
        yield

    monkeypatch.setattr(auto, "evolve", leave)


@pytest.fixture
def searched_on_middle(monkeypatch):
    """A pattern of more than 32² pixels is searched on its middle, without long rounds."""
    monkeypatch.setattr(auto, "COARSE_ABOVE", 32 * 32)
    monkeypatch.setattr(search, "LONG_ROUNDS", 0)
