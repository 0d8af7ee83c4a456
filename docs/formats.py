"""The page docs/formats.md, from the schemas of the files and from a result that is written on the spot.

`docs/generate.py` writes it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from file_datasets import datasets, example
from pydantic import TypeAdapter

from retrieve.driver.kept_starts import BATCH
from retrieve.evaluate.store import TRIAL
from retrieve.evaluate.tables import COMPARISON, FORMER_COLUMNS
from retrieve.io.cxi import DETECTOR, MEASURED
from retrieve.io.manifest import FORMER_KEYS, RESULT
from retrieve.io.result import write_problem
from retrieve.io.results import FORMER_DATASETS
from retrieve.io.uncertainty import UncertaintyRecord
from retrieve.io.verdict import FORMER_EVIDENCE, Verdict
from retrieve.priors.cards import CARD
from retrieve.priors.training.checkpoint import TRAINING
from retrieve.problem.meta_record import MetaRecord

HEAD = """# File formats

This page describes the files that `retrieve` writes: their layout, versions and checksums. Read it if you open these files in a
program of your own. `python docs/generate.py` writes this page from the code.

| file | made by | holds |
|---|---|---|
| `NAME.cxi` | `run`, `Result.save` | [a result](#a-result) |
| `NAME.cxi` | `prepare`, `simulate` | [a measurement](#a-measurement) |
| `NAME.json` | `compare --json` | [a comparison](#a-comparison) |
| `NAME.rows.jsonl`, `runs.jsonl` | `compare --json`, `reproduce` | [its finished trials](#finished-trials), one a line |
| hidden folder beside a result | `run --out-dir` | [finished starts](#finished-starts), until the file is done |
| `NAME.safetensors` | `train` | [weights](#weights) with their card |
| `checkpoint.pt` | `train` | [a training](#a-training) that can go on |
| other JSON, PNG, HTML | `run`, `analyze`, `inspect` | answers for you; `retrieve` does not read them back |

[From a crystal to strain](strain.md) describes the files of `retrieve strain`.

## Versions and checksums

Each format has a name and a version, such as `retrieve result 1`. The program reads every older version, and files from before
there were versions. It refuses a newer version and asks for an update. It also refuses a file whose content does not agree with
its checksum, types or shapes, and then uses nothing from the file.

| format | checksum | a damaged file |
|---|---|---|"""

SNIPPET = """
In Python, `rt.read_result` reads all of a result after every check. h5py reads one part:

<!-- setup: retrieve run example:crystal2d --recipe "10 er" --starts 2 -q --no-picture --out au.cxi -->
```python
import h5py

import retrieve as rt

result = rt.read_result("au.cxi")
with h5py.File("au.cxi") as file:
    x = file["entry_1/image_1/data"][()]
print(result.score.r_free, abs(x).max())
```"""

SUMS = {
    RESULT: "of HDF5 on every array, SHA-256 on every text",
    COMPARISON: "none",
    TRIAL: "SHA-256 on every line",
    BATCH: "of the zip file",
    CARD: "SHA-256 of card and arrays",
    TRAINING: "SHA-256 of all arrays and settings",
}
"""The checksum of each format."""


def page() -> Iterator[str]:
    """The page, line by line."""
    yield HEAD
    yield from (f"| `{schema.format}` | {told} | {schema.remedy} |" for schema, told in SUMS.items())
    with tempfile.TemporaryDirectory() as folder:
        result = example()
        yield "\n## A result\n"
        yield "A CXI 1.5 file, which is HDF5 with NeXus default plots. `entry_last` is a link to `entry_1`. Under `entry_1`:\n"
        yield from datasets(result.save(Path(folder, "result.cxi")))
        yield "\nA result lacks what does not apply, such as `truth` or `starts/samples`. In older results the measurement is"
        yield "`instrument_1/detector_1/data`. PyNX takes a file with `data` there for a measurement alone."
        yield SNIPPET
        yield "\n## A measurement\n\nThe same layout without an object:\n"
        yield from datasets(write_problem(result.problem, Path(folder, "scan.cxi")))
    yield "\n## Records\n\nThese are JSON texts in a result. Entries that are not listed are kept and shown."
    yield from record("The manifest", RESULT.type, "Everything that replays the run. `retrieve run --replay` needs it.")
    yield from record("The verdict", Verdict, "How far to trust the result.")
    yield from record("The uncertainty", UncertaintyRecord, "The map is in `uncertainty/data`.")
    yield from record("Meta", MetaRecord, "Entries of your own stay. `experiment` holds [the experiment](geometry.md).")
    yield "\n## A comparison"
    yield from fields(COMPARISON.type, "JSON of `retrieve compare --json`. `retrieve.evaluate.tables.read_json` reads it.")
    yield "\n## Finished trials"
    yield from fields(TRIAL.type, "One JSON object a line, so that several processes may add lines.")
    yield "\n## Finished starts"
    yield from fields(BATCH.type, "A zip file for each batch of starts: this JSON, with npy arrays beside it.")
    yield "\n## Weights"
    yield from fields(CARD.type, "A safetensors file. Its metadata hold this card as JSON. No code is read from it.")
    yield "\n## A training"
    yield from fields(TRAINING.type, "A file of torch, read with `weights_only=True`. `card` is that of [weights](#weights).")
    yield from former()
    yield "\n## Next\n\n- [Work with PyNX, cohere and Bonsu](peers.md): files of other programs, and ours in theirs."
    yield "- [Security](security.md): what the program trusts.\n- [Troubleshooting](troubleshooting.md), if a file is refused."


def record(title: str, kind: Any, told: str) -> Iterator[str]:
    """A record within a file: a heading and its fields."""
    yield f"\n### {title}"
    yield from fields(kind, told)


def fields(kind: Any, told: str) -> Iterator[str]:
    """What a record is, and a table of its fields."""
    schema = TypeAdapter(kind).json_schema(mode="validation")
    shared = schema.get("$defs", {})
    yield f"\n{told}\n\n| field | type | needed |\n|---|---|---|"
    for name, (part, needed) in _fields(schema, shared).items():
        yield f"| `{name}` | {_words(part, shared)} | {'yes' if needed else 'no'} |"


def _fields(schema: dict[str, Any], shared: dict[str, Any]) -> dict[str, tuple[dict[str, Any], bool]]:
    """Fields by their name; those of a tuple with names by their place, those of an inner record after a dot."""
    if "prefixItems" in schema:
        return {part["title"].lower(): (part, at < schema["minItems"]) for at, part in enumerate(schema["prefixItems"])}
    if "$ref" in schema:
        schema = shared[schema["$ref"].rpartition("/")[2]]
    found = {}
    for name, part in schema.get("properties", {}).items():
        found[name] = (part, name in schema.get("required", ()))
        inner = part.get("items", part)
        if "$ref" in inner and name != "card":
            end = "[]" if "items" in part else ""
            found |= {f"{name}{end}.{below}": value for below, value in _fields(inner, shared).items()}
    return found


def _words(part: dict[str, Any], shared: dict[str, Any]) -> str:
    """A JSON schema of one field in words."""
    if "anyOf" in part:
        return " or ".join(_words(one, shared) for one in part["anyOf"])
    if "const" in part or "enum" in part:
        return ", ".join(f"`{value}`" for value in part.get("enum", [part.get("const")]))
    if "$ref" in part:
        return _words(shared[part["$ref"].rpartition("/")[2]], shared)
    kind = part.get("type")
    if kind == "array":
        inner = part.get("items")
        return "list" + (f" of {_words(inner, shared)}" if inner else "")
    if kind == "object":
        inner = part.get("additionalProperties")
        return "mapping" + (f" to {_words(inner, shared)}" if isinstance(inner, dict) and inner else "")
    names = {"string": "text", "boolean": "true or false", "null": "null", None: "any"}
    low, high = part.get("minimum"), part.get("maximum")
    bounds = f" {low:g} to {high:g}" if None not in (low, high) and high < 1e9 else f" from {low:g}" if low is not None else ""
    return names.get(kind, str(kind)) + bounds


def former() -> Iterator[str]:
    """The names of older files that are still read."""
    yield "\n## Former names\n\nFiles of older versions are read by these names, and written by those of today:\n"
    yield "| in | former | today |\n|---|---|---|"
    names = {
        "manifest": FORMER_KEYS,
        "datasets": {old: new for new, old in FORMER_DATASETS.items()},
        "evidence of the verdict": FORMER_EVIDENCE,
        "columns of a comparison": FORMER_COLUMNS,
        "results": {f"{DETECTOR}/data": MEASURED},
    }
    for place, pairs in names.items():
        yield from (f"| {place} | `{old}` | `{new}` |" for old, new in pairs.items())


def text() -> str:
    """The whole page."""
    return "\n".join(page()) + "\n"
