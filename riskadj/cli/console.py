"""What every subcommand prints with: results on stdout, progress on stderr."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from riskadj.engine.duck import Quality

WIDE = 10_000
"""Columns where no terminal says how many there are: a pipe must not lose text."""

out = Console(highlight=False, soft_wrap=True, markup=False)
err = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
if not out.is_terminal:
    out = Console(highlight=False, soft_wrap=True, markup=False, width=WIDE)


def print_json(value: object) -> None:
    """Print a value as JSON on stdout."""
    out.print_json(json.dumps(value))


@contextmanager
def progress(quiet: bool) -> Iterator[Callable[[str, int], None]]:
    """Show what is going on, on a terminal only: yields ``report(what, done)``."""
    if quiet or not err.is_terminal:
        yield lambda what, done: None
        return
    with err.status("starting") as status:
        yield lambda what, done: status.update(f"{what} {done:,}" if done else what)


def note(text: str) -> None:
    """Print a caveat or an assumption on stderr."""
    err.print(f"note: {text}", style="dim")


def heading(text: str) -> None:
    """Print a heading on stdout."""
    out.print(text, style="bold")


def diagnosis_rows(quality: "Quality", read: str = "read") -> dict[str, int]:
    """Return the counts of diagnosis rows as they are shown; ``read`` names the first."""
    return {
        read: quality.diagnoses, "mapped to a payment condition": quality.diagnoses_mapped,
        **{f"set aside: {why}": n for why, n in quality.diagnoses_set_aside.items()},
        "of the mapped: of members not in the table": quality.diagnoses_of_unknown_members,
        **quality.unread_rows,
    }  # fmt: skip


def counts(title: str, rows: Mapping[str, int | str]) -> Table:
    """Return a two-column table of counts."""
    table = Table(title=title, title_justify="left", show_header=False, box=None, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(justify="right")
    for name, value in rows.items():
        table.add_row(name, f"{value:,}" if isinstance(value, int) else value)
    return table
