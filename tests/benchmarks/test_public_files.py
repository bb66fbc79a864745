"""Settlements that CMS published, from its own files; rates and payments are derived, not read."""

import datetime as dt
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from benchmarks.layouts import read_files
from benchmarks.program import load_program
from benchmarks.replay import replay
from benchmarks.run import run
from benchmarks.tables import Missing, read_number
from benchmarks.terms import Request
from riskadj.errors import InputError
from tests.conftest import REPOSITORY

KNOWN = dt.date(2026, 11, 1)
HALF_OF_A_RATE = 5e-5 + 1e-9
"""Rates are published in hundredths of a per cent."""
BY_REVENUE = {2022: {"A1070": ("D", 2_320_475)},
              2023: {"A1241": ("E", 1_149_065 + 823_342), "A4627": ("E", 138_360 + 370_788),
                     "A5293": ("C", 98_453 + 72_695)}}  # fmt: skip
"""The ACOs whose losses were limited by revenue, which no public file has: track, and the limited
losses (EarnSaveLoss and DisAdj together; in 2022 DisAdj forgave all)."""
REVENUE_SHARE = {"C": 0.02, "D": 0.04, "E": 0.08}
EARNED, OWED = {2022: 303, 2023: 313}, {2022: 0, 2023: 20}


@cache
def _published(folder: Path, year: int):
    tables = read_files([folder / "data" / "mssp" / f"py{year}_aco_results.csv"])
    rows = {r["entity_id"]: r for r in tables[0].rows if r["track"]}
    return tables, rows


@cache
def _settled(folder: Path, year: int):
    return run(load_program("mssp"), _published(folder, year)[0],
               Request(year, KNOWN, parts=("settle",)))  # fmt: skip


def _column(ledger, node: str) -> dict[str, float]:
    return dict(zip(ledger.axes["entity"], ledger.nodes[node].values.ravel().tolist(), strict=True))


@pytest.mark.parametrize("year", [2022, 2023])
def test_every_settlement_is_within_a_dollar_but_those_limited_by_revenue(shared, year) -> None:
    _, rows = _published(shared, year)
    mine = _column(_settled(shared, year), "earned_usd")

    off = {k for k, row in rows.items()
           if not abs(mine[k] - read_number(row["published_earned_usd"])) <= 1}  # fmt: skip

    assert off == set(BY_REVENUE[year])
    assert sum(v > 0 for v in mine.values()) == EARNED[year]
    assert sum(read_number(r["published_earned_usd"]) < 0 for r in rows.values()) == OWED[year]


@pytest.mark.parametrize("year", [2022, 2023])
def test_with_the_revenue_that_the_limit_implies_those_settle_too(shared, year) -> None:
    tables, rows = _published(shared, year)
    revenue = {k: str(limited / REVENUE_SHARE[track])
               for k, (track, limited) in BY_REVENUE[year].items()}  # fmt: skip
    given = [type(t)(t.name, (*t.columns, "revenue_usd"),
                     tuple({**r, "revenue_usd": revenue.get(r["entity_id"], "")} for r in t.rows))
             for t in tables]  # fmt: skip

    mine = _column(run(load_program("mssp"), given, Request(year, KNOWN, parts=("settle",))),
                   "earned_usd")  # fmt: skip

    assert all(abs(mine[k] - read_number(r["published_earned_usd"])) <= 1 for k, r in rows.items())


@pytest.mark.parametrize("year", [2022, 2023])
@pytest.mark.parametrize(
    ("node", "column", "near"),
    [("gross_usd", "published_gross_usd", 1.5), ("generated_usd", "published_generated_usd", 1.5),
     ("savings_rate", "published_savings_rate", HALF_OF_A_RATE),
     ("minimum_rate", "published_minimum_rate", HALF_OF_A_RATE),
     ("sharing_rate", "published_sharing_rate", HALF_OF_A_RATE)],
)  # fmt: skip
def test_what_leads_to_a_settlement_is_derived_as_published(shared, year, node, column, near):
    _, rows = _published(shared, year)
    mine = _column(_settled(shared, year), node)

    off = [k for k, r in rows.items() if not abs(mine[k] - read_number(r[column])) <= near]

    assert off == []


def test_loss_rates_of_2023_are_derived_as_published(shared) -> None:
    _, rows = _published(shared, 2023)
    mine = _column(_settled(shared, 2023), "loss_rate")
    published = {k: read_number(r["published_loss_rate"]) for k, r in rows.items()}
    given = {k: v for k, v in published.items() if not isinstance(v, Missing)}

    assert len(given) == 302  # one-sided tracks have none
    assert all(abs(mine[k] - v) <= HALF_OF_A_RATE for k, v in given.items())


def test_a_settlement_replays_from_its_ledger_alone(shared) -> None:
    assert replay(_settled(shared, 2023).record()) == []


