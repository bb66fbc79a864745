"""Actual to expected: what was spent over what the target allows."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from benchmarks.report.content import Exhibit

Record = Mapping[str, Any]


def actual_to_expected(record: Record) -> list[Exhibit]:
    """Return actual over target by entity and by stratum, where the program says what they are.

    Parameters
    ----------
    record
        A ledger's JSON record whose ``actual`` names spending and ``expected`` the target in
        dollars, both by entity and stratum.
    """
    nodes = {n["id"]: n for n in record["nodes"]}
    named = [nodes.get(record.get(key, "")) for key in ("actual", "expected")]
    if not all(n and n["axes"] == ["entity", "stratum"] for n in named):
        return []
    axes = record["axes"]
    shape = (len(axes["entity"]), len(axes["stratum"]))
    actual, expected = (
        np.array([np.nan if v is None else v for v in n["values"]]).reshape(shape)
        for n in named if n
    )  # fmt: skip
    sound = np.isfinite(actual) & np.isfinite(expected)
    actual, expected = np.where(sound, actual, 0), np.where(sound, expected, 0)
    left = int((~sound).sum())
    note = f"{left:,} cells that are not calculable are left out of both." if left else ""
    head = ("Actual", "Target", "Actual over target")
    return [
        Exhibit(f"Actual to expected by {axis}", (axis.capitalize(), *head),
                list(_rows(labels, actual.sum(over), expected.sum(over))), note)
        for axis, labels, over in (("entity", axes["entity"], 1), ("stratum", axes["stratum"], 0))
    ]  # fmt: skip


def _rows(labels: list[str], actual: Any, expected: Any) -> Iterator[tuple[str, ...]]:
    for label, a, e in zip(labels, actual, expected, strict=True):
        yield label, f"${a:,.0f}", f"${e:,.0f}", f"{a / e:.4f}" if e > 0 else ""
    total = expected.sum()
    yield ("All", f"${actual.sum():,.0f}", f"${total:,.0f}",
           f"{actual.sum() / total:.4f}" if total > 0 else "")  # fmt: skip
