"""A new plugin: a package that installs, with one worked file, and passes the kit as it is written."""

from __future__ import annotations

import importlib.util
import keyword
import re
import shutil
import tempfile
from importlib import resources
from pathlib import Path
from string import Template

from ..errors import InputError
from ..plugins.registry import registered

SUBJECTS = {
    "solver": "$cls()",
    "operator": "$cls.example()",
    "prior": "$cls",
    "metric": "$module",
    "reader": "READER",
    "loader": "LOADER",
    "preparation": "$cls()",
    "writer": "WRITER",
    "panel": "PANEL",
    "likelihood": "$cls()",
    "set": "$cls()",
    "command": "command",
    "executor": "open_pool",
}
"""What the test hands to the kit, for each kind of plugin."""

SETTINGS = {"executor": ', kind="executors"'}
"""What else the test tells the kit."""

USES = {
    "solver": "retrieve compare example:crystal2d --solver $name --solver hio",
    "operator": 'python -c \'from retrieve.plugins.registry import find; print(find("operators", "$name"))\'',
    "prior": "retrieve run film.npz --solver diffusion:weights=$name",
    "metric": "retrieve compare example:crystal2d --solver hio --metric $module",
    "reader": "retrieve inspect scan.$suffix",
    "loader": "retrieve prepare scan $name:scans.h5#12",
    "preparation": "retrieve prepare scan frames.npy --apply $name:quantile=0.3",
    "writer": "retrieve run example:crystal2d --out crystal.$suffix",
    "panel": "retrieve run example:crystal2d --out crystal.cxi --report",
    "likelihood": "retrieve run example:crystal2d --solver cg --likelihood $name:0.4",
    "set": "retrieve compare --benchmark $name --solver auto --objects 2 --noise 0",
    "command": "retrieve $name scan.retrieved.cxi",
    "executor": "retrieve compare example:crystal2d --solver hio --executor $name --workers 2",
}


def new_plugin(name: str, kind: str, into: Path) -> Path:
    """Write the package `name` into the folder `into`; returns its folder.

    Raises `InputError` for a kind or name that cannot be, and where there is something of that name.
    """
    if kind not in SUBJECTS:
        raise InputError(f"kind {kind!r} is unknown; give one of {', '.join(SUBJECTS)}")
    files = _rendered(name, kind)
    target = into / name
    if target.exists():
        raise InputError(f"{target} is there already; give another name, or another folder with --into")
    if not into.is_dir():
        raise InputError(f"there is no folder {into}; make it first, or give another one with --into")
    try:
        partial = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=into))
    except OSError as error:
        raise InputError(f"{into} cannot be written to ({error.strerror}); give another folder with --into") from error
    try:
        for path, text in files.items():
            (partial / path).parent.mkdir(exist_ok=True)
            (partial / path).write_text(text, encoding="utf-8")
        partial.chmod(0o755)
        return partial.rename(target)
    except OSError as error:
        raise InputError(
            f"cannot write {target}: {error.strerror}; free some space, or choose another place with --into"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _rendered(name: str, kind: str) -> dict[str, str]:
    """The package's files, by their paths."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or len(name) > 50:
        raise InputError(f"name {name!r} is no name of a package; give lower-case words joined by '-', such as my-{kind}")
    module, cls = name.replace("-", "_"), "".join(word.capitalize() for word in name.split("-"))
    if keyword.iskeyword(module) or importlib.util.find_spec(module) is not None:
        raise InputError(f"name {name!r}: there is a module {module} already; give another, such as my-{name}")
    if (key := module if kind == "metric" else name) in (known := registered(f"{kind}s")):
        raise InputError(f"name {name!r}: {known[key][1]} registers such a {kind} already; give another, such as my-{name}")
    worked = _template(f"{kind}.py")
    if re.search(rf"\b({cls}|{module})\b", worked):
        raise InputError(f"name {name!r} is a word of the worked file itself; give another, such as my-{name}")
    words = {"name": name, "module": module, "cls": cls, "kind": kind, "suffix": module.replace("_", "")}
    words["subject"] = Template(SUBJECTS[kind]).substitute(words)
    words["settings"] = SETTINGS.get(kind, "")
    words["use"] = Template(USES[kind]).substitute(words)
    texts = {
        "pyproject.toml": _template("pyproject.toml"),
        "README.md": _template("README.md"),
        f"{module}.py": worked,
        f"tests/test_{module}.py": _template("test.py"),
    }
    return {path: Template(text).substitute(words) for path, text in texts.items()}


def _template(name: str) -> str:
    return resources.files(__package__).joinpath("templates", f"{name}.in").read_text(encoding="utf-8")
