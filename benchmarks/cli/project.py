"""``tcoc project``: a program run forward under many futures."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmarks.cli.options import Files, KnownAt, Out, ProgramName, Set, Terms

if TYPE_CHECKING:
    from benchmarks.scenarios import Projection


def project(
    program: ProgramName,
    baseline: Files,
    scenarios: Annotated[Path, typer.Option(help="Scenarios, a .toml file.")],
    out: Out,
    terms: Terms = None,
    set_: Set = None,
    known_at: KnownAt = None,
) -> None:
    """Run a program forward under a grid of trend and index growth, with every form of the cap.

    The scenario file gives low, high, steps and yearly_sd of [trend] and [index], years,
    risk_growth and seed; [trend_of_stratum], points a year added to the trend, and [unmet_need] by
    stratum. `tcoc programs gdp-cap --write mine` writes one to change. Forms of the cap whose terms
    are not given (average needs average_years) are left out.

    Examples
    --------
    - `tcoc project gdp-cap --baseline base.csv --scenarios scenarios.toml --terms terms.toml
      --out projected`
    """
    from benchmarks.cli.options import request
    from benchmarks.layouts import read_files
    from benchmarks.program import load_program
    from benchmarks.report.projection import write_projection
    from benchmarks.scenarios import project as run_forward
    from benchmarks.scenarios import read_scenarios
    from riskadj.cli.console import note, progress
    from riskadj.cli.console import out as screen

    future, loaded = read_scenarios(scenarios), load_program(program)
    asked = request(1, known_at, terms, set_, False, ("target",))
    with progress(quiet=False) as report:
        found = run_forward(loaded, read_files(baseline), asked, future, report)
    _print(found)
    if found.left_out:
        note(f"{len(found.left_out):,} entities lack a number in some stratum and are left out: "
             + ", ".join(found.left_out[:10]))  # fmt: skip
    for path in write_projection(found, loaded, out):
        screen.print(f"  {path}")


def _print(found: "Projection") -> None:
    from rich.table import Table

    from benchmarks.report.projection import scaled
    from benchmarks.scenarios import QUANTILES
    from riskadj.cli.console import heading, out

    heading(f"{found.scenarios:,} scenarios, {len(found.entities):,} entities, "
            f"{found.years[0]} to {found.years[-1]}, cap form {found.chosen}")  # fmt: skip
    scale, unit = scaled(found)
    fan = Table("year", box=None, title=f"Targets of all entities, $ {unit}",
                title_justify="left")  # fmt: skip
    for q in QUANTILES:
        fan.add_column(f"{q:.0%}", justify="right")
    fan.add_column("uncapped, median", justify="right")
    middle = QUANTILES.index(0.5)
    for year, row, free in zip(found.years, found.target_usd, found.uncapped_usd, strict=True):
        cells = (f"{v / scale:,.2f}" for v in (*row, free[middle]))
        fan.add_row(str(year), *cells)
    out.print(fan)
    out.print(_forms(found))


def _forms(found: "Projection") -> Any:
    from rich.table import Table

    table = Table("form of the cap", "stratum", box=None, title_justify="left",
                  title=f"\nWhat each form does to each stratum by {found.years[-1]}")  # fmt: skip
    for name in ("target / uncapped", "held down in", "target / need"):
        table.add_column(name, justify="right")
    for f, form in enumerate(found.forms):
        for s, stratum in enumerate(found.strata):
            need = found.of_need[f, s]
            table.add_row(form, stratum, f"{found.kept[f, s, -1]:.1%}", f"{found.bound[f, s]:.0%}",
                          f"{need:.1%}" if need == need else "")  # fmt: skip
    return table
