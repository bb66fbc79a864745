"""``tcoc prepare``: members, scores, costs, claims and attribution become a baseline."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.cli.options import Out

ByYear = Annotated[list[str], typer.Option(help="YEAR=FILE, one for each year.")]


def prepare(
    members: ByYear,
    scores: ByYear,
    costs: Annotated[Path, typer.Option(help="member_id, year, months, paid_cents.")],
    attribution: Annotated[Path, typer.Option(help="member_id, entity_id, from, to, basis.")],
    baseline_year: Annotated[int, typer.Option(help="The year the baseline is of.")],
    year: Annotated[int, typer.Option(help="Performance year.")],
    strata: Annotated[str, typer.Option(help="enrollment_type, or a column of the members.")],
    truncate_at: Annotated[
        float, typer.Option(help="Share of exposure below the truncation point; 1 for none.")
    ],
    out: Out,
    claims: Annotated[
        Path | None, typer.Option(help="incurred_month, paid_month, paid_cents, to complete by.")
    ] = None,
) -> None:
    """Join two years into one row an entity and stratum, and one a group for equity tables.

    Cost is truncated, completed by its own development and summed; scores are renormalized to mean
    1 by stratum and year. Nobody is assigned: attribution says who belongs where on 1 January.

    Examples
    --------
    - `tcoc prepare --members 2024=m24.parquet --members 2025=m25.parquet --scores 2024=s24.parquet
      --scores 2025=s25.parquet --costs costs.parquet --attribution attribution.csv
      --baseline-year 2024 --year 2025 --strata enrollment_type --truncate-at 0.99 --out prepared`
    """
    from benchmarks.prepare import Plan, Sources, write_prepared
    from benchmarks.prepare import prepare as prepared_from
    from riskadj.cli.console import counts
    from riskadj.cli.console import out as screen

    sources = Sources(by_year(members), by_year(scores), costs, attribution, claims)
    found = prepared_from(sources, Plan(baseline_year, year, strata, truncate_at))
    screen.print(counts("Members", found.counts))
    for path in write_prepared(found, out):
        screen.print(f"  {path}")


def by_year(given: Sequence[str]) -> dict[int, Path]:
    """Read YEAR=FILE.

    Raises
    ------
    OptionError
        It is not of that form, or a year stands twice.
    """
    from riskadj.errors import OptionError

    found: dict[int, Path] = {}
    for text in given:
        year, sign, path = text.partition("=")
        if not sign or not year.strip().isdecimal() or int(year) in found:
            raise OptionError(f"expected YEAR=FILE, each year once, not {text!r}")
        found[int(year)] = Path(path)
    return found
