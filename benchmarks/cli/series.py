"""``tcoc series``: indices of the economy by vintage."""

import datetime as dt
from typing import Annotated

import typer

from benchmarks.cli.options import KnownAt


def series(
    name: Annotated[str | None, typer.Argument(help="One series, to be shown.")] = None,
    known_at: KnownAt = None,
) -> None:
    """List the series, or print one's growth as it was known on a day.

    Examples
    --------
    - `tcoc series`
    - `tcoc series medicare_outlays_fiscal --known-at 2020-06-01`
    """
    from rich.table import Table

    from benchmarks.series import list_series, load_series
    from riskadj.cli.console import heading, out
    from riskadj.errors import NotPublishedError

    if name is None:
        table = Table("series", "title", "prices", "per", "year", "periods", "vintages", box=None)
        for n in list_series():
            s = load_series(n)
            periods = sorted({p for held in s.vintages.values() for p in held})
            table.add_row(n, s.about.title, s.about.prices, s.about.per, s.about.year,
                          f"{periods[0]}-{periods[-1]}", str(len(s.vintages)))  # fmt: skip
        out.print(table)
        return
    found, day = load_series(name), known_at.date() if known_at else dt.date.today()
    if min(found.vintages) > day:
        first = min(found.vintages)
        raise NotPublishedError(f"{name} was not known on {day}: the first vintage is {first}")
    heading(f"{found.about.title}, as known on {day}")
    table = Table("period", box=None)
    for column in ("growth", "status", "vintage"):
        table.add_column(column, justify="right")
    for period in sorted({p for held in found.vintages.values() for p in held}):
        try:
            growth = found.growth(period, day)
        except NotPublishedError:
            continue
        table.add_row(str(period), f"{growth.value:.3%}", growth.status,
                      str(growth.points[-1].vintage))  # fmt: skip
    out.print(table)
