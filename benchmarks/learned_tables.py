"""Tables of the learned solvers: paired tests of the diffusion solver with every other, and Markdown.

python benchmarks/learned_tables.py               # docs/notes/learned_table.md from benchmarks/results/learned2d.json
python benchmarks/learned_tables.py --renew FILE  # first put into it what `learned.py --only … --out FILE` ran again
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from classical import field, tables

from retrieve.evaluate.compare import Paired, Summary, paired, summarise
from retrieve.evaluate.comparison import Comparison
from retrieve.evaluate.statistics import SUCCESS, Rate, mcnemar
from retrieve.evaluate.tables import write_content

HERE = Path(__file__).parent
KEPT = HERE / "results" / "learned2d.json"
PAGE = HERE.parent / "docs" / "notes" / "learned_table.md"

SHOWN = {SUCCESS: "complex correlation", "amplitude_correlation": "amplitude correlation", "phase_similarity": "phase similarity"}
OURS, ONCE, LIMIT = "diffusion", "diffusion one round", "limit, from the truth"


def pairs(whole: Comparison) -> list[dict[str, Any]]:
    """The diffusion solver, and a round of it, against the others on the same objects: start 0 of each, and the best of all.

    Besides McNemar's test of what each solves: on how many objects the one correlates better, and the sign test's p.
    """
    best = [row for row in whole.rows if row.start is None and row.solver != LIMIT]
    alone = [dataclasses.replace(row, start=None) for row in whole.rows if row.start == 0 and row.solver != LIMIT]
    tests = []
    for starts, rows in (("one", alone), ("best", best)):
        values = {(r.group, r.noise, r.solver, r.object): r.metrics.get(SUCCESS, 0.0) for r in rows}
        calls = {(s.group, s.noise, s.solver): s.network_evaluations for s in summarise(Comparison({}, {}, tuple(rows)))}
        for test in paired(Comparison({}, {}, tuple(rows))):
            ours = next((label for label in (OURS, ONCE) if label in (test.a, test.b)), None)
            if ours is None:
                continue
            t = test if test.a == ours else Paired(test.group, test.noise, ours, test.a, *swapped(test))
            where = (t.group, t.noise)
            shared = [k[3] for k in values if k[:3] == (*where, t.b) and (*where, ours, k[3]) in values]
            gain = np.array([values[(*where, ours, n)] - values[(*where, t.b, n)] for n in shared])
            better, worse = int((gain > 0).sum()), int((gain < 0).sum())
            solved = {"objects": len(shared), "a_solves": t.both + t.only_a, "b_solves": t.both + t.only_b}
            more = {"a_better": better, "b_better": worse, "p_better": mcnemar(better, worse), "gain": float(np.median(gain))}
            spent = {"a_evaluations": calls[(*where, ours)], "b_evaluations": calls[(*where, t.b)]}
            tests.append({"starts": starts, **dataclasses.asdict(t), **solved, **more, **spent})
    return tests


def swapped(test: Paired) -> tuple[int, int, int, int, float]:
    return test.both, test.only_b, test.only_a, test.neither, test.p


def told(test: Mapping[str, Any]) -> str:
    head = f"{test['group']} σ={test['noise']:g} {test['starts']} start{'' if test['starts'] == 'one' else ' of all'}"
    solved = f"{test['a']} solves {test['a_solves']}, {test['b']} {test['b_solves']} of {test['objects']} (p = {test['p']:.2g})"
    return f"{head}: {solved}, better on {test['a_better']}, worse on {test['b_better']} (p = {test['p_better']:.2g})"


def markdown(summaries: Sequence[Summary], settings: Mapping[str, Any], tests: Sequence[Mapping[str, Any]]) -> str:
    """Success, correlation, cost and paired tests, each a Markdown table a set."""
    objects, left = settings["objects"], settings["left_out"]
    lines = [
        "# Learned and classical solvers on simulated objects",
        "",
        f"Made by `benchmarks/learned.py` on {', '.join(settings['device'])}: known support, every solver with its own",
        "iterations. The limit starts from the truth and does not compete: it is about the best that the noise allows.",
        "Tests of solvers that ran again later need the objects of both runs, and are left out.",
        *([f"Left out: {', '.join(left)}, without weights."] if left else []),
        "",
        "| solver | objects | starts | s a start | transforms a start | denoiser calls a start | failed |",
        "|---|---|---|---|---|---|---|",
    ]
    for label, starts in settings["starts"].items():
        own = [s for s in summaries if s.solver == label and not s.best]
        failed = sum(s.failures for s in own)
        seconds, ffts, calls = (float(np.mean([s[k] for s in map(spent, own)])) for k in range(3))
        lines.append(f"| {label} | {objects[label]} | {starts} | {seconds:.3g} | {ffts:.0f} | {calls:.0f} | {failed} |")
    lines += ["", *glance(summaries)]
    several = [s for s in summaries if settings["starts"][s.solver] > 1]
    parts: tuple[tuple[str, Callable[[Summary | None, Summary | None], str], Sequence[Summary]], ...] = (
        (
            "Objects (%) above 0.95 in complex correlation: one start; **the start that R_free selects** [95 % interval].",
            field,
            summaries,
        ),
        *(
            (f"Median {name}: one start; **the start that R_free selects**.", medians(key), summaries)
            for key, name in SHOWN.items()
        ),
        (f"Medians of the weighted mean of all starts (`--average mean`): {', '.join(SHOWN.values())}.", of_mean, several),
    )
    drawn = [(caption, dict(tables(shown, entry))) for caption, entry, shown in parts]
    for group in dict.fromkeys(s.group for s in summaries):
        lines += ["", f"## {group}"]
        for caption, each in drawn:
            lines += ["", caption, "", *each[group]]
        lines += [
            "",
            "Solvers against each other on the same objects: objects that each solves, McNemar's p.",
            *versus(group, tests),
        ]
    return "\n".join(lines) + "\n"


def glance(summaries: Sequence[Summary]) -> list[str]:
    """One line a set and level: the diffusion solver, the limit, and of the others the one that is nearest to the truth."""
    best = {(s.group, s.noise, s.solver): s for s in summaries if s.best}
    alone = {(s.group, s.noise): s for s in summaries if s.solver == OURS and not s.best}
    lines = [
        "At a glance, the start that R_free selects; medians are of complex correlation, amplitude correlation and phase",
        "similarity; *found* is above 0.95 in the first.",
        "",
        "| set | σ | diffusion: starts found | objects found | medians | of the mean of starts | limit | the best other |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (group, noise), single in alone.items():
        ours, limit = best[group, noise, OURS], best.get((group, noise, LIMIT))
        others = [s for s in best.values() if (s.group, s.noise) == (group, noise) and s.solver not in (OURS, ONCE, LIMIT)]
        other = max(others, key=lambda s: s.medians.get(SUCCESS, 0.0), default=None)
        cells = [
            f"{100 * single.success95.rate:.0f} %",
            f"{ours.success95.rate * ours.objects:.0f} of {ours.objects}",
            triple(ours),
            triple(ours, "averaged_"),
            triple(limit),
            "–" if other is None else f"{other.solver}: {triple(other)}",
        ]
        lines.append(f"| {group} | {noise:g} | " + " | ".join(cells) + " |")
    return lines


def triple(s: Summary | None, prefix: str = "") -> str:
    """The three medians of a summary, a dash where there are none."""
    values = [math.nan if s is None else s.medians.get(prefix + metric, math.nan) for metric in SHOWN]
    return "–" if math.isnan(values[0]) else ", ".join(f"{value:.3f}" for value in values)


def spent(s: Summary) -> tuple[float, int, int]:
    return s.seconds, s.ffts, s.network_evaluations


def medians(metric: str) -> Callable[[Summary | None, Summary | None], str]:
    """Says the median of a metric over single starts and over the best of each object."""

    def said(alone: Summary | None, best: Summary | None) -> str:
        if alone is None or best is None:
            return "–"
        return f"{alone.medians.get(metric, math.nan):.3f}, **{best.medians.get(metric, math.nan):.3f}**"

    return said


def of_mean(alone: Summary | None, best: Summary | None) -> str:
    return triple(best, "averaged_")


def versus(group: str, tests: Sequence[Mapping[str, Any]]) -> list[str]:
    own = [test for test in tests if test["group"] == group]
    levels = list(dict.fromkeys(test["noise"] for test in own))
    lines = [
        "",
        "| solver | against | starts | " + " | ".join(f"σ = {level:g}" for level in levels) + " |",
        "|---|---|---|" + "---|" * len(levels),
    ]
    for pair in dict.fromkeys((test["a"], test["b"], test["starts"]) for test in own):
        at = {test["noise"]: test for test in own if (test["a"], test["b"], test["starts"]) == pair}
        fields = [
            f"{t['a_solves']} : {t['b_solves']} of {t['objects']}, p = {t['p']:.2g}" if (t := at.get(v)) else "–" for v in levels
        ]
        lines.append(f"| {' | '.join(pair)} | " + " | ".join(fields) + " |")
    return lines


def summaries_of(content: Mapping[str, Any]) -> list[Summary]:
    """The summaries that a comparison's JSON keeps."""
    rates = ("success95", "success99")
    pairs = zip(content["summaries"], content["times"]["summaries"], strict=True)
    return [Summary(**{**one, **{key: Rate(**one[key]) for key in rates}}, seconds=seconds) for one, seconds in pairs]


