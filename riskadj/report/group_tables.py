"""Tables of groups: predictive ratio and net compensation, with how many are behind each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from riskadj.report.content import TrainedFolder
from riskadj.report.numbers import Record, at, count, known, ratio, span, usd
from riskadj.report.table import Table
from riskadj.report.tables import LONG
from riskadj.report.words import (
    LATER,
    group_name,
    group_rows,
    grouping_title,
    model_name,
    period_name,
)
from riskadj.training.disclosure import SMALL

_GROUPINGS = ("predicted decile", "predicted highest", "number of conditions", "age and sex",
              "segment", "dual status", "entitlement", "residence", "race_ethnicity", "svi_decile",
              "named groups", "condition")  # fmt: skip


@dataclass(frozen=True, slots=True)
class GroupTables:
    """The tables of one way to split members, each for one period; ``key`` is an anchor."""

    key: str
    title: str
    tables: tuple[Table, ...]


def group_tables(trained: TrainedFolder) -> list[GroupTables]:
    """Return every group table, the usual groupings first, each with its periods."""
    every = [at(trained.metrics, "periods", p, "groups") or {} for p in LATER]
    extra = (name for found in every for name in found)
    made = [
        GroupTables(f"group-{i}", grouping_title(g), tuple(_period_tables(trained, g)))
        for i, g in enumerate(dict.fromkeys((*_GROUPINGS, *extra)), 1)
    ]
    return [found for found in made if found.tables]


def _period_tables(trained: TrainedFolder, grouping: str) -> Iterator[Table]:
    first = True
    for period in LATER:
        rows = group_rows(trained, period, grouping)
        hidden = at(trained.metrics, "periods", period, "groups", grouping, "not_shown")
        if rows or hidden:
            made = _group_table(trained, grouping, period, rows, hidden_note(hidden))
            yield replace(made, folded=not first or len(rows) > LONG)
            if first and rows and rows[0].get("others"):
                yield _others_table(trained, grouping, period, rows)
            first = False


def hidden_note(hidden: Any) -> str:
    """Say how many groups are too small to show; nothing when all are shown.

    >>> hidden_note(1)
    '1 group under 11 members, or telling of one, is not shown.'
    """
    n = int(known(hidden) or 0)
    if not n:
        return ""
    groups, are = ("group", "is") if n == 1 else ("groups", "are")
    return f"{n} {groups} under {SMALL} members, or telling of one, {are} not shown."


def _group_table(
    trained: TrainedFolder, grouping: str, period: str, rows: Sequence[Record], note: str
) -> Table:
    head = ("Group", "Members", "Mean cost, $", "Mean predicted, $",
            "Predictive ratio", "95 %", "Net compensation, $", "95 %",
            "Gap to the rest, $")  # fmt: skip
    made = tuple(
        (
            group_name(trained, grouping, str(r["group"])), count(r.get("n_members")),
            usd(r.get("mean_cost_usd")),
            usd(r.get("mean_predicted_usd")), ratio(r.get("predictive_ratio")),
            span(r.get("ratio_low"), r.get("ratio_high")), usd(r.get("net_compensation_usd")),
            span(r.get("net_low"), r.get("net_high"), 0, "$"), usd(r.get("gap_usd")),
        )
        for r in rows
    )  # fmt: skip
    return Table(period_name(trained.spec, period), head, made, note=note)


def _others_table(
    trained: TrainedFolder, grouping: str, period: str, rows: Sequence[Record]
) -> Table:
    names = list(rows[0]["others"])
    made = tuple(
        (group_name(trained, grouping, str(r["group"])), ratio(r.get("predictive_ratio")),
         *(ratio(at(r, "others", n)) for n in names))
        for r in rows
    )  # fmt: skip
    head = ("Group", model_name("linear"), *map(model_name, names))
    where = period_name(trained.spec, period)
    return Table(f"{where}: predictive ratios of every model", head, made, folded=True)
