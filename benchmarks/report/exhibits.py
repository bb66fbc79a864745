"""Actual to expected: what was spent over what the target allows."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from benchmarks.equity import SMALLEST
from benchmarks.report.content import Exhibit

Record = Mapping[str, Any]
FEWEST = SMALLEST * 12
"""Member months below which a row is not shown."""


def actual_to_expected(record: Record) -> list[Exhibit]:
    """Return actual over target by entity and by stratum, where the program says what they are.

    A row of fewer than 11 member years is not shown, nor is the smallest other one that would give
    it away.

    Parameters
    ----------
    record
        A ledger's JSON record whose ``actual`` names spending, ``expected`` the target in dollars
        and ``exposure`` member months, all by entity and stratum.
    """
    nodes = {n["id"]: n for n in record["nodes"]}
    named = [nodes.get(record.get(key, "")) for key in ("actual", "expected", "exposure")]
    if not all(n and n["axes"] == ["entity", "stratum"] for n in named):
        return []
    axes = record["axes"]
    shape = (len(axes["entity"]), len(axes["stratum"]))
    actual, expected, months = (
        np.array([np.nan if v is None else v for v in n["values"]]).reshape(shape)
        for n in named if n
    )  # fmt: skip
    sound = np.isfinite(actual) & np.isfinite(expected) & np.isfinite(months)
    actual, expected, months = (np.where(sound, x, 0) for x in (actual, expected, months))
    left = int((~sound).sum())
    note = f"{left:,} cells that are not calculable are left out of both." if left else ""
    head = ("Actual", "Target", "Actual over target")
    return [
        Exhibit(f"Actual to expected by {axis}", (axis.capitalize(), *head),
                list(_rows(axes[axis], actual.sum(o), expected.sum(o), months.sum(o))), note)
        for axis, o in (("entity", 1), ("stratum", 0))
    ]  # fmt: skip


def _rows(labels: list[str], actual: Any, expected: Any, months: Any) -> Iterator[tuple[str, ...]]:
    small = months < FEWEST
    if small.sum() == 1 and len(labels) > 1:
        small[int(np.argmin(np.where(small, np.inf, months)))] = True
    for label, a, e, hidden in zip(labels, actual, expected, small, strict=True):
        if hidden:
            yield label, "suppressed", "suppressed", ""
        else:
            yield label, f"${a:,.0f}", f"${e:,.0f}", f"{a / e:.4f}" if e > 0 else ""
    total = expected.sum()
    yield ("All", f"${actual.sum():,.0f}", f"${total:,.0f}",
           f"{actual.sum() / total:.4f}" if total > 0 else "")  # fmt: skip
