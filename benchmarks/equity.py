"""How a target treats groups: actual over target by race and ethnicity, disability, need.

Groups evaluate a target; no group's race or ethnicity enters one (see ``benchmarks.program``).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.replay import Book
from benchmarks.steps.entity_test import NORMAL_95
from benchmarks.tables import KEYS, Missing, Table, read_number, read_table
from riskadj.errors import InputError
from riskadj.report.numbers import natural

SMALLEST = 11
"""Groups of fewer members are not shown (CMS cell size suppression policy)."""
COLUMNS = ("dimension", "group", "members", "member_months", "spending_usd", "spending_sd_usd")


@dataclass(frozen=True, slots=True)
class _Group:
    """Sums of one group.

    Attributes
    ----------
    members, months, actual, target
        Sums over entities and strata; dollars.
    variance
        Of ``actual``, members being independent.
    """

    dimension: str
    group: str
    members: float = 0
    months: float = 0
    actual: float = 0
    target: float = 0
    variance: float = 0


def equity_rows(ledger: Mapping[str, Any], people: Path | Table) -> list[dict[str, Any]]:
    """Compare each group's spending with what the target allows the same members.

    Parameters
    ----------
    people
        Rows by group and, if the ledger has them, entity and stratum: ``dimension``, ``group``,
        ``members``, ``member_months``, ``spending_usd`` and ``spending_sd_usd``, the standard
        deviation of a member's spending.

    Returns
    -------
    A row a group: actual and target per member month, their ratio with its 95 % interval. Groups
    of fewer than 11 members are suppressed, and so many of the next smallest of the dimension that
    at least two groups and 11 members are hidden together.

    Raises
    ------
    InputError
        The ledger has no target per member month, a column is not there, or a row names an entity
        or stratum that the ledger does not have.
    """
    table = people if isinstance(people, Table) else read_table(people)
    lacking = [c for c in COLUMNS[:-1] if c not in table.columns]
    if lacking:
        raise InputError(f"{table.name} has no column {', '.join(lacking)}. It has: "
                         f"{', '.join(table.columns)}")  # fmt: skip
    target = _Target(ledger)
    needed = [a for a in target.node["axes"] if not set(KEYS[a]) & set(table.columns)]
    if needed:
        raise InputError(f"{table.name} has no column {', '.join(KEYS[a][0] for a in needed)}: the "
                         "target goes by it")  # fmt: skip
    groups: dict[tuple[str, str], _Group] = {}
    seen: set[tuple[str, ...]] = set()
    for number, row in table.numbered():
        key = (row["dimension"].strip().casefold(), row["group"].strip())
        where = f"{table.name}, line {number}"
        whole = (*key, table.key(row, "entity"), table.key(row, "stratum"))
        if whole in seen:
            raise InputError(f"{where}: the same group, entity and stratum stood before")
        seen.add(whole)
        groups[key] = _added(
            groups.get(key, _Group(*key)), row, target.of(table, row, where), where
        )
    hidden = set(_suppressed(list(groups.values())))
    dimensions = list(dict.fromkeys(g.dimension for g in groups.values()))
    ordered = sorted(groups.values(), key=lambda g: (dimensions.index(g.dimension),
                                                     natural(g.group)))  # fmt: skip
    return [_row(g, (g.dimension, g.group) in hidden) for g in ordered]


class _Target:
    """The ledger's target per member month, by whatever it goes by."""

    def __init__(self, ledger: Mapping[str, Any]) -> None:
        name = ledger.get("pmpm", "")
        found = [n for n in ledger["nodes"] if n["id"] == name]
        if not found:
            raise InputError(f"{ledger['program']} {ledger['part']} has no target per member month "
                             "to compare groups with")  # fmt: skip
        self.node, self.axes, self.book = found[0], ledger["axes"], Book(ledger["axes"])

    def of(self, table: Table, row: Mapping[str, str], where: str) -> float:
        cell = {}
        for axis in self.node["axes"]:
            label = table.key(row, axis)
            if label not in self.axes[axis]:
                raise InputError(f"{where}: {axis} {label!r} is not in the ledger")
            cell[axis] = self.axes[axis].index(label)
        value = self.node["values"][self.book.place(self.node, cell)]
        return math.nan if value is None else float(value)


def _added(group: _Group, row: Mapping[str, str], pmpm: float, where: str) -> _Group:
    members, months, actual, sd = (read_number(row.get(c, "")) for c in COLUMNS[2:])
    if isinstance(members, Missing) and row["members"].strip().startswith(("*", "<")):
        return replace(group, actual=math.nan)  # suppressed before it came here: it stays so
    if any(isinstance(v, Missing) for v in (members, months, actual)):
        raise InputError(f"{where}: members, member_months and spending_usd are numbers")
    assert not isinstance(members, Missing)
    assert not isinstance(months, Missing)
    assert not isinstance(actual, Missing)
    if members < 0 or months <= 0:
        raise InputError(f"{where}: members and member_months are above zero")
    spread = math.nan if isinstance(sd, Missing) else members * sd**2
    return replace(
        group, members=group.members + members, months=group.months + months,
        actual=group.actual + actual, target=group.target + pmpm * months,
        variance=group.variance + spread,
    )  # fmt: skip


def _suppressed(groups: Sequence[_Group]) -> Iterator[tuple[str, str]]:
    """Yield small groups and as many of the next smallest as hide them: two, of 11 members."""
    for dimension in {g.dimension: None for g in groups}:
        held = sorted((g for g in groups if g.dimension == dimension), key=lambda g: g.members)
        small = [g for g in held if g.members < SMALLEST or math.isnan(g.actual)]
        others = [g for g in held if g not in small]
        while small and others and (len(small) < 2 or sum(g.members for g in small) < SMALLEST):
            small.append(others.pop(0))
        yield from ((g.dimension, g.group) for g in small)


def _row(group: _Group, hidden: bool) -> dict[str, Any]:
    named = {"dimension": group.dimension, "group": group.group, "suppressed": hidden}
    if hidden:
        small = group.members < SMALLEST
        return named | {"members": f"<{SMALLEST}" if small else "suppressed"}
    ratio = group.actual / group.target if group.target > 0 else math.nan
    half = NORMAL_95 * math.sqrt(group.variance) / group.target if group.target > 0 else math.nan
    return named | {
        "members": f"{group.members:,.0f}",
        "actual_usd_pmpm": group.actual / group.months,
        "target_usd_pmpm": group.target / group.months,
        "ratio": ratio, "low": ratio - half, "high": ratio + half,
    }  # fmt: skip
