"""The page that puts this package's figures beside the paper's."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from .html import NONE, Column, Html, document, number, table, tag


def reproduction_page(contents: Mapping[str, Mapping[str, Any]], pictures: Mapping[str, bytes]) -> str:
    """The HTML of reproduced figures. contents: of each its JSON.  pictures: of each its PNG."""
    sections = {content["title"]: _parts(name, content, pictures.get(name)) for name, content in contents.items()}
    source = next((str(content["paper"]) for content in contents.values()), "")
    lead = f"{len(contents)} of the paper's figures and tables, made with retrieve. The paper: {source}"
    return document("The paper, reproduced", lead, sections)


def _parts(name: str, content: Mapping[str, Any], picture: bytes | None) -> list[Html | None]:
    columns = [
        Column("what"),
        Column("here"),
        Column("paper"),
        Column("where in the paper"),
        Column("why they differ, or a remark"),
    ]
    rows = [
        [line["what"], line["ours"], _theirs(line["paper"]), line["where"] or NONE, line["why"] or NONE]
        for line in content["lines"]
    ]
    shown = None
    if picture is not None:
        data = "data:image/png;base64," + base64.b64encode(picture).decode()
        shown = tag("img", src=data, alt=str(content["title"]), style="max-width:100%;height:auto;background:white")
    minutes = content["seconds"] / 60
    made = f"{content['how']}. {minutes:.1f} minutes" + (f": {content['command']}" if content["command"] else "")
    return [tag("p", made), shown, table(columns, rows, f"{content['title']}: here and in the paper", id=f"{name}-table")]


def _theirs(value: Any) -> str:
    return NONE if value is None else value if isinstance(value, str) else number(float(value))
