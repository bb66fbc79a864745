"""``tcoc replay``: compute a ledger again from itself."""

import typer

from benchmarks.cli.options import EXIT_DIFFERS, LedgerFile


def replay(ledger: LedgerFile) -> None:
    """Compute every number of a ledger again, from the ledger alone, and compare.

    Examples
    --------
    - `tcoc replay settled/ledger.json`
    """
    from benchmarks.ledger import read_ledger
    from benchmarks.replay import replay as replayed
    from riskadj.cli.console import out

    record = read_ledger(ledger)
    differences = replayed(record)
    for d in differences[:20]:
        out.print(f"{d.node}: recorded {d.recorded}, computed again {d.replayed}")
    steps = [n for n in record["nodes"] if n["kind"] == "step"]
    cells = sum(len(n["values"]) for n in steps)
    if differences:
        out.print(f"{len(differences):,} of {cells:,} numbers differ")
        raise typer.Exit(EXIT_DIFFERS)
    out.print(f"{cells:,} numbers of {len(steps)} steps computed again: all the same")
