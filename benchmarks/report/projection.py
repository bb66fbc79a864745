"""A projection as a page with its fan chart, and as CSV."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from benchmarks.ledger import for_spreadsheet
from benchmarks.program import Program
from benchmarks.report.content import Extras, Fan, Series
from benchmarks.report.figures import figures
from benchmarks.report.page import environment
from benchmarks.scenarios import QUANTILES, Projection
from riskadj.report.numbers import percent
from riskadj.report.table import Table


def scaled(found: Projection) -> tuple[float, str]:
    """Return what dollars are divided by to be read, and what they are then called."""
    largest = float(found.uncapped_usd.max())
    return (1e9, "bn") if largest >= 20e9 else (1e6, "mn") if largest >= 20e6 else (1.0, "total")


def write_projection(found: Projection, program: Program, out: Path) -> list[Path]:
    """Write a projection's page and its three tables into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    tables: Mapping[str, Iterator[Mapping[str, Any]]] = {
        "totals.csv": _totals(found), "forms.csv": forms(found), "entities.csv": _entities(found),
    }  # fmt: skip
    for name, rows in tables.items():
        held = list(rows)
        with (out / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(held[0]))
            writer.writeheader()
            writer.writerows({k: for_spreadsheet(v) for k, v in row.items()} for row in held)
    page = out / "projection.html"
    page.write_text(render_projection(found, program), encoding="utf-8")
    return [page, *(out / name for name in tables)]


def render_projection(found: Projection, program: Program) -> str:
    """Return the page: fan chart, and what each cap form does to each stratum."""
    middle = QUANTILES.index(0.5)
    scale, unit = scaled(found)
    fan = Fan(
        years=found.years, unit=f"usd_{unit}",
        quantiles={q: (found.target_usd[:, i] / scale).tolist()
                   for i, q in enumerate(QUANTILES)},
        title=f"Targets of all entities under {found.scenarios:,} scenarios",
        caption=f"Cap form {found.chosen}; bands hold 50 and 90 per cent of the scenarios."
                + (f" {len(found.left_out):,} entities lack a number and are left out."
                   if found.left_out else ""),
        lines=[Series("uncapped, median", (found.uncapped_usd[:, middle] / scale).tolist(),
                      "other")],
    )  # fmt: skip
    return environment().get_template("projection.html.j2").render(
        program=program, found=found, what=_what(found), assumed=_assumed(found),
        drawings={d.key: (d, Markup(d.svg)) for d in figures(None, Extras(fan=fan))},  # escaped
        need=bool((found.of_need == found.of_need).any()),
    )  # fmt: skip


def _assumed(found: Projection) -> Table:
    rows = tuple((name, str(value)) for name, value in found.assumed.items())
    return Table(title="Scenarios and terms", head=("What", "Value"), rows=rows, words=2)


def _what(found: Projection) -> Table:
    rows = tuple((r["form"], r["stratum"], percent(r["target_over_uncapped"]),
                  percent(r["share_of_scenarios_held_down"]), percent(r["target_over_need"]))
                 for r in forms(found))  # fmt: skip
    head = ("Form", "Stratum", "Target over uncapped", "Scenarios held down", "Target over need")
    return Table(title=f"By {found.years[-1]}", head=head, rows=rows, words=2)


def forms(found: Projection) -> Iterator[Mapping[str, Any]]:
    """Yield a row a form and stratum: what the cap leaves by the last year."""
    for f, form in enumerate(found.forms):
        for s, stratum in enumerate(found.strata):
            need = float(found.of_need[f, s])
            yield {"form": form, "stratum": stratum,
                   "target_over_uncapped": float(found.kept[f, s, -1]),
                   "share_of_scenarios_held_down": float(found.bound[f, s]),
                   "target_over_need": need if need == need else ""}  # fmt: skip


def _totals(found: Projection) -> Iterator[Mapping[str, Any]]:
    for y, year in enumerate(found.years):
        yield {"year": year, **_named("target_usd", found.target_usd[y]),
               **_named("uncapped_usd", found.uncapped_usd[y])}  # fmt: skip


def _entities(found: Projection) -> Iterator[Mapping[str, Any]]:
    for e, entity in enumerate(found.entities):
        yield {"entity_id": entity, "year": found.years[-1],
               **_named("target_usd", found.entity_usd[e])}  # fmt: skip


def _named(what: str, values: Sequence[float]) -> dict[str, float]:
    return {f"{what}_p{round(q * 100):02d}": float(v)
            for q, v in zip(QUANTILES, values, strict=True)}  # fmt: skip
