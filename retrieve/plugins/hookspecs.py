"""The hooks of a plugin. Each returns things by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pluggy

hookspec = pluggy.HookspecMarker("retrieve")
hookimpl = pluggy.HookimplMarker("retrieve")


@hookspec
def register_solvers() -> Mapping[str, Any]:  # type: ignore[empty-body]
    """Solver classes by name: ``{"my-solver": MySolver}``, or ``"module:MySolver"``, which is imported at its first use."""


@hookspec
def register_operators() -> Mapping[str, Any]:  # type: ignore[empty-body]
    """`Operator` classes by name, or lazy ``"module:Class"`` targets."""


@hookspec
def register_readers() -> Mapping[str, Any]:  # type: ignore[empty-body]
    """`retrieve.io.Reader` instances by format name, or lazy ``"module:reader"`` targets."""


@hookspec
def register_loaders() -> Mapping[str, Any]:  # type: ignore[empty-body]
    """`retrieve.prepare.Loader` instances by the name of a beamline, or lazy ``"module:LOADER"`` targets.

    ``retrieve prepare scan NAME:FILE#SCAN`` calls one.
    """


@hookspec
def register_preparations() -> Mapping[str, Any]:  # type: ignore[empty-body]
    """`retrieve.prepare.Preparation` classes by name, or lazy ``"module:Class"`` targets.

    ``retrieve prepare scan --apply NAME:OPTION=VALUE`` runs one.
    """


@hookspec
def register_metrics() -> Mapping[str, Any]:  # type: ignore[empty-body]
    """`retrieve.evaluate.metrics.Metric` instances by name, or lazy ``"module:METRIC"`` targets."""


@hookspec
def register_priors() -> Mapping[str, Any]:  # type: ignore[empty-body]
    """Classes or functions that make a `retrieve.priors.denoiser.Prior` when called, by name, or lazy targets.

    Solvers with a learned prior take them by the option `weights`.
    """


@hookspec
def register_executors() -> Mapping[str, Any]:  # type: ignore[empty-body]
    """`retrieve.driver.executors.Factory` functions by name, or lazy ``"module:function"`` targets.

    ``--executor NAME:WHERE`` calls one with the text after the colon and the number of workers. It returns a context manager
    of a `concurrent.futures.Executor`.
    """


@hookspec
def register_sets() -> Mapping[str, Any]:  # type: ignore[empty-body]
    """`retrieve.simulate.ObjectSet` instances by name, or lazy ``"module:SET"`` targets.

    ``retrieve simulate NAME``, ``compare --benchmark NAME`` and ``train KIND NAME`` take them.
    """


@hookspec
def register_benchmarks() -> Mapping[str, Any]:  # type: ignore[empty-body]
    """`retrieve.evaluate.benchmarks.Benchmark` instances by name, or lazy ``"module:BENCHMARK"`` targets."""


@hookspec
def register_commands() -> Mapping[str, Any]:  # type: ignore[empty-body]
    """`click.Command` instances by name, or lazy ``"module:command"`` targets. ``retrieve NAME`` runs one."""


@hookspec
def register_writers() -> Mapping[str, Any]:  # type: ignore[empty-body]
    """`retrieve.io.writers.Writer` instances by name, or lazy ``"module:WRITER"`` targets.

    ``retrieve run --out NAME.ENDING`` and `Result.save` choose one by its ending.
    """


@hookspec
def register_panels() -> Mapping[str, Any]:  # type: ignore[empty-body]
    """`retrieve.report.added_panels.Panel` instances by name, or lazy ``"module:PANEL"`` targets.

    The HTML page of every result shows them, after the panels of `retrieve`.
    """


@hookspec
def register_likelihoods() -> Mapping[str, Any]:  # type: ignore[empty-body]
    """`retrieve.problem.Likelihood` classes by name, or lazy ``"module:Class"`` targets.

    ``--likelihood NAME:NUMBER`` makes one. The number is its first option.
    """
