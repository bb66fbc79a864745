"""Numbers as a reader sees them; one that is missing is a dash."""

import math
import re
from collections.abc import Mapping
from typing import Any

DASH = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
Record = Mapping[str, Any]


def at(record: Any, *path: str) -> Any:
    """Follow keys into nested records; None where one is missing or null.

    >>> at({"a": {"b": 1}}, "a", "b"), at({"a": None}, "a", "b")
    (1, None)
    """
    for key in path:
        if not isinstance(record, Mapping):
            return None
        record = record.get(key)
    return record


def known(value: Any) -> float | None:
    """Return a number, or None for what is not one: null, nan, infinite, blank text."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def number(value: Any, decimals: int = 0, before: str = "", after: str = "") -> str:
    """Format with thousands separators and a true minus sign.

    >>> number(1234.5, 1, before="$"), number(None) == DASH
    ('$1,234.5', True)
    """
    found = known(value)
    if found is None:
        return DASH
    text = f"{abs(found):,.{decimals}f}"
    sign = MINUS if found < 0 and text.strip("0.,") else ""
    return f"{sign}{before}{text}{after}"


def usd(value: Any) -> str:
    """Return whole dollars."""
    return number(value, before="$")


def cents(value: Any) -> str:
    """Return dollars and cents."""
    return number(value, 2, before="$")


def count(value: Any) -> str:
    """Return a whole number; text that is none, such as ``<11``, as it is."""
    if isinstance(value, str) and known(value) is None:
        return value or DASH
    return number(value)


def ratio(value: Any) -> str:
    """Return three decimals."""
    return number(value, 3)


def percent(value: Any) -> str:
    """Return a fraction as a percentage of one decimal."""
    found = known(value)
    return DASH if found is None else number(found * 100, 1, after=" %")


def signed(text: str) -> str:
    """Put a plus before what is above zero.

    >>> signed("0.012"), signed("0.000")
    ('+0.012', '0.000')
    """
    unsigned = text.startswith((MINUS, DASH)) or not re.search("[1-9]", text)
    return text if unsigned else f"+{text}"


def span(low: Any, high: Any, decimals: int = 3, before: str = "") -> str:
    """Return an interval."""
    if known(low) is None or known(high) is None:
        return DASH
    return f"{number(low, decimals, before)} to {number(high, decimals, before)}"


def plain(name: str) -> str:
    """Return a key as words.

    >>> plain("partial dual"), plain("svi_high")
    ('Partial dual', 'SVI high')
    """
    words = re.sub(r"\bsvi\b", "SVI", name.replace("_", " ").strip())
    return words[:1].upper() + words[1:]


def natural(name: str) -> tuple[bool, tuple[tuple[bool, int, str], ...]]:
    """Sort key: numbers by value, and other or unknown last.

    >>> sorted(["10+", "4-6", "other", "1-3"], key=natural)
    ['1-3', '4-6', '10+', 'other']
    """
    parts = re.findall(r"\d+|\D+", name)
    last = name.lower() in ("other", "unknown", "missing", "")
    return last, tuple((not p.isdecimal(), int(p) if p.isdecimal() else 0, p) for p in parts)
