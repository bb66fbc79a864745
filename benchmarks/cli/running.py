"""Running a program from the command line: read, compute, write, say."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from riskadj.errors import OptionError

if TYPE_CHECKING:
    from benchmarks.report import Extras
    from benchmarks.terms import Request

SHOWN = 20
"""Entities printed; all are in the files."""


def run_and_write(
    name: str, paths: Sequence[Path], asked: "Request", out: Path
) -> Mapping[str, Any]:
    """Run a program, write ledger, tables and report, and print what came out."""
    from benchmarks.layouts import read_files
    from benchmarks.program import load_program
    from benchmarks.run import run
    from riskadj.cli.console import progress

    if out.exists() and not out.is_dir():
        raise OptionError(f"{out} is a file; --out names a folder")
    program = load_program(Path(name) if name.endswith(".toml") else name)
    with progress(quiet=False) as report:
        report("reading", 0)
        tables = read_files(paths, asked.year)
        report("computing", 0)
        ledger = run(program, tables, asked)
        report("writing", 0)
        record = ledger.record()
        written = write_run(record, out)
    say(record)
    files(written)
    return record


def write_run(record: Mapping[str, Any], out: Path, extras: "Extras | None" = None) -> list[Path]:
    """Write ledger, rows, tables and report into a folder."""
    from benchmarks.ledger import write_ledger, write_rows

    out.mkdir(parents=True, exist_ok=True)
    write_ledger(record, out / "ledger.json")
    write_rows(record, out / "ledger.csv")
    return [out / "ledger.json", out / "ledger.csv",
            *write_report(record, out / "report.html", extras)]  # fmt: skip


def write_report(
    record: Mapping[str, Any], page: Path, extras: "Extras | None" = None
) -> list[Path]:
    """Write the page and, beside it, one row an entity and one a stratum."""
    from benchmarks.report import Extras, actual_to_expected, render_report, write_tables

    page.parent.mkdir(parents=True, exist_ok=True)
    extras = extras or Extras()
    extras = replace(extras, exhibits=[*actual_to_expected(record), *extras.exhibits])
    page.write_text(render_report(record, extras), encoding="utf-8")
    return [page, *write_tables(record, page.parent)]


def say(record: Mapping[str, Any]) -> None:
    """Print results, what could not be calculated and why, and what is not verified."""
    from rich.table import Table

    from benchmarks.ledger import unverified
    from riskadj.cli.console import heading, note, out

    heading(f"{record['title']}, {record['year']}, as known on {record['known_at']}")
    nodes = {n["id"]: n for n in record["nodes"]}
    entities = record["axes"]["entity"]
    results = [nodes[r] for r in record["results"] if nodes[r]["axes"] == ["entity"]]
    table = Table("entity", box=None)
    for node in results:
        table.add_column(f"{node['id']}", justify="right")
    for i, entity in enumerate(entities[:SHOWN]):
        table.add_row(entity, *(shown(n["values"][i], n["unit"]) for n in results))
    if len(entities) > SHOWN:
        table.add_row(f"and {len(entities) - SHOWN:,} more", *("" for _ in results))
    table.add_row("all", *map(_total, results), style="bold")
    out.print(table)
    _print_reasons(results, len(entities))
    weak = unverified(record)
    if weak:
        note(f"{len(weak)} numbers or rules used here are not verified: "
             + ", ".join(f"{name} ({status})" for name, status, _ in weak[:8])
             + (" and more, see the report" if len(weak) > 8 else ""))  # fmt: skip


def _total(node: Mapping[str, Any]) -> str:
    numbers = [v for v in node["values"] if isinstance(v, (int, float))]
    return shown(sum(numbers), "usd") if node["unit"] == "usd" and numbers else ""


def shown(value: Any, unit: str) -> str:
    """Return a number as its unit is written; nothing for one that is not there."""
    if value is None:
        return "not calculable"
    if isinstance(value, str):
        return value
    if unit == "flag":
        return "yes" if value else "no"
    if unit == "1":
        return f"{value:.4f}"
    return f"{value:,.2f}" if unit == "usd_pmpm" else f"{value:,.0f}"


def _print_reasons(results: Sequence[Mapping[str, Any]], n: int) -> None:
    """Count entities that could not be calculated, by reason."""
    from collections import Counter

    from riskadj.cli.console import note

    for node in results:
        reasons = Counter(node.get("reasons", {}).values())
        for reason, count in reasons.most_common(3):
            note(f"{node['id']}: {count:,} of {n:,} entities not calculable: {reason}")


def files(written: Sequence[Path]) -> None:
    """Print where the files are."""
    from riskadj.cli.console import heading, out

    heading("\nFiles")
    for path in written:
        out.print(f"  {path}")
