"""``riskadj score``: members and diagnoses in, scores out."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from riskadj.engine.duck import Quality
    from riskadj.scoring.plan import Options, Plan, Terms

Members = Annotated[Path, typer.Option(help="Members table: .parquet, .csv or .ndjson.")]
Diagnoses = Annotated[Path | None, typer.Option(help="Diagnoses table: member_id, diagnosis_code.")]
Eob = Annotated[
    list[Path] | None,
    typer.Option(
        help="FHIR R4 ExplanationOfBenefit file (.ndjson, .ndjson.gz, .json); repeatable."
    ),
]
PaymentYear = Annotated[int | None, typer.Option(help="Payment year, such as 2026.")]
Payer = Annotated[
    list[str],
    typer.Option(help="Payment program: ma, pace, part-d-ma-pd, ...; repeat for several at once."),
]
Model = Annotated[
    list[str] | None,
    typer.Option(
        help="Raw scores of a model: a key such as cms-hcc-v28/2026, or a folder; repeatable."
    ),
]
Accept = Annotated[
    bool,
    typer.Option(
        "--accept-unverified",
        help="Use values that no document bears out, or documents disagree on.",
    ),
]
Parameters = Annotated[
    Path | None,
    typer.Option(help="TOML of what a program asks you for: name = { value, source }."),
]
MA = ["ma"]


def score(
    members: Members,
    out: Annotated[Path, typer.Option(help="Scores: .parquet or .csv.")],
    diagnoses: Diagnoses = None,
    eob: Eob = None,
    payment_year: PaymentYear = None,
    payer: Payer = MA,
    model: Model = None,
    accept_unverified: Accept = False,
    parameters: Parameters = None,
    segment: Annotated[str | None, typer.Option(help="Force this segment (with --model).")] = None,
    all_segments: Annotated[
        bool, typer.Option("--all-segments", help="Price every segment (with --model).")
    ] = False,
    factors: Annotated[Path | None, typer.Option(help="Also write every score's factors.")] = None,
    statuses: Annotated[
        Path | None, typer.Option(help="Also write every diagnosis with its status and reason.")
    ] = None,
    rejected: Annotated[Path | None, typer.Option(help="Also write rows set aside.")] = None,
    quality: Annotated[Path | None, typer.Option(help="Also write the counts (.json).")] = None,
    on_error: Annotated[
        Literal["raise", "quarantine"],
        typer.Option(help="raise: stop at bad members; quarantine: score the others."),
    ] = "raise",
    memory_limit: Annotated[str | None, typer.Option(help="For the engine, such as 1GB.")] = None,
    threads: Annotated[
        int | None, typer.Option(help="For the engine; all cores if not given.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be read and used; score nothing.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Score members with a payment year's models, or with models of your choice.

    Examples
    --------
    - `riskadj score --members m.parquet --diagnoses d.parquet --payment-year 2026 --out s.parquet`
    - `riskadj score --members m.csv --eob eob.ndjson.gz --payment-year 2026 --out s.csv`
    - `riskadj score --members m.csv --diagnoses d.csv --model cms-hcc-v28/2026 --out s.csv`
    - `riskadj score --members m.csv --diagnoses d.csv --payer ma --payer part-d-ma-pd
      --accept-unverified --payment-year 2026 --out s.csv`: Part C and Part D in one pass
    """
    from riskadj.cli.console import progress
    from riskadj.scoring.plan import Options
    from riskadj.scoring.sink import Outputs, score_to_files

    terms = terms_of(accept_unverified, parameters)
    plan = chosen_plan((model, payer, payment_year), terms, segment, all_segments)
    options = Options(on_error, memory_limit, threads)
    source, claims, unread = diagnosis_source(diagnoses, eob, plan, options)
    if dry_run:
        _print_dry_run(plan, members, source, json)
        return
    outputs = Outputs(out, factors, statuses, rejected, quality)
    outputs.refuse_inputs(eob or [])
    with progress(quiet or json) as report:
        counts = score_to_files(plan, (members, source), outputs, options, report, unread)
    _print_result(counts, claims, outputs.written(), json)


def terms_of(accept_unverified: bool, parameters: Path | None) -> "Terms":
    """Return what the user says about a program's values."""
    from riskadj.scoring.payment import read_supplied
    from riskadj.scoring.plan import Terms

    return Terms(accept_unverified, read_supplied(parameters) if parameters else {})


