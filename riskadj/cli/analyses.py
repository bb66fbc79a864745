"""What the two analyses share: options, and tables of numbers."""

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from riskadj.engine.duck import Quality

Csv = Annotated[
    Path | None, typer.Option(help="Also write all parts: level, key, part, members, points.")
]
OnError = Annotated[
    Literal["raise", "quarantine"],
    typer.Option(help="raise: stop at bad members; quarantine: leave them out."),
]
MemoryLimit = Annotated[str | None, typer.Option(help="For the engine, such as 1GB.")]
Threads = Annotated[int | None, typer.Option(help="For the engine; all cores if not given.")]


def part_table(first: str, *others: str, title: str | None = None) -> "Table":
    """Return a table of one column of text and others of numbers."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, title=title, title_justify="left")
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right")
    return table


def told(thousandths: int, mean: Fraction) -> tuple[str, str]:
    """Return a sum of scores and a mean as text."""
    return f"{thousandths / 1000:,.3f}", f"{float(mean):.4f}"


def signed(thousandths: int, mean: Fraction) -> tuple[str, str]:
    """Return the same of a change."""
    return f"{thousandths / 1000:+,.3f}", f"{float(mean):+.4f}"


def rows_read(quality: "Quality", title: str) -> "Table":
    """Return the counts of what was read and set aside, where something was."""
    from riskadj.cli.console import counts, diagnosis_rows

    return counts(title, {
        "members read": quality.members, "members scored": quality.members_scored,
        **{f"members set aside: {why}": n for why, n in quality.members_rejected.items()},
        **diagnosis_rows(quality, "diagnosis rows read"),
    })  # fmt: skip
