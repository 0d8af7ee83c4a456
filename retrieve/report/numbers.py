"""Numbers as text for readers."""

from __future__ import annotations

import math

NONE = "—"


def number(value: float | None, digits: int = 3) -> str:
    """A number for reading: three significant digits, thousands set apart, a dash for None and NaN."""
    if value is None or math.isnan(value):
        return NONE
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    whole = float(value).is_integer() or abs(value) >= 1000
    if whole and abs(value) < 1e9:
        return f"{value:,.0f}".replace(",", "\u202f").replace("-", "−")
    mantissa, _, exponent = f"{value:.{digits}g}".partition("e")
    return mantissa.replace("-", "−") + (f"\u202f×\u202f{power_of_ten(int(exponent))}" if exponent else "")


ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


def ordinal(index: int) -> str:
    """The place of an index that counts from 0, in words up to the tenth."""
    if index < len(ORDINALS):
        return ORDINALS[index]
    place = index + 1
    ending = "th" if place % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{ending}"


def power_of_ten(exponent: int) -> str:
    """10ⁿ."""
    return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def decade(value: float) -> str:
    """A number on a logarithmic axis: 0.01 and 1000, but 10⁻⁵."""
    if 1e-3 <= value < 1e4 or not value > 0:
        return number(value, 2)
    mantissa, _, exponent = f"{value:.0e}".partition("e")
    return (f"{mantissa}\u202f×\u202f" if mantissa != "1" else "") + power_of_ten(int(exponent))
