"""``tcoc programs``: what there is, how firm it is, and what each needs."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmarks.cli.options import Json

if TYPE_CHECKING:
    from benchmarks.program import Program, Step


def programs(
    name: Annotated[str | None, typer.Argument(help="One program, to be shown whole.")] = None,
    write: Annotated[
        Path | None,
        typer.Option(help="Write its columns, terms and scenarios as files to fill in."),
    ] = None,
    json: Json = False,
) -> None:
    """List the programs with how much of each is verified, or show one: columns, terms, steps.

    Examples
    --------
    - `tcoc programs`
    - `tcoc programs mssp`
    - `tcoc programs gdp-cap --write mine`
    """
    from benchmarks.program import list_programs, load_program
    from riskadj.cli.console import print_json

    if name is None:
        rows = [_row(load_program(n)) for n in list_programs()]
        print_json(rows) if json else _list(rows)
        return
    program = load_program(Path(name) if name.endswith(".toml") else name)
    if write is not None:
        from benchmarks.skeleton import write_skeleton
        from riskadj.cli.console import out

        out.print("Files to fill in; one that was there is kept as it was:")
        for path in write_skeleton(program, write):
            out.print(f"  {path}")
        return
    print_json(program.sheet.model_dump(mode="json")) if json else _show(program)


def _row(program: "Program") -> dict[str, Any]:
    from benchmarks.evidence import evidence

    found = evidence(program)
    return {"program": program.name, "title": program.sheet.title, "status": program.sheet.status,
            "years": f"{program.sheet.first_year}-{program.sheet.last_year}",
            "steps_and_values": found.total, "verified": found.firm}  # fmt: skip


def _list(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    from riskadj.cli.console import out

    table = Table("program", "status", "years", "title", box=None)
    table.add_column("verified", justify="right")
    for r in rows:
        share = f"{r['verified']}/{r['steps_and_values']}"
        table.add_row(r["program"], r["status"], r["years"], r["title"], share)
    out.print(table)
    out.print("\nVerified: steps and dated values read in a rule or recomputed on published data; "
              "the rest is proposed, or from memory and secondary sources.\n"
              "`tcoc programs NAME` shows one whole.")  # fmt: skip


def _show(program: "Program") -> None:
    from benchmarks.evidence import evidence
    from riskadj.cli.console import heading, out

    sheet = program.sheet
    heading(f"{sheet.title} ({sheet.status}, {sheet.first_year}-{sheet.last_year})")
    out.print(sheet.summary)
    if sheet.strata:
        out.print(f"Strata: {', '.join(sheet.strata)}")
    _show_columns(program)
    for part, steps in (("Target", sheet.target), ("Settlement", sheet.settle)):
        _show_steps(part, steps)
    weak = evidence(program).weak
    heading(f"\nNot verified ({len(weak)})")
    for said in weak:
        out.print(f"  {said}")
    for limit in sheet.limits:
        out.print(f"Limit: {limit}")


def _show_columns(program: "Program") -> None:
    from rich.table import Table

    from benchmarks.terms import choices
    from riskadj.cli.console import out

    columns = Table("column", "by", "kind", "part", "what", box=None, title="\nColumns",
                    title_justify="left")  # fmt: skip
    for name, spec in program.sheet.inputs.items():
        kind = spec.kind + (" (optional)" if spec.optional else "")
        columns.add_row(name, ", ".join(spec.axes), kind, spec.of or "", spec.about)
    out.print(columns)
    terms = Table("term", "values", "part", "what", box=None, title="\nTerms (no defaults)",
                  title_justify="left")  # fmt: skip
    for name, option in program.sheet.options.items():
        terms.add_row(name, choices(option), option.of or "", option.about)
    out.print(terms)


def _show_steps(part: str, steps: "Sequence[Step]") -> None:
    from riskadj.cli.console import heading, out

    if steps:
        heading(f"\n{part}")
    for step in steps:
        mark = "" if step.status == "final" else f" [{step.status}]"
        out.print(f"{step.id} = {step.formula}")
        out.print(f"    {step.about} ({step.unit}). {step.cite}{mark}", style="dim")