def renewed(content: dict[str, Any], fresh: Mapping[str, Any]) -> dict[str, Any]:
    """A table's JSON in which summaries of a set, noise level and solver that ran again are replaced or added.

    Paired tests with a solver that ran again are left out: they need the objects of both runs.
    """
    old, new = ({_key(s): (s, t) for s, t in zip(c["summaries"], c["times"]["summaries"], strict=True)} for c in (content, fresh))
    every = list((old | new).values())
    tests = [t for t in content["paired"] if not any((t["group"], t["noise"], t[side]) in {k[:3] for k in new} for side in "ab")]
    settings = dict(content["settings"])
    for name in ("objects", "starts", "weights_sha256"):
        settings[name] = settings[name] | fresh["settings"].get(name, {})
    return content | {
        "settings": settings,
        "solvers": content["solvers"] | fresh["solvers"],
        "summaries": [one for one, _ in every],
        "paired": [*tests, *fresh["paired"]],
        "times": {"summaries": [seconds for _, seconds in every]},
    }


def _key(summary: Mapping[str, Any]) -> tuple[Any, ...]:
    return summary["group"], summary["noise"], summary["solver"], summary["best"]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--renew", type=Path, nargs="+", default=[], metavar="FILE", help="JSON of solvers that ran again")
    content = json.loads(KEPT.read_text())
    for path in (given := parser.parse_args()).renew:
        content = renewed(content, json.loads(path.read_text()))
    if given.renew:
        write_content(content, KEPT)
    PAGE.write_text(markdown(summaries_of(content), content["settings"], content["paired"]), encoding="utf-8")


if __name__ == "__main__":
    main()
