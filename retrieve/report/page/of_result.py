"""The page of one result."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...evaluate.modes import shared_modes
from ...evaluate.support_agreement import SupportAgreement, moved, support_agreement
from ...evaluate.verdict import Verdict, account_lines
from ...io.result import Result
from ...numerics.alignment import Aligned, align, shift_to_centre
from ..cuts import crop_to, support_of, to_middle
from ..result_picture import amplitude_unit, intensity_range, patterns, unit_of
from .charts import ChartCurve, history_chart, swatch
from .html import NONE, Html, code, document, fact_table, number, tag
from .images import AXIS_NAMES, ColourScale, Panel, block_mean, grid, viewer
from .objects import errors_of, look_of, panels_of, untilted, voxel_of
from .starts import Agreement, agreement_of, modes_view, ratio_of, starts_charts, starts_table

HEALTHY = 1.5  # free over working misfit up to which a fit is not called over-fitted


def result_page(result: Result) -> str:
    """The HTML of one result."""
    agreement, held = agreement_of(result), support_agreement(result)
    truth = None if result.problem.truth is None else np.asarray(result.problem.truth)
    known = align(np.nan_to_num(result.object), truth, ramp=True, scale=True) if truth is not None and truth.any() else None
    measured, calculated = patterns(result)
    unit = unit_of(measured)
    sections: dict[str, list[Any]] = {
        "In short": _in_short(result, agreement, held, known and known.correlation),
        "Object": [_object(result, known, held, amplitude_unit(unit))],
        "Diffraction": [_diffraction(measured, calculated, unit)],
        "Convergence": _convergence(result),
        "Starts": [starts_table(result, agreement), starts_charts(result, agreement)],
        "Spread and modes": modes_view(agreement and shared_modes(agreement.aligned), result.problem.meta, amplitude_unit(unit)),
        "How this was made": _made(result),
    }
    return document(_title(result), _lead(result), sections)


# words --------------------------------------------------------------------------------------------


def _title(result: Result) -> str:
    meta, manifest = result.problem.meta, result.manifest
    path = manifest.get("input", {}).get("path")
    return str(meta.get("title") or (PurePath(str(path)).name if path else None) or meta.get("source") or "Phase retrieval")


def _lead(result: Result) -> str:
    starts = len(result.scores)
    parts = [
        " × ".join(map(str, result.object.shape)),
        f"solver {result.manifest['solver']}" if "solver" in result.manifest else None,
        "1 start" if starts == 1 else f"{starts} starts",
        f"seed {result.manifest['seed']}" if "seed" in result.manifest else None,
        "interrupted before its end" if result.interrupted else None,
    ]
    return ", ".join(part for part in parts if part) + "."


def _in_short(result: Result, agreement: Agreement | None, sure: SupportAgreement | None, truth: float | None) -> list[Html]:
    score, support = result.score, support_of(result)
    ratio = ratio_of(score)
    held = 0.0 if result.held is None else float(np.mean(result.held))
    tiles = [] if result.verdict is None else [tile("Verdict", *_verdict_says(result.verdict))]
    tiles.append(tile("Misfit R", number(score.r), "on the pixels that were fitted; 0 is perfect"))
    if score.r_free is None:
        tiles.append(tile("R_free", NONE, "no pixels were held out, so over-fitting would not show"))
    else:
        tiles.append(tile("R_free", number(score.r_free), f"on the {held:.1%} of the pixels that the solver never saw"))
        tiles.append(tile("Free over fitted", number(ratio), _ratio_says(ratio)))
    tiles.append(_starts_tile(result))
    if agreement:
        most, of = len(agreement.clusters[0].members), len(agreement.starts)
        says = "no two" if most < 2 else f"all {of}" if most == of else f"{most} of {of}"
        says += " found the same object"
        tiles.append(tile("Agreement of starts", number(agreement.median), f"median correlation of pairs; {says}"))
    if support is not None:
        says = f"share of the array that the object fills, {int(support.sum())} px"
        tiles.append(tile("Support", f"{support.mean():.2%}", says + (f"; {sure.words}" if sure else "")))
    if truth is not None:
        tiles.append(tile("Against the truth", number(truth, 4), "complex correlation; 1 is perfect"))
    cost = result.cost
    spent = f"{number(cost.ffts)} transforms"
    spent += f", {number(cost.network_evaluations)} network evaluations" * bool(cost.network_evaluations)
    tiles.append(tile("Cost", f"{number(cost.seconds)} s", spent))
    return [tag("dl", *tiles, class_="tiles"), *_warnings(result)]


def _verdict_says(verdict: Verdict) -> tuple[str, str]:
    p = verdict.probability
    return verdict.label, verdict.words if p is None else f"right with a probability of {p:.0%}: {verdict.words}"


def _starts_tile(result: Result) -> Html:
    starts = len(result.scores)
    failed = sum(s.failure is not None for s in result.scores)
    if result.averaging is not None:
        says = f"the object is their {result.averaging}"
    else:
        says = f"start {result.chosen} was chosen" if starts > 1 else "there is no other to compare it with"
    value = f"{starts - failed} of {starts}" if failed else str(starts)
    return tile("Starts", value, says + f"; {failed} failed" * bool(failed))


def _warnings(result: Result) -> list[Html]:
    said = [("Interrupted. ", "The run was stopped before its end.")] if result.interrupted else []
    said += [("Support. ", warning + ".") for warning in (result.verdict.warnings if result.verdict else ())]
    said += [(f"Start {k} failed. ", s.failure) for k, s in enumerate(result.scores) if s.failure]
    return [tag("p", tag("strong", what), why, class_="warning") for what, why in said]


def _ratio_says(ratio: float | None) -> str:
    if ratio is None:
        return "unseen against fitted pixels"
    return (
        "unseen pixels are predicted about as well as fitted ones" if ratio <= HEALTHY else "above 1.5: the fit follows the noise"
    )


def tile(name: str, value: str, says: str) -> Html:
    """A headline number: its name, its value, and what it says."""
    return tag("div", tag("dt", name), tag("dd", value, class_="value"), tag("dd", says, class_="says"))


# pictures -----------------------------------------------------------------------------------------


def _object(result: Result, known: Aligned | None, held: SupportAgreement | None, unit: str) -> Html:
    """The object alone or, aligned to the truth (known), beside it; how sure the support is."""
    rows: dict[str, list[Panel | None]]
    share = None if held is None else held.share
    if known is None:
        share = None if share is None else np.roll(share, shift_to_centre(np.nan_to_num(result.object)), range(share.ndim))
        x, support, _ = to_middle(np.nan_to_num(result.object), support_of(result), None)
        crop = crop_to(x, support)
        rows = {"": panels_of(x[crop], look_of([x[crop]], None, unit), "the object") + _sure(share, crop)}
    else:
        share = None if share is None else moved(share, known)
        [x], truth = untilted([known.object], np.asarray(result.problem.truth))
        crop = crop_to(truth, None)
        look = look_of([x[crop]], truth[crop], unit)
        found = [*panels_of(x[crop], look, "retrieved"), *errors_of(x[crop], truth[crop], look, "retrieved"), *_sure(share, crop)]
        shown = panels_of(truth[crop], look, "truth")
        rows = {"Retrieved": found, "Truth": [*shown, *[None] * (len(found) - len(shown))]}
    origin = [n // 2 - cut.start for n, cut in zip(x.shape, crop, strict=True)]
    size, length = voxel_of(result.problem.meta, x.ndim)
    note = "Cropped to the object; phase ramp and offset removed; the phase is shown where there is amplitude."
    return viewer(rows, origin, size, length, note)


def _sure(share: NDArray | None, crop: tuple[slice, ...]) -> list[Panel | None]:
    """The share of the agreeing starts whose support holds a pixel."""
    scale = ColourScale("cividis", 0.0, 1.0, "share of the agreeing starts whose support holds it")
    return (
        []
        if share is None
        else [Panel("support", np.where(share[crop] > 0, share[crop], np.nan), scale, "support, of the starts")]
    )


def _diffraction(measured: np.ma.MaskedArray, calculated: NDArray, unit: str) -> Html:
    floor, top = intensity_range(measured)
    names = ["q" + name for name in AXIS_NAMES[measured.ndim]]
    peak = [int(i) for i in np.unravel_index(np.argmax(measured.filled(-1)), measured.shape)]
    intensity = ColourScale("inferno", floor, top, f"intensity ({unit})", log=True)
    difference = np.sqrt(np.maximum(calculated, 0)) - np.sqrt(measured.filled(np.nan))
    limit = float(np.nanquantile(np.abs(difference), 0.998)) or 1.0
    error = ColourScale("coolwarm", -limit, limit, f"√calculated − √measured ({amplitude_unit(unit)})")
    rows: dict[str, list[Panel | None]] = {}
    for axis in [None] if measured.ndim == 2 else [0, 1, 2]:
        cut = tuple(peak[a] if a == axis else slice(None) for a in range(measured.ndim))
        name = "" if axis is None else f"{names[axis]} = {peak[axis] - measured.shape[axis] // 2}".replace("-", "−")
        rows[name] = [
            Panel("measured", block_mean(measured.filled(np.nan)[cut]), intensity, f"measured intensity {name}"),
            Panel("calculated", block_mean(calculated[cut]), intensity, f"calculated intensity {name}"),
            Panel("difference", block_mean(difference[cut]), error, f"difference of the amplitudes {name}"),
        ]
    grey = " Grey: not measured." if measured.mask.any() else ""
    through = "The whole detector" + (", cut through the peak" if measured.ndim == 3 else "") + ", zero frequency in the middle."
    return tag("div", grid(rows), tag("p", through + grey, class_="note"), class_="pattern")


def _convergence(result: Result) -> list[Html]:
    curves = []
    for k, history in enumerate(result.history):
        for series, key in enumerate(("r", "r_free")):
            values = np.asarray(history.get(key, []), float)
            if np.isfinite(values).any():
                curves.append(ChartCurve(series, history["step"], values, bool(series), k == result.chosen))
    if not curves:
        return []
    free = any(curve.dashed for curve in curves)
    legend = [
        tag("li", swatch(0, marker=False), "R, fitted pixels"),
        free and tag("li", swatch(1, marker=False, dashed=True), "R_free"),
    ]
    others = " Strong: the chosen start; pale: the others." if len(result.history) > 1 else ""
    return [
        tag("ul", *(item for item in legend if item), class_="legend"),
        history_chart(curves, "Error against the step", "misfit of each start against the step", note=others.strip() or None),
    ]


# provenance ---------------------------------------------------------------------------------------


def _made(result: Result) -> list[Html]:
    manifest = dict(result.manifest)
    held = None if result.held is None else f"{np.mean(result.held):.2%} of the pixels"
    said: dict[str, Any] = {"solver": manifest.get("solver"), "options": manifest.get("options"), "seed": manifest.get("seed")}
    said |= {"held out": held, "device": manifest.get("device"), "versions": manifest.get("versions")}
    said = {name: value for name, value in said.items() if value}
    parts = [fact_table(said)] if said else []
    if lines := account_lines(result):
        parts.append(
            tag("details", tag("summary", "What was seen and done"), tag("ul", *(tag("li", line) for line in lines)), open=True)
        )
    if manifest:
        parts.append(tag("p", "The file of the result replays it: ", tag("code", "retrieve run --replay RESULT.cxi"), "."))
        parts.append(tag("details", tag("summary", "Manifest: all that replays the run"), code(manifest)))
    if result.problem.meta:
        parts.append(tag("details", tag("summary", "What is known of the measurement"), code(dict(result.problem.meta))))
    return parts
