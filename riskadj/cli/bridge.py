"""``riskadj bridge``: from one year's mean score to the next one's."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from riskadj.cli.analyses import Csv, MemoryLimit, OnError, Threads
from riskadj.cli.retraining import Json

if TYPE_CHECKING:
    from rich.table import Table

    from riskadj.analysis.bridge import Bridge

SHOWN = 15


def bridge(
    model: Annotated[str, typer.Option(help="The first year's model: a key, or a folder.")],
    members: Annotated[Path, typer.Option(help="The first year's members.")],
    diagnoses: Annotated[Path, typer.Option(help="The first year's diagnoses.")],
    to_model: Annotated[str, typer.Option(help="The second year's model; may be the same.")],
    to_members: Annotated[Path, typer.Option(help="The second year's members.")],
    to_diagnoses: Annotated[Path, typer.Option(help="The second year's diagnoses.")],
    out: Csv = None,
    on_error: OnError = "raise",
    memory_limit: MemoryLimit = None,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Say why the mean raw score of a population changed between two years.

    Members are joined by member_id. Leavers and joiners; for those who stay the change of model,
    ageing, change of status, conditions lost, new and kept, interactions and counts. The lines add
    up to the change exactly.

    Example: `riskadj bridge --model cms-hcc-v28/2025 --members a.parquet --diagnoses a_dx.parquet
    --to-model cms-hcc-v28/2026 --to-members b.parquet --to-diagnoses b_dx.parquet`
    """
    from riskadj.analysis.bridge import Population, score_bridge
    from riskadj.analysis.rows import check_out, write_rows
    from riskadj.analysis.sides import as_name
    from riskadj.cli.console import progress
    from riskadj.scoring.plan import Options

    if out is not None:
        check_out(out, [members, diagnoses, to_members, to_diagnoses])
    first = Population(as_name(model), members, diagnoses)
    second = Population(as_name(to_model), to_members, to_diagnoses)
    with progress(json) as report:
        report("scoring both years", 0)
        found = score_bridge(first, second, Options(on_error, memory_limit, threads))
    if out is not None:
        write_rows(out, found.rows())
    _print(found, out, json)


def _print(found: "Bridge", written: Path | None, json: bool) -> None:
    from riskadj.cli.analyses import rows_read
    from riskadj.cli.console import heading, note, print_json
    from riskadj.cli.console import out as screen

    if json:
        print_json({**found.as_json(), "written": str(written or "")})
        return
    heading(f"Mean raw score: {found.stayers:,} members are in both years")
    screen.print(_lines(found))
    kept = found.kept
    screen.print(f"kept: {kept.members:,} conditions, worth {kept.points / 1000:,.3f}")
    screen.print(_conditions(found))
    for name, year in (("first", found.first), ("second", found.second)):
        screen.print(rows_read(year.quality, f"\nRead of the {name} year"))
    for text in (*found.notes, *found.caveats):
        note(text)
    if written is not None:
        screen.print(f"wrote {written}")


def _lines(found: "Bridge") -> "Table":
    from riskadj.cli.analyses import part_table, signed, told

    table = part_table("", "members", "sum", "mean")
    for name, year in (("first year", found.first), ("second year", found.second)):
        table.add_row(f"{name}, {year.model}", f"{year.members:,}", *told(year.points, year.mean))
        for line in found.lines if year is found.first else ():
            total, mean = signed(line.points, line.mean)
            if line.name in ("leavers", "joiners"):
                total = ""  # their own scores; the other lines have changes
            table.add_row(f"  {line.name.replace('_', ' ')}", f"{line.members:,}", total, mean)
    table.add_row("change", "", "", f"{float(found.change):+.4f}", style="bold")
    return table


def _conditions(found: "Bridge") -> "Table":
    from riskadj.cli.analyses import part_table

    heads = [f"{kind} {what}" for kind in ("lost", "new", "kept") for what in ("members", "sum")]
    table = part_table("condition", *heads, "label", title="\nConditions: the largest changes")
    table.columns[-1].justify = "left"
    moves = sorted(found.conditions, key=lambda c: -abs(c.lost.points + c.new.points))
    for c in moves[:SHOWN]:
        cells = [text for part in (c.lost, c.new, c.kept)
                 for text in (f"{part.members:,}", f"{part.points / 1000:+,.3f}")]  # fmt: skip
        table.add_row(c.condition, *cells, c.label)
    return table
