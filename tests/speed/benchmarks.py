"""Benchmarks: projections against the multiplications they cannot do without, and replays."""

import datetime as dt
import time
from collections.abc import Callable

import numpy as np

from benchmarks.program import load_program
from benchmarks.replay import replay
from benchmarks.run import run
from benchmarks.scenarios import Range, Scenarios, project
from benchmarks.tables import Table
from benchmarks.terms import Request
from tests.benchmarks.gdp import TERMS, table

ENTITIES, YEARS, GRID = 500, 10, 100
KNOWN = dt.date(2026, 1, 1)
FORMS = 4
"""Forms of the cap computed side by side; the fifth needs one more term."""


def measure_benchmarks() -> list[tuple[str, float, str, str]]:
    """Return named measures; each the least of some repeats."""
    scenarios = Scenarios(
        trend=Range(low=0.02, high=0.08, steps=GRID, yearly_sd=0.01),
        index=Range(low=0.0, high=0.06, steps=GRID, yearly_sd=0.02),
        risk_growth=0.005, years=YEARS, seed=1,
    )  # fmt: skip
    one, two = _people(("all",)), _people(("aged", "disabled"))
    pairs = [(_project(one, scenarios), _floor()) for _ in range(3)]
    ours, floor = (min(column) for column in zip(*pairs, strict=True))
    size = f"{scenarios.count:,} scenarios x {ENTITIES} entities x {YEARS} years"
    raw = _project(two, scenarios, basis="raw", level="aggregate")
    settled, again = _settle()
    return [
        (f"project {size}, {FORMS} cap forms", ours, "s", "< 20"),
        (f"the same / {FORMS} products of as many numbers", ours / floor, "ratio", ""),
        ("the same, two strata, raw and aggregate cap", raw, "s", ""),
        ("settle 453 ACOs, ledger included", settled, "s", ""),
        ("replay of that ledger by the standard library", again, "s", ""),
    ]  # fmt: skip


def _project(base: Table, scenarios: Scenarios, **terms: str) -> float:
    asked = Request(2030, KNOWN, {**TERMS, "risk_growth_cap": "99", **terms})
    program = load_program("gdp-cap")
    return _seconds(lambda: project(program, [base], asked, scenarios))


def _floor() -> float:
    """Multiply as many numbers as one stratum's targets are, once a form."""
    levels = np.random.default_rng(1).random((GRID, 1))
    base = np.random.default_rng(2).random((1, ENTITIES))

    def multiply() -> None:
        for _ in range(FORMS * YEARS * GRID):
            (levels * base).sum(1)

    return _seconds(multiply)


def _people(strata: tuple[str, ...]) -> Table:
    draw = np.random.default_rng(3)
    rows = ["entity_id,stratum,member_months,spending_usd,risk_score,performance_member_months"]
    for e in range(ENTITIES):
        for s in strata:
            months = int(draw.integers(10_000, 200_000))
            rows.append(f"E{e},{s},{months},{months * draw.uniform(700, 1100):.2f},"
                        f"{draw.uniform(0.9, 1.1):.3f},{months}")  # fmt: skip
    return table("\n".join(rows))


def _settle() -> tuple[float, float]:
    draw = np.random.default_rng(4)
    rows = ["entity_id,track,agreement_start,revenue_category,assigned_beneficiaries,elected_rate,"
            "benchmark_usd,expenditure_usd,met_quality_standard,quality_score,"
            "mid_year_termination"]  # fmt: skip
    for e in range(453):
        track = ("A", "B", "C", "D", "E", "EN")[int(draw.integers(6))]
        rows.append(f"A{e},{track},2022-01-01,Low Revenue,{int(draw.integers(5000, 90000))},0.01,"
                    f"100000000,{draw.uniform(9e7, 1.04e8):.0f},1,0.8,0")  # fmt: skip
    asked = Request(2023, KNOWN, parts=("settle",))
    program, tables = load_program("mssp"), [table("\n".join(rows))]
    record = run(program, tables, asked).record()
    return (min(_seconds(lambda: run(program, tables, asked).record()) for _ in range(5)),
            min(_seconds(lambda: replay(record)) for _ in range(3)))  # fmt: skip


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
