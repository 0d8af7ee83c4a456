"""The input of a command: a file with the flags that override what is guessed of it, or an example."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..problem import Problem
    from ..problem.likelihood import Likelihood

FLAGS = ("key", "mask", "support", "kind", "centred", "frame")


class LikelihoodType(click.ParamType):
    """``auto`` (None), or a likelihood by its name, with its number behind a colon where it is not the default."""

    name = "auto|gaussian[:σ]|poisson[:scale]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The likelihood."""
        from ..errors import OptionError
        from ..plugins.options import build
        from ..problem.likelihood import Gaussian, Poisson

        if not isinstance(value, str) or value == "auto":
            return None if value == "auto" else value
        kind, colon, number = value.partition(":")
        known = {"gaussian": (Gaussian, "sigma"), "poisson": (Poisson, "scale")}
        if kind not in known:
            self.fail(f"{value!r} is none of auto, {', '.join(known)}; write it like gaussian:0.05", param, ctx)
        cls, option = known[kind]
        try:
            return build(cls, {option: number} if colon else {})
        except OptionError as error:
            self.fail(f"{value!r}: {error}", param, ctx)


_OPTIONS = (
    click.option("--key", help="which array or dataset of the file"),
    click.option("--mask", help="file of the mask (1 measured), FILE or FILE.h5:/dataset"),
    click.option("--support", help="file of the support, FILE or FILE.h5:/dataset"),
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
        help="NaN, infinite and negative values: refuse, or treat as unmeasured",
    ),
    click.option(
        "--likelihood",
        type=LikelihoodType(),
        metavar=LikelihoodType.name,
        default="auto",
        show_default=True,
        help="noise, for the gradient solver and learned priors: gaussian:σ of the amplitudes, 0.5 as counts have "
        "it if left out; poisson:counts of an intensity of 1; auto: what the file says, else gaussian",
    ),
)


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the flags that say how a file is read."""
    for decorate in reversed(_OPTIONS):
        command = decorate(command)
    return command


def problem_from(file: str, given: dict[str, Any], likelihood: Likelihood | None = None) -> Problem:
    """The problem in a file or an example, its source recorded in the meta for a replay."""
    noise = likelihood or given["likelihood"]
    if file.startswith("example:"):
        from ..simulate import example

        problem = example(file.removeprefix("example:"))
        return problem.replace(likelihood=noise or problem.likelihood, meta={**problem.meta, "input": {"path": file}})
    from ..io import load

    problem = load(file, **{name: given[name] for name in FLAGS}).problem(given["bad_pixels"], noise)
    source = {**problem.meta["input"], "bad_pixels": given["bad_pixels"]}
    return problem.replace(meta={**problem.meta, "input": source})
