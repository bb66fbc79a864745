"""The demonstration: invented members, claims and attribution, a model, a program, a report."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from benchmarks.prepare import Plan, Sources

MODEL, BASELINE_YEAR, YEAR = "cms-hcc-v28/2026", 2024, 2025
MEMBERS, SEED, ENTITIES = 60_000, 20261125, 12
ATTRIBUTED = 0.8
RUN_OUT = 3
"""Months of claims paid after the performance year when it is settled."""
PAID_BY_LAG = (0.35, 0.30, 0.15, 0.08, 0.05, 0.03, 0.02, 0.01, 0.01)
"""Invented: share of a month's cost that is paid 0, 1, 2, ... months later."""
TREND = 0.055
"""Assumed growth of cost at unchanged risk: above the index, so that the cap is seen to bind."""
TERMS = {
    "baseline_year": str(BASELINE_YEAR), "form": "same_year", "index": "gdp_nominal_fiscal",
    "margin": "0", "basis": "standardized", "level": "stratum", "order": "before_risk",
    "true_up": "final", "rebasing_years": "0", "risk_growth_cap": "1.03", "sharing_rate": "0.5",
    "loss_rate": "0.5", "minimum_rate": "0.02", "limit": "0.1",
}  # fmt: skip


def write_sources(out: Path, report: Callable[[str, int], None]) -> tuple[Sources, Plan]:
    """Invent a population, score its two years, attribute it, and cut its claims off.

    Who is attributed where, and when claims are paid, is drawn with a fixed seed; costs of the
    performance year are those paid three months after it, so that they have to be completed.
    """
    from riskadj.catalog import resolve_model
    from riskadj.sources.synthetic import write_population

    people = out / "population"
    report("inventing members", MEMBERS)
    write_population(people, MEMBERS, SEED, "medicare", resolve_model(MODEL), BASELINE_YEAR - 1,
                     report)  # fmt: skip
    scores = {}
    for year in (BASELINE_YEAR, YEAR):
        report(f"scoring {year}", 0)
        scores[year] = _score(people, year, out / f"scores-{year}.parquet")
    _attribute(people, out / "attribution.csv")
    _claims(people, out)
    members = {y: people / f"members-{y}.parquet" for y in (BASELINE_YEAR, YEAR)}
    sources = Sources(members, scores, out / "costs-paid.parquet", out / "attribution.csv",
                      out / "claims.parquet")  # fmt: skip
    return sources, Plan(BASELINE_YEAR, YEAR, "enrollment_type", 0.99)


def _score(people: Path, year: int, path: Path) -> Path:
    """Score a year's members on the diagnoses of the year before."""
    from riskadj import load_model

    diagnoses = pq.read_table(people / "diagnoses.parquet")
    before = pc.equal(pc.year(diagnoses["thru_date"]), year - 1)
    kept = diagnoses.filter(before).drop_columns(["thru_date"])
    members = pq.read_table(people / f"members-{year}.parquet")
    scores = load_model(MODEL).score(members, kept)
    pq.write_table(scores.table.select(["member_id", "raw_score"]), path)
    return path


def _attribute(people: Path, path: Path) -> None:
    """Attribute four in five members to one of a dozen entities, for good."""
    ids = pc.unique(pq.read_table(people / "costs.parquet", columns=["member_id"])["member_id"])
    draw = np.random.default_rng(SEED)
    entity = draw.integers(0, ENTITIES, len(ids))
    taken = draw.random(len(ids)) < ATTRIBUTED
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("member_id", "entity_id", "from", "to", "basis"))
        for member, number, kept in zip(ids.to_pylist(), entity, taken, strict=True):
            if kept:
                row = (member, f"ACO-{number + 1:02d}", f"{BASELINE_YEAR}-01-01", "", "invented")
                writer.writerow(row)


def _claims(people: Path, out: Path) -> None:
    """Spread the performance year's cost over months and lags, and keep what is paid by then."""
    costs = pq.read_table(people / "costs.parquet")
    is_year = np.asarray(pc.equal(costs["year"], YEAR))
    paid = costs["paid_cents"].to_numpy().copy()
    total = int(paid[is_year].sum())
    rows = [(month, lag, round(total / 12 * share)) for month in range(12)
            for lag, share in enumerate(PAID_BY_LAG) if month + lag <= 11 + RUN_OUT]  # fmt: skip
    month, lag, cents = (np.array(column) for column in zip(*rows, strict=True))
    first = np.datetime64(f"{YEAR}-01", "M")
    pq.write_table(pa.table({
        "incurred_month": (first + month).astype("datetime64[D]"),
        "paid_month": (first + month + lag).astype("datetime64[D]"), "paid_cents": cents,
    }), out / "claims.parquet")  # fmt: skip
    share = cents.sum() / total
    paid[is_year] = np.round(paid[is_year] * share).astype(np.int64)
    pq.write_table(costs.set_column(costs.schema.get_field_index("paid_cents"), "paid_cents",
                                    pa.array(paid)), out / "costs-paid.parquet")  # fmt: skip


def write_trend(strata: Sequence[str], path: Path) -> Path:
    """Write the trend that the demonstration assumes."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("stratum", "year", "trend"))
        writer.writerows((s, YEAR, TREND) for s in strata)
    return path
