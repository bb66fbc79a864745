"""What every subcommand prints with: results on stdout, progress on stderr."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


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


def counts(title: str, rows: Mapping[str, int | str]) -> Table:
    """Return a two-column table of counts."""
    table = Table(title=title, title_justify="left", show_header=False, box=None, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(justify="right")
    for name, value in rows.items():
        table.add_row(name, f"{value:,}" if isinstance(value, int) else value)
    return table