@pytest.mark.parametrize(("year", "n", "unpaid"), [(2021, 53, set()), (2022, 99, {"D0128"})])
def test_reach_settles_within_a_dollar_but_one_that_was_not_paid(shared, year, n, unpaid) -> None:
    """D0128 of 2022 shared $362,122 and was paid nothing; the file does not say why."""
    tables = read_files([shared / "data" / "reach" / "reach_2021_2022.csv"], year)
    rows = {r["entity_id"]: r for r in tables[0].rows}
    ledger = run(load_program("reach"), tables, Request(year, KNOWN, parts=("settle",)))

    for node, column, near in (("gross_usd", "published_gross_usd", 1),
                               ("shared_usd", "published_shared_usd", 5),
                               ("paid_usd", "published_paid_usd", 5)):  # fmt: skip
        mine = _column(ledger, node)
        off = {k for k, r in rows.items() if not abs(mine[k] - read_number(r[column])) <= near}
        assert off == (unpaid if node == "paid_usd" else set()), node
    assert len(rows) == n


def test_a_file_without_rows_of_the_year_is_refused(shared) -> None:
    with pytest.raises(InputError, match="has no rows of 2023: it has 2021, 2022"):
        read_files([shared / "data" / "reach" / "reach_2021_2022.csv"], 2023)


def test_county_scores_have_mean_one_by_enrollment_type_and_suppressed_cells_stay(shared) -> None:
    from benchmarks.steps.normalize import renormalized

    table = read_files([shared / "data" / "mssp" / "county_ffs_2018.csv"])[0]
    counties = {r["entity_id"] for r in table.rows}
    for stratum in ("ESRD", "DISABLED", "AGED_DUAL", "AGED_NON_DUAL"):
        held = [r for r in table.rows if r.get("stratum") == stratum]
        scores, years = ([read_number(r[c]) for r in held] for c in ("risk_score", "person_years"))
        there = [not isinstance(s, Missing) and not isinstance(y, Missing)
                 for s, y in zip(scores, years, strict=True)]  # fmt: skip
        s, y = (np.array([v for v, ok in zip(values, there, strict=True) if ok])
                for values in (scores, years))  # fmt: skip

        assert len(held) == len(counties) == 3219
        assert np.average(s, weights=y) == pytest.approx(1, abs=2e-4)
        assert np.average(renormalized(s, y), weights=y) == pytest.approx(1, abs=1e-12)
        reasons = {v.reason for v, ok in zip(scores, there, strict=True)
                   if not ok and isinstance(v, Missing)}  # fmt: skip
        assert reasons <= {"suppressed in the file", "blank in the file"}


def test_the_readme_command_settles_2023(shared, tmp_path) -> None:
    import subprocess
    import sys

    file = shared / "data" / "mssp" / "py2023_aco_results.csv"
    command = ["settle", "mssp", "--results", str(file), "--year", "2023", "--out", str(tmp_path)]
    done = subprocess.run([sys.executable, "-m", "benchmarks", *command], cwd=REPOSITORY,
                          capture_output=True, text=True, check=True)  # fmt: skip

    assert "Medicare Shared Savings Program, 2023" in done.stdout
    assert "A1001" in done.stdout
    assert {p.name for p in tmp_path.iterdir()} >= {"ledger.json", "ledger.csv", "report.html",
                                                    "entities.csv"}  # fmt: skip


def test_elections_read_from_the_year_before_settle_the_same(shared) -> None:
    """A two-sided ACO keeps its election for the agreement, so 2022 tells that of 2023."""
    tables, rows = _published(shared, 2023)
    _, before = _published(shared, 2022)
    fixed = ("0.00%", "0.50%", "1.00%", "1.50%", "2.00%")
    elected = {k: before[k]["elected_rate"] for k, r in rows.items()
               if k in before and before[k]["agreement_start"] == r["agreement_start"]
               and before[k]["elected_rate"] in fixed
               and {before[k]["track"], r["track"]} <= {"C", "D", "E", "EN"}}  # fmt: skip
    given = [type(t)(t.name, t.columns, tuple(
        {**r, "elected_rate": elected.get(r["entity_id"], r["elected_rate"])} for r in t.rows))
        for t in tables]  # fmt: skip

    ledger = run(load_program("mssp"), given, Request(2023, KNOWN, parts=("settle",)))

    rates, earned = _column(ledger, "minimum_rate"), _column(ledger, "earned_usd")
    off = [
        k
        for k in elected
        if abs(rates[k] - read_number(rows[k]["published_minimum_rate"])) > HALF_OF_A_RATE
    ]
    assert len(elected) > 150
    assert off == []
    assert {k for k in elected if abs(earned[k] - read_number(rows[k]["published_earned_usd"])) > 1
            } <= set(BY_REVENUE[2023])  # fmt: skip
