"""``tcoc diff``: the dollar waterfall between two ledgers."""

from typing import Annotated

import typer

from benchmarks.cli.options import Json, LedgerFile


def diff(
    first: LedgerFile,
    second: LedgerFile,
    node: Annotated[
        str | None, typer.Option(help="What is compared; the last result if not.")
    ] = None,
    json: Json = False,
) -> None:
    """Split the difference between two policy versions, vintages or years into its causes.

    Examples
    --------
    - `tcoc diff 2022/ledger.json 2023/ledger.json --node earned_usd`
    """
    from dataclasses import asdict

    from rich.table import Table

    from benchmarks.diff import waterfall
    from benchmarks.ledger import read_ledger
    from riskadj.cli.console import out, print_json

    a, b = read_ledger(first), read_ledger(second)
    found = waterfall(a, b, node or b["results"][-1])
    if json:
        print_json(asdict(found))
        return
    table = Table("what changed", box=None, title=f"{found.node}, {found.unit}",
                  title_justify="left")  # fmt: skip
    table.add_column("", justify="right")
    table.add_row(f"{a['year']}, known {a['known_at']}", f"{found.first:,.2f}")
    for part in found.parts:
        effect = f"{part.change:+,.2f}" if part.change else "no effect"
        table.add_row(f"  {part.values or part.id}", effect)
    table.add_row(f"{b['year']}, known {b['known_at']}", f"{found.last:,.2f}")
    out.print(table)
    out.print(f"{found.compared:,} entities in both and calculable; {found.not_calculable:,} not "
              f"calculable in one; {found.only_first:,} only in the first "
              f"({found.only_first_total:,.2f}), {found.only_second:,} only in the second "
              f"({found.only_second_total:,.2f})")  # fmt: skip
