"""The boundary of our own formats: names, versions, checksums, types, size and nesting."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pytest
from annotated_types import Ge

from retrieve.errors import InputError
from retrieve.files import Schema, check_array, clean, parse_json, read_record, write_record


@dataclass(frozen=True)
class Kept:
    seed: Annotated[int, Ge(0)]
    notes: tuple[str, ...] = ()


def renamed(record, version):
    return {"seed" if name == "number" else name: value for name, value in record.items()} if version == 0 else record


KEPT = Schema("kept thing", Kept, "make it again", version=2, migrate=renamed, checksum=True)


def test_a_record_comes_back_as_its_type_and_names_its_version():
    text = write_record({"seed": np.int64(3), "notes": ["a", "π"]}, KEPT)
    assert '"format": "retrieve kept thing 2"' in text
    assert read_record(text, KEPT, "x") == Kept(3, ("a", "π"))
    assert read_record(text.encode(), KEPT, "x") == Kept(3, ("a", "π"))


def test_a_record_from_before_the_versions_is_migrated():
    assert read_record('{"number": 4}', KEPT, "x") == Kept(4)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"format": "retrieve kept thing 3", "seed": 1}', r"x was written by a newer retrieve.*up to 2; update retrieve"),
        ('{"format": "retrieve other 1", "seed": 1}', "format='retrieve other 1'.*make it again"),
        ('{"format": 3, "seed": 1}', "format=3"),
        ('{"format": "retrieve kept thing 2", "sha256": "00", "seed": 1}', "differs from its checksum"),
        ('{"seed": null}', "x holds seed=None, not a valid integer; make it again"),
        ('{"seed": -1}', "seed=-1, not greater than or equal to 0"),
        ('{"seed": 1, "notes": ["a", 2]}', r"notes\[1\]=2, not a valid string"),
        ("{}", "x lacks seed"),
        ("[1]", r"x holds \[1\], not a mapping; make it again"),
        ("{", "x is no JSON"),
        ("[" * 100_000, "x is no JSON.*recursion"),
        ('{"seed": ' * 50_000, "recursion"),
        ("1" * 5000, "out of range"),
        ('"' + "a" * (1 << 26) + '"', "more than 67108864"),
    ],
)
def test_anything_else_is_an_error_that_names_field_value_and_remedy(text, told):
    with pytest.raises(InputError, match=told):
        read_record(text, KEPT, "x")


def test_every_changed_digit_is_found_by_the_checksum():
    text = write_record({"seed": 12345, "notes": ["0.125"]}, KEPT)
    for k in [k for k, c in enumerate(text) if c in "12345" and k > text.index('"seed"')]:
        with pytest.raises(InputError, match="checksum"):
            read_record(f"{text[:k]}9{text[k + 1 :]}", KEPT, "x")


@pytest.mark.parametrize("half", [r"\ud800", r"\uDFFF", r"\ud800\ud800", r"\udc00\ud800"])
def test_half_a_pair_of_surrogates_can_be_written_afterwards(half):
    found = parse_json(f'{{"title": "a{half}b", "path": "c:\\\\ud800", "pair": "\\ud83d\\ude00"}}', "x")
    assert found["path"] == r"c:\ud800"
    assert found["pair"] == "😀"
    str(found).encode()
    str(clean({"title\ud800": ["a\udfff"]}, "x")).encode()


def test_a_deep_mapping_is_refused():
    deep = []
    for _ in range(10_000):
        deep = [deep]
    with pytest.raises(InputError, match="nested deeper than 32"):
        clean({"a": deep}, "meta")


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (np.zeros((2, 3)), "float64"),
        (np.zeros((2, 4), complex), r"shape \(2, 4\), where any×3 fits"),
        (np.zeros((0, 3), complex), "shape"),
        (np.full((2, 3), np.nan, complex), "not finite"),
    ],
)
def test_an_array_is_checked_for_type_shape_and_values(array, told):
    with pytest.raises(InputError, match=told):
        check_array(array, "x: object", "c", (None, 3), "make it again")
