"""``riskadj score-months``: monthly statuses in, monthly scores and paid averages out."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from riskadj.cli.score import MA, Accept, Diagnoses, Eob, Members, Parameters, Payer

if TYPE_CHECKING:
    from riskadj.engine.duck import Quality
    from riskadj.engine.months import MonthCounts


def score_months(
    members: Members,
    months: Annotated[Path, typer.Option(help="Member months: member_id, month, its status.")],
    payment_year: Annotated[int, typer.Option(help="Payment year, such as 2026.")],
    out: Annotated[Path, typer.Option(help="A row a member: .parquet or .csv.")],
    diagnoses: Diagnoses = None,
    eob: Eob = None,
    payer: Payer = MA,
    monthly: Annotated[Path | None, typer.Option(help="Also write a row a month.")] = None,
    rejected: Annotated[Path | None, typer.Option(help="Also write rows set aside.")] = None,
    quality: Annotated[Path | None, typer.Option(help="Also write the counts (.json).")] = None,
    dual_timing: Annotated[
        Literal["monthly", "interim"],
        typer.Option(help="Dual status of the month, or of interim payment's anchor months."),
    ] = "monthly",
    accept_unverified: Accept = False,
    parameters: Parameters = None,
    on_error: Annotated[
        Literal["raise", "quarantine"],
        typer.Option(help="raise: stop at bad rows; quarantine: score the others."),
    ] = "raise",
    memory_limit: Annotated[str | None, typer.Option(help="For the engine, such as 1GB.")] = None,
    threads: Annotated[int | None, typer.Option(help="For the engine.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Score each month by its status, and average over the months that are paid.

    The months table has member_id and month (2026-01-01, 2026-01 or 202601), and any of
    dual_status_code, long_term_institutional, new_enrollee, chronic_snp, esrd_status,
    months_since_transplant, low_income, hospice, part_a, part_b, medicare_secondary_payer. A
    status that it does not have is read from the members table, for the whole year.

    Examples
    --------
    - `riskadj score-months --members m.csv --months mm.csv --diagnoses d.csv --payment-year 2026
      --out years.csv --monthly months.csv`
    - `riskadj score-months --members m.parquet --months mm.parquet --diagnoses d.parquet
      --payer ma --payer part-d-ma-pd --accept-unverified --payment-year 2026 --dual-timing interim
      --out y.parquet`
    """
    from riskadj.cli.console import counts as table_of
    from riskadj.cli.console import note, print_json, progress
    from riskadj.cli.console import out as screen
    from riskadj.cli.score import chosen_plan, diagnosis_source, terms_of
    from riskadj.engine.months import Months
    from riskadj.scoring.months import MonthOutputs, months_to_files
    from riskadj.scoring.plan import Options

    terms = terms_of(accept_unverified, parameters)
    plan = chosen_plan((None, payer, payment_year), terms, monthly=True)
    options = Options(on_error, memory_limit, threads)
    source, claims, unread = diagnosis_source(diagnoses, eob, plan, options)
    outputs = MonthOutputs(out, monthly, rejected, quality)
    outputs.refuse_inputs(eob or [])
    with progress(quiet or json) as report:
        found, counts = months_to_files(
            plan, (members, months, source), outputs, Months(payment_year, dual_timing), terms,
            (options, report), unread,
        )  # fmt: skip
    if json:
        print_json({**asdict(found), "member_months": asdict(counts), "claims": claims,
                    "written": [str(p) for p in outputs.written()]})  # fmt: skip
        return
    if claims:
        screen.print(table_of("Claims", claims))
    _print_counts(found, counts)
    for program, n in found.unpaid.items():
        screen.print(f"{n:,} months have no score of {program}")
    for text in (*found.notes, *found.caveats):
        note(text)
    for path in outputs.written():
        screen.print(f"wrote {path}")


def _print_counts(quality: "Quality", months: "MonthCounts") -> None:
    from riskadj.cli.console import counts, diagnosis_rows
    from riskadj.cli.console import out as screen

    screen.print(counts("Members", {"read": quality.members, "scored": quality.members_scored,
                                    "without a month": months.members_without_months,
                                    "with a gap between months": months.members_with_gaps,
                                    **quality.members_rejected}))  # fmt: skip
    screen.print(counts("Member months", {
        "read": months.read, "scored": months.scored,
        "anchors of the year before": months.anchors,
        "without their anchor month: own dual status": months.without_anchor,
        "of members not in the table": months.of_unknown_members,
        "of members set aside": months.of_refused_members, **months.rejected,
    }))  # fmt: skip
    screen.print(counts("Diagnosis rows", diagnosis_rows(quality)))
