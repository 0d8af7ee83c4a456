"""The page of one result."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..ensemble import align_all, common_mode
from ..evaluate import align
from ..report import amplitude_unit, crop_to, intensity_range, patterns, support_of, to_middle, unit_of
from ..result import Result, Score
from .charts import Curve, distribution_chart, history_chart, swatch
from .html import Cell, Column, Html, code, document, facts, number, table, tag
from .images import AXES, Panel, Scale, block_mean, grid, viewer
from .objects import errors_of, look_of, panels_of, untilted

HEALTHY = 1.5  # free over working misfit up to which a fit is not called over-fitted
AGREE = 0.9  # correlation of starts from which they are said to agree


class Agreement(NamedTuple):
    """What usable starts have in common.

    matrix: complex correlation (n, n) of each pair, all aligned to the chosen one.  starts: their numbers.
    mode: (*shape), share: the common mode and its share of the energy.  mean: (*shape), of the amplitudes.
    """

    matrix: NDArray[np.float64]
    starts: NDArray[np.intp]
    mode: NDArray[np.complexfloating]
    share: float
    mean: NDArray[np.floating]

    @property
    def pairs(self) -> NDArray[np.float64]:
        """The upper triangle of the matrix."""
        return self.matrix[np.triu_indices(len(self.matrix), 1)]


def result_page(result: Result) -> str:
    """The HTML of one result."""
    agreement = agreement_of(result)
    x, support, spread = to_middle(
        np.nan_to_num(result.object), support_of(result), None if result.spread is None else np.nan_to_num(result.spread)
    )
    crop = crop_to(x, support)
    truth = None if result.problem.truth is None else np.asarray(result.problem.truth)
    known = align(np.nan_to_num(result.object), truth, ramp=True, scale=True) if truth is not None and truth.any() else None
    measured, calculated = patterns(result)
    unit = unit_of(measured)
    sections: dict[str, list[Any]] = {
        "In short": _in_short(result, support, agreement, known and known.correlation),
        "Object": [
            _object(x, None, crop, result.problem.meta, amplitude_unit(unit))
            if truth is None or known is None
            else _object(known.object, truth, crop_to(truth, None), result.problem.meta, amplitude_unit(unit))
        ],
        "Diffraction": [_diffraction(measured, calculated, unit)],
        "Convergence": _convergence(result),
        "Starts": [_starts(result, agreement)],
        "Spread and modes": _modes(x, spread, agreement, crop, result, amplitude_unit(unit)),
        "How this was made": _made(result),
    }
    return document(_title(result), _lead(result), sections)


def agreement_of(result: Result) -> Agreement | None:
    """What the usable starts have in common; None with fewer than two."""
    usable = np.array([score.failure is None for score in result.scores]) & np.isfinite(result.estimates).all(
        axis=tuple(range(1, result.estimates.ndim))
    )
    starts = np.flatnonzero(usable)
    if len(starts) < 2:
        return None
    aligned = align_all(result.estimates, result.chosen if usable[result.chosen] else int(starts[0]), usable)[usable]
    rows = aligned.reshape(len(aligned), -1).astype(complex)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30)
    mode, share = common_mode(aligned)
    return Agreement(np.abs(rows @ rows.conj().T).clip(0, 1), starts, mode, share, np.abs(aligned).mean(axis=0))


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


def ratio_of(score: Score) -> float | None:
    """Free over working misfit."""
    return None if score.free is None or not score.chi2 > 0 else score.free / score.chi2


def _in_short(result: Result, support: NDArray | None, agreement: Agreement | None, truth: float | None) -> list[Html]:
    score, starts = result.score, len(result.scores)
    failed = sum(s.failure is not None for s in result.scores)
    ratio = ratio_of(score)
    held = 0.0 if result.held is None else float(np.mean(result.held))
    tiles = [_tile("Misfit χ²", number(score.chi2), "on the pixels that were fitted; 0 is perfect")]
    if score.free is None:
        tiles.append(_tile("Free χ²", number(None), "no pixels were held out, so over-fitting would not show"))
    else:
        tiles.append(_tile("Free χ²", number(score.free), f"on the {held:.1%} of the pixels that the solver never saw"))
        tiles.append(_tile("Free over fitted", number(ratio), _ratio_says(ratio)))
    combined = result.manifest.get("combine") not in (None, "best")
    says = (
        "the object is their common mode"
        if combined
        else f"start {result.chosen} was chosen"
        if starts > 1
        else "no other to compare"
    )
    tiles.append(
        _tile("Starts", f"{starts - failed} of {starts}" if failed else str(starts), says + f"; {failed} failed" * bool(failed))
    )
    if agreement:
        median = float(np.median(agreement.pairs))
        says = "they found the same object" if median >= AGREE else "they found different objects: trust what they share"
        tiles.append(_tile("Agreement of starts", number(median), f"median correlation of pairs; {says}"))
    if support is not None:
        tiles.append(_tile("Support", f"{support.mean():.2%}", "share of the array that the object fills"))
    if truth is not None:
        tiles.append(_tile("Against the truth", number(truth, 4), "complex correlation; 1 is perfect"))
    cost = result.cost
    spent = f"{cost.ffts:,} transforms".replace(",", "\u202f")
    spent += f", {cost.network_evaluations:,} network evaluations".replace(",", "\u202f") * bool(cost.network_evaluations)
    tiles.append(_tile("Cost", f"{number(cost.seconds)} s", spent))
    failures = [
        tag("p", tag("strong", f"Start {k} failed: "), s.failure, class_="warning")
        for k, s in enumerate(result.scores)
        if s.failure
    ]
    return [tag("dl", *tiles, class_="tiles"), *failures]


def _ratio_says(ratio: float | None) -> str:
    if ratio is None:
        return "unseen against fitted pixels"
    return (
        "unseen pixels are predicted about as well as fitted ones" if ratio <= HEALTHY else "above 1.5: the fit follows the noise"
    )


def _tile(name: str, value: str, says: str) -> Html:
    return tag("div", tag("dt", name), tag("dd", value, class_="value"), tag("dd", says, class_="says"))


# pictures -----------------------------------------------------------------------------------------


def _voxel(meta: Mapping[str, Any], ndim: int) -> tuple[list[float], str]:
    given = meta.get("voxel_size_nm")
    size = np.broadcast_to(np.asarray(1.0 if given is None else given, float), ndim)
    return [float(s) for s in size], "px" if given is None else "nm"


def _object(x: NDArray, truth: NDArray | None, crop: tuple[slice, ...], meta: Mapping[str, Any], unit: str) -> Html:
    size, length = _voxel(meta, x.ndim)
    origin = [n // 2 - cut.start for n, cut in zip(x.shape, crop, strict=True)]
    if truth is None:
        x = x[crop]
        rows = {"": panels_of(x, look_of([x], None, unit), "the object")}
    else:
        [x], t = untilted([x], truth)
        x, t = x[crop], t[crop]
        look = look_of([x], t, unit)
        rows = {
            "retrieved": [*panels_of(x, look, "retrieved"), *errors_of(x, t, look, "retrieved")],
            "truth": [*panels_of(t, look, "truth"), None, None],
        }
    return viewer(
        rows, origin, size, length, "Cropped to the object; phase ramp and offset removed, shown where there is amplitude."
    )


def _diffraction(measured: np.ma.MaskedArray, calculated: NDArray, unit: str) -> Html:
    floor, top = intensity_range(measured)
    names = ["q" + name for name in AXES[measured.ndim]]
    peak = [int(i) for i in np.unravel_index(np.argmax(measured.filled(-1)), measured.shape)]
    intensity = Scale("inferno", floor, top, f"intensity ({unit})", log=True)
    difference = np.sqrt(np.maximum(calculated, 0)) - np.sqrt(measured.filled(np.nan))
    limit = float(np.nanquantile(np.abs(difference), 0.998)) or 1.0
    error = Scale("coolwarm", -limit, limit, f"√calculated − √measured ({amplitude_unit(unit)})")
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
        for series, key in enumerate(("chi2", "free")):
            values = np.asarray(history.get(key, []), float)
            if np.isfinite(values).any():
                curves.append(Curve(series, history["step"], values, bool(series), k == result.chosen))
    if not curves:
        return []
    free = any(curve.dashed for curve in curves)
    legend = [
        tag("li", swatch(0, marker=False), "χ², fitted pixels"),
        free and tag("li", swatch(1, marker=False, dashed=True), "free χ²"),
    ]
    others = " Strong: the chosen start; pale: the others." if len(result.history) > 1 else ""
    return [
        tag("ul", *(item for item in legend if item), class_="legend"),
        history_chart(curves, "Error against the step", "misfit of each start against the step", note=others.strip() or None),
    ]


# starts -------------------------------------------------------------------------------------------


def _starts(result: Result, agreement: Agreement | None) -> Html | None:
    if len(result.scores) < 2:
        return None
    place = {} if agreement is None else {int(start): k for k, start in enumerate(agreement.starts)}
    chosen = place.get(result.chosen)
    columns = [
        Column("start"),
        Column("χ²", "misfit on the fitted pixels"),
        Column("free χ²", "misfit on the held-out pixels"),
        Column("free / fitted", "near 1 is healthy"),
        Column("support", "share of the array"),
        Column("agreement", "complex correlation with the chosen start"),
        Column("", None),
    ]
    rows: list[list[Any]] = []
    for k, score in enumerate(result.scores):
        share = None if result.supports is None else float(np.mean(result.supports[k]))
        same = None if agreement is None or chosen is None or k not in place else float(agreement.matrix[chosen, place[k]])
        word: Any = score.failure or ("chosen" if k == result.chosen and result.combined is None else "")
        rows.append(
            [
                k,
                score.chi2,
                score.free,
                ratio_of(score),
                Cell("—" if share is None else f"{share:.2%}", share),
                Cell(number(same, 4), same),
                Cell(tag("span", word, class_="chosen") if word == "chosen" else word, word),
            ]
        )
    return table(columns, rows, "Starts", id="starts-table")


def _modes(
    x: NDArray, spread: NDArray | None, agreement: Agreement | None, crop: tuple[slice, ...], result: Result, unit: str
) -> list[Html]:
    if agreement is None:
        return []
    size, length = _voxel(result.problem.meta, x.ndim)
    origin = [n // 2 - cut.start for n, cut in zip(x.shape, crop, strict=True)]
    mode = align(agreement.mode, x, ramp=True).object[crop]
    look = look_of([x[crop]], None, unit)
    row = panels_of(mode, look, "common mode of the starts")
    row = [panel and panel._replace(title=f"common mode, {panel.title}") for panel in row]
    if spread is not None:
        scale = Scale("magma", 0.0, float(spread.max()) or 1.0, f"standard deviation of the amplitude ({unit})")
        row.append(Panel("spread over the starts", spread[crop], scale, "standard deviation of the amplitude over the starts"))
    note = f"The common mode, the leading singular vector of the aligned starts, holds {agreement.share:.1%} of their energy."
    chi2 = [np.array([s.chi2 for s in result.scores]), np.array([math.nan if s.free is None else s.free for s in result.scores])]
    matrix = Panel(
        "correlation of each pair", agreement.matrix, Scale("viridis", 0.0, 1.0, "complex correlation"), "matrix of correlations"
    )
    charts = [
        distribution_chart([None], {0: [agreement.pairs]}, "Agreement of pairs", "distribution of the correlations of pairs"),
        distribution_chart([None], {0: chi2[:1], 1: chi2[1:]}, "χ² and free χ² of the starts", "distribution of the misfits"),
        tag("div", grid({"": [matrix]}), class_="matrix"),
    ]
    return [viewer({"": row}, origin, size, length, note), tag("div", *charts, class_="charts")]


# provenance ---------------------------------------------------------------------------------------


def _made(result: Result) -> list[Html]:
    manifest = dict(result.manifest)
    held = None if result.held is None else f"{np.mean(result.held):.2%} of the pixels"
    said: dict[str, Any] = {"solver": manifest.get("solver"), "options": manifest.get("options"), "seed": manifest.get("seed")}
    said |= {"held out": held, "device": manifest.get("device"), "versions": manifest.get("versions")}
    said = {name: value for name, value in said.items() if value}
    parts = [facts(said)] if said else []
    if manifest:
        parts.append(tag("p", "The file of the result replays it: ", tag("code", "retrieve run --replay RESULT.cxi"), "."))
        parts.append(tag("details", tag("summary", "Manifest: all that replays the run"), code(manifest)))
    if result.problem.meta:
        parts.append(tag("details", tag("summary", "What is known of the measurement"), code(dict(result.problem.meta))))
    return parts
