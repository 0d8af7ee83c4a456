"""Building HTML: elements that escape what they are given, numbers, sortable tables, the document."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any, NamedTuple

VOID = {"img", "input"}
NONE = "—"
SHORT = 28  # characters up to which a cell is kept on one line
MARK = "\ue000"  # stands before the names inside a drawing until `document` numbers the drawings


class Html(str):
    """Text that is markup already; any other text is escaped on its way into an element."""

    __slots__ = ()


class Cell(NamedTuple):
    """A cell of a table: what it shows and the value by which its column is sorted."""

    show: Any
    key: float | str | None


class Column(NamedTuple):
    """A column of a table: its head, what it means in a sentence, and whether readers may choose among its values."""

    title: str
    hint: str | None = None
    choose: bool = False


def tag(name: str, *children: Any, **attributes: Any) -> Html:
    """An element. `class_` and `data_x` mean class and data-x; True leaves a bare attribute, None and False none."""
    parts = [name]
    for key, value in attributes.items():
        key = key.rstrip("_").replace("_", "-")
        if value is True:
            parts.append(key)
        elif value is not None and value is not False:
            parts.append(f'{key}="{escape(str(value))}"')
    opening = f"<{' '.join(parts)}>"
    return Html(opening) if name in VOID else Html(f"{opening}{join(children)}</{name}>")


def join(children: Iterable[Any]) -> Html:
    """Children one after the other, escaped where they are not markup; None is left out."""
    return Html("".join(_markup(child) for child in children if child is not None))


def _markup(child: Any) -> str:
    return child if isinstance(child, Html) else escape(str(child))


def section(title: str, *children: Any) -> Html:
    """A part of the page with its heading, which the list of contents leads to."""
    name = "".join(c if c.isalnum() else "-" for c in title.lower())
    return tag("section", tag("h2", title, id=name), *children, aria_labelledby=name)


def number(value: float | None, digits: int = 3) -> str:
    """A number for reading: three significant digits, thousands set apart, a dash for None and NaN."""
    if value is None or math.isnan(value):
        return NONE
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if float(value).is_integer() or abs(value) >= 1000:
        return _minus(f"{value:,.0f}".replace(",", "\u202f")) if abs(value) < 1e9 else power(f"{value:.{digits}g}")
    return power(f"{value:.{digits}g}")


def power(text: str, *, one: bool = True) -> str:
    """1.2e-05 as 1.2 × 10⁻⁵; without `one`, 1e-05 as 10⁻⁵."""
    mantissa, _, exponent = text.partition("e")
    if not exponent:
        return _minus(mantissa)
    factor = "" if mantissa == "1" and not one else _minus(f"{mantissa}\u202f×\u202f")
    return f"{factor}10" + str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def decade(value: float) -> str:
    """A number on a logarithmic axis: 0.01 and 1000, but 10⁻⁵."""
    return number(value, 2) if 1e-3 <= value < 1e4 else power(f"{value:.0e}", one=False)


def _minus(text: str) -> str:
    return text.replace("-", "−")


def table(columns: Sequence[Column], rows: Sequence[Sequence[Any]], caption: str, **attributes: Any) -> Html:
    """A table that sorts by any column, with a choice above it for each column that offers one.

    A cell is a `Cell`, a number, or text. Numbers are set to the right.
    """
    numeric = [all(isinstance(_key(row[k]), (int, float, type(None))) for row in rows) for k in range(len(columns))]
    head = [
        tag(
            "th",
            tag("button", column.title, title=column.hint, type="button"),
            scope="col",
            aria_sort="none",
            class_="n" if numeric[k] else None,
        )
        for k, column in enumerate(columns)
    ]
    body = [tag("tr", *(_cell(value, numeric[k]) for k, value in enumerate(row))) for row in rows]
    made = tag("table", tag("caption", caption), tag("thead", tag("tr", *head)), tag("tbody", *body), **attributes)
    choices = [_choice(k, column.title, [row[k] for row in rows]) for k, column in enumerate(columns) if column.choose]
    choices = [choice for choice in choices if choice]
    filters = tag("div", *choices, class_="filters") if choices else None
    box = tag("div", made, class_="wide", tabindex="0", role="region", aria_label=caption)
    return tag("div", filters, box, class_="table first" if columns[0].choose else "table")


def _key(cell: Any) -> float | str | None:
    value = cell.key if isinstance(cell, Cell) else cell
    return None if isinstance(value, float) and math.isnan(value) else value


def _shown(cell: Any) -> Any:
    shown = cell.show if isinstance(cell, Cell) else cell
    return number(shown) if isinstance(shown, (int, float)) or shown is None else shown


def _cell(cell: Any, numeric: bool) -> Html:
    key = _key(cell)
    short = "s" if len(str(key)) <= SHORT else None
    return tag("td", _shown(cell), class_="n" if numeric else short, data_key="" if key is None else key)


def _choice(column: int, title: str, cells: Sequence[Any]) -> Html | None:
    """A select over the values of a column, or None where there is one value only."""
    values = {str("" if _key(cell) is None else _key(cell)): _shown(cell) for cell in cells}
    if len(values) < 2:
        return None
    options = [tag("option", "all", value="*"), *(tag("option", shown, value=key) for key, shown in values.items())]
    return tag("label", title, tag("select", *options, data_column=column))


def fact_table(pairs: Mapping[str, Any]) -> Html:
    """Names and values, set side by side; nested mappings become JSON."""
    rows = [join((tag("dt", name), tag("dd", _fact(value)))) for name, value in pairs.items()]
    return tag("dl", *rows, class_="facts")


def _fact(value: Any) -> Any:
    if isinstance(value, Mapping) and not any(isinstance(v, (Mapping, list, tuple)) for v in value.values()):
        return ", ".join(f"{k} {_fact(v)}" for k, v in value.items()) or NONE
    if isinstance(value, (Mapping, list, tuple)):
        return json.dumps(value, default=str, ensure_ascii=False)
    return NONE if value is None else str(value)


def code(value: Any) -> Html:
    """A mapping as indented JSON, or text, in a box that scrolls."""
    text = value if isinstance(value, str) else json.dumps(value, indent=2, default=str, ensure_ascii=False)
    return tag("pre", tag("code", text), tabindex="0")


def document(title: str, lead: str, sections: Mapping[str, Sequence[Any]]) -> str:
    """The whole page: its head, a list of contents and the sections, by title, that are not empty."""
    from ...provenance import versions

    kept = {name: [part for part in parts if part] for name, parts in sections.items()}
    made = {name: section(name, *parts) for name, parts in kept.items() if parts}
    links = [tag("a", name, href="#" + "".join(c if c.isalnum() else "-" for c in name.lower())) for name in made]
    folder = files(__package__)
    page = (folder / "page.html").read_text("utf-8")
    filled = {
        "title": escape(title),
        "style": (folder / "page.css").read_text("utf-8"),
        "script": (folder / "page.js").read_text("utf-8"),
        "lead": escape(lead),
        "contents": join(links),
        "sections": join(made.values()),
        "made": escape(f"retrieve {versions().get('retrieve-phase', '')}".strip()),
    }
    head, *pieces = page.split("{{")
    text = head + "".join(filled[name] + rest for name, _, rest in (piece.partition("}}") for piece in pieces))
    drawings = itertools.count()
    return re.sub(r"<svg.*?</svg>", lambda m: m[0].replace(MARK, f"d{next(drawings)}-"), text, flags=re.S)
