"""Errors that a user can act on: each message names the thing, its value and the remedy."""

from __future__ import annotations


class RetrieveError(Exception):
    """Anything `retrieve` refuses or gives up on. The command line shows the message, no traceback."""


class InputError(RetrieveError):
    """A file, array or option that cannot be used as given (exit code 2)."""


class OptionError(InputError):
    """An option that is unknown, of the wrong type or out of its range."""


class PluginError(RetrieveError):
    """A plugin that cannot be used: two of one name, or a target that does not import."""


class SolverError(RetrieveError):
    """A solver that failed while running: NaN in the estimate, a step of the wrong shape (exit code 1)."""
