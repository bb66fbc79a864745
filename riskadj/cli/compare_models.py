"""``riskadj compare-models``: what the change in mean score between two models is made of."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from riskadj.cli.analyses import Csv, MemoryLimit, OnError, Threads
from riskadj.cli.retraining import Json
from riskadj.cli.score import Accept, Diagnoses, Eob, Members, Parameters

if TYPE_CHECKING:
    from rich.table import Table

    from riskadj.analysis.compare_models import Comparison

SHOWN = 15


def compare_models(
    first: Annotated[str, typer.Argument(help="A model: a key, or a folder.")],
    second: Annotated[str, typer.Argument(help="The other.")],
    members: Members,
    diagnoses: Diagnoses = None,
    eob: Eob = None,
    payer: Annotated[
        str | None,
        typer.Option(help="Compare payment scores of this program; each model's own year."),
    ] = None,
    payment_year: Annotated[
        int | None, typer.Option(help="The payment year that pays by both models.")
    ] = None,
    parameters: Parameters = None,
    accept_unverified: Accept = False,
    out: Csv = None,
    on_error: OnError = "raise",
    memory_limit: MemoryLimit = None,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Say what the change in mean score from one model to the other is made of.

    Mapping, hierarchy, coefficients, demographics, interactions and counts, and with
    --payment-year or --payer normalization: in all, by segment and by condition. The parts add up
    to the change exactly; with --out they are all written.

    Examples
    --------
    - `riskadj compare-models cms-hcc-v24/2025 cms-hcc-v28/2025 --members m.parquet
      --diagnoses d.parquet --payment-year 2025 --out parts.csv`
    - `riskadj compare-models cms-hcc-v28/2026 my/folder --members m.csv --diagnoses d.csv --json`
    """
    from riskadj.analysis.compare_models import PaidBy
    from riskadj.analysis.compare_models import compare_models as compare
    from riskadj.analysis.rows import check_out, write_rows
    from riskadj.analysis.sides import as_name
    from riskadj.catalog import resolve_model
    from riskadj.cli.console import progress
    from riskadj.cli.score import diagnosis_source, terms_of
    from riskadj.scoring.plan import Options, plan_model

    if out is not None:
        check_out(out, [members, *([diagnoses] if diagnoses else []), *(eob or [])])
    options, models = Options(on_error, memory_limit, threads), (as_name(first), as_name(second))
    paid_by = None
    if payer or payment_year:
        paid_by = PaidBy(payer or "ma", payment_year, terms_of(accept_unverified, parameters))
    elif parameters or accept_unverified:
        raise typer.BadParameter("--parameters and --accept-unverified go with --payer or "
                                 "--payment-year: raw scores need neither")  # fmt: skip
    plan = plan_model(resolve_model(models[1]))
    source, claims, _ = diagnosis_source(diagnoses, eob, plan, options)
    with progress(json) as report:
        report("scoring by both models", 0)
        found = compare(*models, members, source, paid_by, options)
    if out is not None:
        write_rows(out, found.rows())
    _print(found, claims, out, json)


def _print(found: "Comparison", claims: dict[str, int], written: Path | None, json: bool) -> None:
    from riskadj.cli.analyses import rows_read
    from riskadj.cli.console import counts, heading, note, print_json
    from riskadj.cli.console import out as screen

    if json:
        print_json({**found.as_json(), "claims": claims, "written": str(written or "")})
        return
    if claims:
        screen.print(counts("Claims", claims))
    kind = "payment" if found.payment else "raw"
    heading(f"Mean {kind} score of the {found.members:,} members that both models score")
    screen.print(_parts(found))
    for model, n in ((found.first, found.only_first), (found.second, found.only_second)):
        if n:
            screen.print(f"left out: {n:,} members that only {model} scores (ESRD status)")
    screen.print(_segments(found))
    screen.print(_conditions(found))
    screen.print(rows_read(found.quality, "\nRead"))
    for text in (*found.notes, *found.caveats):
        note(text)
    if written is not None:
        screen.print(f"wrote {written}")


def _parts(found: "Comparison") -> "Table":
    from riskadj.cli.analyses import part_table, signed, told

    table = part_table("", "members moved", "sum", "mean")
    table.add_row(found.first, "", *told(found.first_points, found.mean(found.first_points)))
    for name, part in found.parts.items():
        table.add_row(f"  {name.replace('_', ' ')}", f"{part.members:,}",
                      *signed(part.points, found.mean(part.points)))  # fmt: skip
    table.add_row(found.second, "", *told(found.second_points, found.mean(found.second_points)))
    table.add_row("change", "", *signed(found.change, found.mean(found.change)), style="bold")
    return table


def _segments(found: "Comparison") -> "Table":
    from riskadj.cli.analyses import part_table

    names = [n.split("_")[0] for n in found.parts]
    table = part_table("segment", "members", "change", *names,
                       title="\nBy segment: means over its members")  # fmt: skip
    for s in sorted(found.segments, key=lambda s: -s.members):
        means = (p / (1000 * s.members) for p in (s.points, *(q.points for q in s.parts.values())))
        table.add_row(s.name, f"{s.members:,}", *(f"{m:+.3f}" for m in means))
    return table


def _conditions(found: "Comparison") -> "Table":
    from riskadj.analysis.tally import OF_CONDITIONS
    from riskadj.cli.analyses import part_table

    keys = {"first": found.first, "second": found.second}
    table = part_table("model", "condition", "members", "change", *OF_CONDITIONS, "label",
                       title="\nBy condition: the largest changes of the mean")  # fmt: skip
    table.columns[1].justify = table.columns[-1].justify = "left"
    for c in sorted(found.conditions, key=lambda c: -abs(c.points))[:SHOWN]:
        points = (c.points, *(c.parts[p].points for p in OF_CONDITIONS))
        means = (f"{float(found.mean(p)):+.4f}" for p in points)
        table.add_row(keys[c.model], c.condition, f"{c.members:,}", *means, c.label)
    return table
