"""The input of a command: a file with the options that say how to read it, or an example."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .experiment import experiment_options
from .options import limit_options

if TYPE_CHECKING:
    from ..problem import Problem
    from ..problem.likelihood import Likelihood


class LikelihoodType(click.ParamType):
    """``auto`` (None), or a likelihood by its name, with its number behind a colon where it is not the default."""

    name = "auto|gaussian[:σ]|poisson[:scale]|NAME[:NUMBER]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The likelihood."""
        if not isinstance(value, str) or value == "auto":
            return None if value == "auto" else value
        from ..errors import InputError, OptionError
        from ..plugins.options import build, options_of
        from ..plugins.registry import find

        name, colon, number = value.partition(":")
        try:
            kind = find("likelihoods", name)
        except InputError as error:
            self.fail(f"{error} (auto takes it from the data; a number follows a colon: gaussian:0.05)", param, ctx)
        first = next(iter(options_of(kind)), None)
        if colon and first is None:
            self.fail(f"{value!r}: {name} takes no number; write --likelihood {name}", param, ctx)
        try:
            return build(kind, {first.name: number} if colon and first else {})
        except OptionError as error:
            self.fail(f"{value!r}: {error}", param, ctx)


MASK_CONVENTION = click.option(
    "--mask-convention",
    type=click.Choice(["auto", "measured", "masked"]),
    default="auto",
    show_default=True,
    help="meaning of 1 in the mask; masked: PyNX, bcdi; auto: by its name, and refused if it hides nearly all counts",
)

_OPTIONS = (
    click.option("--key", help="array or dataset of the file to read"),
    click.option("--mask", help="file of the mask (1 measured), FILE or FILE.h5:/dataset"),
    MASK_CONVENTION,
    click.option("--support", help="file of the support, FILE or FILE.h5:/dataset, or a result, whose support is taken"),
    click.option(
        "--kind",
        type=click.Choice(["auto", "intensity", "amplitude"]),
        default="auto",
        show_default=True,
        help="what the numbers are",
    ),
    click.option(
        "--centred",
        type=click.Choice(["auto", "yes", "no"]),
        default="auto",
        show_default=True,
        help="yes: peak at N//2; no: zero frequency at index 0",
    ),
    click.option("--frame", type=int, help="one frame of a stack, along its first axis"),
    click.option(
        "--bad-pixels",
        type=click.Choice(["error", "mask"]),
        default="error",
        show_default=True,
        help="NaN, infinite and negative values: refuse them, or treat them as unmeasured",
    ),
    click.option(
        "--likelihood",
        type=LikelihoodType(),
        metavar=LikelihoodType.name,
        default="auto",
        show_default=True,
        help="noise, for the gradient solver and learned priors. gaussian:σ of the amplitudes (0.5 fits counts); "
        "poisson:counts of an intensity of 1; auto: what the file says, else gaussian",
    ),
)


@dataclass(frozen=True)
class Reading:
    """How a file is read; the options of `retrieve.io.load` and of `Measurement.problem`."""

    key: str | None = None
    mask: str | None = None
    support: str | None = None
    kind: str = "auto"
    centred: str = "auto"
    frame: int | None = None
    mask_convention: str = "auto"
    experiment: Mapping[str, Any] | None = None
    bad_pixels: str = "error"
    likelihood: Likelihood | None = None

    @classmethod
    def from_record(cls, source: Mapping[str, Any], likelihood: Likelihood | None) -> Reading:
        """As the `input` of a manifest says."""
        return cls(**{name: source[name] for name in READING if name in source}, likelihood=likelihood)

    def problem(self, file: str) -> Problem:
        """The problem in a file or an example. Its meta records the source for a replay."""
        if file.startswith("example:"):
            from ..simulate import example

            problem = example(file.removeprefix("example:"))
            source = {"path": file}
            return problem.replace(likelihood=self.likelihood or problem.likelihood, meta={**problem.meta, "input": source})
        from ..io import load

        result = self.support if self.support is not None and _is_result(self.support) else None
        options = {name: getattr(self, name) for name in READING if name != "bad_pixels"}
        options["support"] = self.support if result is None else None
        problem = load(file, **options).problem(self.bad_pixels, self.likelihood)
        source = {**problem.meta["input"], "bad_pixels": self.bad_pixels}
        problem = problem.replace(meta={**problem.meta, "input": source})
        return problem if result is None else _with_support_of(result, problem)


READING = tuple(field.name for field in fields(Reading) if field.name != "likelihood")


def _is_result(text: str) -> bool:
    """Whether ``--support`` names a result, by its content or by a convention, and not an array of its own."""
    from ..io.external import CONVENTIONS
    from ..io.layouts import holds_object

    head, _, convention = text.rpartition(":")
    return holds_object(Path(text)) or (convention in CONVENTIONS and Path(head).exists() and not Path(text).exists())


def _with_support_of(text: str, problem: Problem) -> Problem:
    """The problem with the support of a result as the known one. Raises `InputError` if there is none that fits."""
    from ..errors import InputError
    from ..io.starting_point import starting_point

    try:
        found = starting_point(text, problem)
    except InputError as error:
        raise InputError(f"--support: {error}") from error
    if found.support is None or not found.support.any():
        raise InputError(f"--support: {text} holds no support; give one that does, or a mask of the object as FILE:/DATASET")
    meta = problem.meta
    source = {**meta["input"], "support": text, "support_sha256": found.source["start_sha256"]}
    notes = [*meta.get("notes", ()), found.note.replace("start from", "support from", 1)]
    return problem.replace(support=found.support, meta={**meta, "input": source, "notes": notes})


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how a file is read. The command takes them together, as `reading`."""

    @functools.wraps(command)
    def read(**given: Any) -> Any:
        from .experiment import given_experiment

        given["experiment"] = given_experiment(given) or None
        return command(reading=Reading(**{name: given.pop(name) for name in (*READING, "likelihood")}), **given)

    decorated: Callable[..., Any] = limit_options(experiment_options(read))
    for decorate in reversed(_OPTIONS):
        decorated = decorate(decorated)
    return decorated
