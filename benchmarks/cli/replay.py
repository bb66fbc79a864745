"""``tcoc replay``: compute a ledger again from itself."""

from collections.abc import Mapping
from typing import Any

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
    try:
        differences = replayed(record)
    except (KeyError, ValueError, TypeError, IndexError) as error:
        out.print(f"the ledger is not whole: {error}")
        raise typer.Exit(EXIT_DIFFERS) from None
    for d in differences[:20]:
        out.print(f"{d.node}: recorded {d.recorded}, computed again {d.replayed}")
    steps = [n for n in record["nodes"] if n["kind"] == "step"]
    cells = sum(len(n["values"]) for n in steps)
    if differences:
        out.print(f"{len(differences):,} of {cells:,} numbers differ")
        raise typer.Exit(EXIT_DIFFERS)
    out.print(f"{cells:,} numbers of {len(steps)} steps computed again: all the same")
    out.print(_rules_said(record))


def _rules_said(record: Mapping[str, Any]) -> str:
    """Tell whether the ledger's rules are those of the installed program."""
    from benchmarks.program import load_program
    from riskadj.errors import RiskadjError

    try:
        program = load_program(str(record["program"]))
    except RiskadjError as error:
        return f"The installed programs have none of this name: {error}"
    steps = {s.id: (s.formula.strip(), s.unit, s.cite, s.round)
             for s in (*program.sheet.target, *program.sheet.settle)}  # fmt: skip
    held = {n["id"]: (n["formula"], n["unit"], n["citation"], n["rounding"])
            for n in record["nodes"] if n["kind"] == "step"}  # fmt: skip
    other = sorted(k for k, v in held.items() if steps.get(k) != v)
    if other:
        return f"Its rules are not those of the installed {program.name}: {', '.join(other[:10])}"
    return f"Its formulas, units and citations are those of the installed {program.name}"
