"""``riskadj demo``: the main job on a bundled population, or on your own claims."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from riskadj.scoring.plan import Plan

SEED, MEMBERS = 20260201, 10_000
TEMPLATE = ("age", "sex", "original_reason_entitlement_code", "dual_status_code",
            "long_term_institutional", "new_enrollee", "chronic_snp")  # fmt: skip


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the files.")] = Path("demo"),
    payment_year: Annotated[int, typer.Option(help="Payment year.")] = 2026,
    eob: Annotated[Path | None, typer.Option(help="Your own FHIR claims.")] = None,
    members: Annotated[Path | None, typer.Option(help="The members of your claims.")] = None,
) -> None:
    """Score 10,000 invented members, or those of your own claims, and explain one of them.

    Claims do not tell age, sex or entitlement. With --eob alone the claims are read and counted,
    and a members file to fill in is written.

    Examples
    --------
    - `riskadj demo`
    - `riskadj demo --eob claims.ndjson.gz --members members.csv --payment-year 2026`
    """
    from riskadj.cli.console import counts
    from riskadj.cli.console import out as screen
    from riskadj.cli.score import diagnosis_source
    from riskadj.errors import OptionError
    from riskadj.scoring.plan import Options
    from riskadj.scoring.programs import plan_payment_year

    plan, options = plan_payment_year("ma", payment_year), Options(on_error="quarantine")
    if out.exists() and not out.is_dir():
        raise OptionError(f"{out} is a file; --out names a folder")
    out.mkdir(parents=True, exist_ok=True)
    if eob is None:
        _score(_invented(out, plan), out, plan, options)
        return
    diagnoses, counted, unread = diagnosis_source(None, [eob], plan, options)
    screen.print(counts(f"Claims in {eob.name}", counted))
    if members is not None:
        _score((members, diagnoses), out, plan, options, unread)
        return
    template = _template(diagnoses, out)
    screen.print(f"\nAge, sex and entitlement are not in claims. Fill in {template}, then run:")
    screen.print(f"  make demo EOB={eob} MEMBERS={template} YEAR={payment_year}")


def _invented(out: Path, plan: "Plan") -> tuple[Path, Path]:
    """Write the invented population and return its two files."""
    import pyarrow.parquet as pq

    from riskadj.sources.synthetic import draw_population

    model = [b.model for b in plan.books if "esrd_stage" not in b.profiles.axes][-1]
    population = draw_population(MEMBERS, SEED, "medicare", model)
    members, diagnoses = out / "members.parquet", out / "diagnoses.parquet"
    pq.write_table(population.members, members)
    pq.write_table(population.diagnoses, diagnoses)
    return members, diagnoses


def _template(diagnoses: Any, out: Path) -> Path:
    """Write a members file with the ids of the claims to fill in; one that is there stays."""
    import pyarrow as pa
    import pyarrow.csv as csv

    ids = diagnoses["member_id"].unique()
    columns = {name: pa.array([""] * len(ids)) for name in TEMPLATE}
    path = out / "members.csv"
    if path.exists():
        return path
    path.touch(mode=0o600)
    csv.write_csv(pa.table({"member_id": ids, **columns}), path)
    return path


def _score(
    sources: tuple[Any, Any],
    out: Path,
    plan: "Plan",
    options: Any,
    unread: Sequence[tuple[int, str]] = (),
) -> None:
    from riskadj.cli.console import heading, progress
    from riskadj.cli.console import out as screen
    from riskadj.scoring.sink import Outputs, score_to_files

    outputs = Outputs(out / "scores.parquet", out / "factors.parquet", out / "statuses.parquet",
                      out / "rejected.csv", out / "quality.json")  # fmt: skip
    with progress(quiet=False) as report:
        quality = score_to_files(plan, sources, outputs, options, report, unread)
    heading(
        f"\n{quality.members_scored:,} members scored, "
        f"{quality.diagnoses:,} diagnosis rows read, "
                 f"{quality.diagnoses_mapped:,} mapped to a payment condition")  # fmt: skip
    _print_summary(outputs.scores)
    _explain_one(sources, outputs.scores, plan)
    heading("\nFiles")
    for path in outputs.written():
        screen.print(f"  {path}")


def _print_summary(scores: Path) -> None:
    """Print members, mean scores and conditions by model and segment."""
    from rich.table import Table

    from riskadj.cli.console import out as screen
    from riskadj.connection import connect

    table = Table(box=None, title="Scores by segment", title_justify="left")
    table.add_column("model", no_wrap=True)
    table.add_column("segment", no_wrap=True)
    for name in ("members", "mean raw score", "mean payment score", "conditions a member"):
        table.add_column(name, justify="right")
    with connect() as connection:
        connection.read_parquet(str(scores)).create_view("scores")
        rows = connection.execute(
            "select model, coalesce(segment, 'blend'), count(*), avg(raw_score), "
            "avg(payment_score), avg(len(conditions)) from scores group by 1, 2 order by 1, 3 desc"
        ).fetchall()
    for model, segment, n, *means in rows:
        shown = ("" if mean is None else f"{mean:.3f}" for mean in means)
        table.add_row(model, segment, f"{n:,}", *shown)
    screen.print(table)


def _explain_one(sources: tuple[Any, Any], scores: Path, plan: "Plan") -> None:
    """Explain the member with the most conditions among the first thousand."""
    from riskadj.cli.console import heading
    from riskadj.cli.explain import print_explanation
    from riskadj.connection import connect
    from riskadj.engine.inputs import rows_of_member
    from riskadj.scoring.plan import Options
    from riskadj.scoring.scorer import run

    with connect() as connection:
        connection.read_parquet(str(scores)).limit(1000).create_view("scores")
        rows = connection.execute(
            "select member_id::varchar from scores order by len(conditions) desc, 1 limit 1"
        ).fetchall()
    member_id = rows[0][0]
    heading(f"\nOne member, {member_id}")
    member, diagnoses = (
        rows_of_member(name, source, member_id)
        for name, source in zip(("members", "diagnoses"), sources, strict=True)
    )
    print_explanation(run(plan, member, diagnoses, Options()), plan, False)
