"""Small runs of the generic program that several tests share."""

import datetime as dt
from collections.abc import Mapping, Sequence

from benchmarks.ledger import Ledger
from benchmarks.program import load_program
from benchmarks.run import run
from benchmarks.tables import Table
from benchmarks.terms import Request

TERMS = {
    "baseline_year": "2018", "form": "same_year", "index": "gdp_nominal_calendar", "margin": "0",
    "basis": "standardized", "level": "stratum", "order": "before_risk", "true_up": "final",
    "rebasing_years": "0", "risk_growth_cap": "1.03",
}  # fmt: skip
SETTLE = {"sharing_rate": "0.5", "loss_rate": "0.4", "minimum_rate": "0.02", "limit": "0.1"}
KNOWN = dt.date(2026, 1, 1)
BASE = """entity_id,stratum,member_months,spending_usd,risk_score,performance_member_months,\
performance_risk_score,performance_spending_usd
A,aged,12000,"11,000,000",1.0,12500,1.02,14500000
A,disabled,2400,2880000,1.1,2200,1.25,3300000
B,aged,6000,5200000,0.95,6100,0.94,6900000
B,disabled,1200,1500000,1.2,1300,1.21,1000000
"""
TREND = (0.05, 0.03, 0.06, 0.06, 0.06)


def table(text: str, name: str = "base.csv") -> Table:
    lines = [line.split(",") for line in text.replace('"11,000,000"', "11000000").splitlines()]
    rows = tuple(dict(zip(lines[0], cells, strict=True)) for cells in lines[1:])
    return Table(name, tuple(lines[0]), rows)


def trend(rates: Sequence[float] = TREND, first: int = 2019,
          strata: Sequence[str] = ("aged", "disabled")) -> Table:  # fmt: skip
    rows = [f"{s},{first + i},{r}" for s in strata for i, r in enumerate(rates)]
    return table("\n".join(["stratum,year,trend", *rows]), "trend.csv")


def gdp_run(
    base: str = BASE, year: int = 2023, known: dt.date = KNOWN, settle: bool = False,
    rates: Table | None = None, **terms: str | None,
) -> Ledger:  # fmt: skip
    asked: Mapping[str, str | None] = {**TERMS, **(SETTLE if settle else {}), **terms}
    parts = ("target", "settle") if settle else ("target",)
    request = Request(year, known, {k: v for k, v in asked.items() if v is not None}, (), parts)
    return run(load_program("gdp-cap"), [table(base), rates or trend()], request)


def value(ledger: Ledger, node: str, *labels: str) -> float | str | None:
    """Return one number by the labels of its axes."""
    found = ledger.nodes[node]
    sizes = {a: len(held) for a, held in ledger.axes.items()}
    place = 0
    for axis, label in zip(found.axes, labels, strict=True):
        place = place * sizes[axis] + ledger.axes[axis].index(label)
    return found.flat(sizes)[place]