def chosen_plan(
    asked: tuple[list[str] | None, list[str], int | None],
    terms: "Terms",
    segment: str | None = None,
    all_segments: bool = False,
    monthly: bool = False,
) -> "Plan":
    """Return the plan of ``--model`` or of ``--payment-year``; exactly one must be given.

    Parameters
    ----------
    asked
        ``--model``, ``--payer`` and ``--payment-year``.
    """
    from riskadj.catalog import resolve_model
    from riskadj.scoring.plan import plan_model, plan_models
    from riskadj.scoring.programs import plan_payers

    models, payers, payment_year = asked
    if (not models) == (payment_year is None):
        raise typer.BadParameter("give --payment-year, or --model for raw scores of a model")
    if (segment or all_segments) and (not models or len(models) > 1):
        raise typer.BadParameter("--segment and --all-segments go with one --model")
    if models:
        found = [resolve_model(Path(m) if Path(m).is_dir() else m) for m in models]
        if segment or all_segments:
            return plan_model(found[0], segment, all_segments)
        return plan_models(found)
    return plan_payers(payers, int(payment_year or 0), terms, monthly=monthly)


def diagnosis_source(
    diagnoses: Path | None, eob: list[Path] | None, plan: "Plan", options: "Options"
) -> tuple[Any, dict[str, int], list[tuple[int, str]]]:
    """Return the diagnoses (a path, or a table read from claims), counts, and rejected lines."""
    if (diagnoses is None) == (not eob):
        raise typer.BadParameter("give --diagnoses, or --eob")
    if diagnoses is not None:
        return diagnoses, {}, []
    import pyarrow as pa

    from riskadj.catalog import models_root
    from riskadj.sources.accepted_claims import load_rule
    from riskadj.sources.fhir import diagnoses_from_eob

    rule, year = load_rule(models_root()), plan.service_year
    read = [
        diagnoses_from_eob(path, rule, service_years={year}, on_error=options.on_error)
        for path in eob or []
    ]
    counted: dict[str, int] = {}
    for name, n in (item for r in read for item in r.quality.items()):
        counted[name] = counted.get(name, 0) + n
    rejected = [line for r in read for line in r.rejected]
    return pa.concat_tables([r.table for r in read]), counted, rejected


def _print_dry_run(plan: "Plan", members: Path, source: Any, as_json: bool) -> None:
    from riskadj.cli.console import note, out, print_json
    from riskadj.engine.inputs import shape_of

    shapes = {name: shape_of(name, s) for name, s in (("members", members), ("diagnoses", source))}
    said = {
        "models": list(plan.models),
        "payment": [p.year.key for p in plan.programs],
        "tables": {
            name: {"rows": rows, "columns": [c for c, _ in view.columns.values()]}
            for name, (rows, view) in shapes.items()
        },
        "caveats": list(plan.caveats),
    }
    if as_json:
        print_json(said)
        return
    out.print(f"Models: {', '.join(plan.models)}")
    for name, (rows, view) in shapes.items():
        out.print(f"{name}: {rows:,} rows; columns {', '.join(view.columns)}")
    for caveat in plan.caveats:
        note(caveat)
    out.print("Nothing was scored (--dry-run).")


def _print_result(
    quality: "Quality", claims: dict[str, int], written: list[Path], as_json: bool
) -> None:
    from riskadj.cli.console import counts, diagnosis_rows, note, out, print_json

    said = asdict(quality)
    if as_json:
        print_json({**said, "claims": claims,
                    "written": [str(p) for p in written]})  # fmt: skip
        return
    if claims:
        out.print(counts("Claims", claims))
    out.print(counts("Members", {"read": quality.members, "scored": quality.members_scored,
                                 **quality.members_rejected}))  # fmt: skip
    out.print(counts("Diagnosis rows", diagnosis_rows(quality)))
    for program, n in quality.unpaid.items():
        out.print(f"{n:,} members have no score of {program}")
    if quality.without_cell:
        out.print(f"{quality.without_cell:,} prices have no age-sex part in the segment")
    for text in (*quality.notes, *quality.caveats):
        note(text)
    for path in written:
        out.print(f"wrote {path}")
