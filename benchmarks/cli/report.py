"""``tcoc report``: a ledger as a page."""

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.cli.options import LedgerFile


def report(
    ledger: LedgerFile,
    out: Annotated[Path, typer.Option(help="The page, an .html file.")] = Path("report.html"),
    people: Annotated[
        Path | None, typer.Option(help="CSV by group, for the equity tables; columns above.")
    ] = None,
) -> None:
    """Write a ledger as one HTML page that loads nothing, and its tables as CSV beside it.

    PEOPLE holds dimension, group, entity_id, stratum (where the program has strata), members,
    member_months, spending_usd and, for an interval, spending_sd_usd (standard deviation of a
    member's spending in the year): by race and ethnicity, disability, dual or low income, social
    vulnerability, rurality. `tcoc prepare` writes such a file. Groups evaluate a target; they never
    enter it.

    Examples
    --------
    - `tcoc report settled/ledger.json --out settled/report.html`
    """
    from benchmarks.cli.running import write_report
    from benchmarks.equity import equity_rows
    from benchmarks.ledger import read_ledger
    from benchmarks.report import Extras
    from riskadj.cli.console import out as screen

    record = read_ledger(ledger)
    extras = Extras(equity=equity_rows(record, people)) if people else None
    for path in write_report(record, out, extras):
        screen.print(f"  {path}")
