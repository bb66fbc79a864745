"""``riskadj prepare | train | validate | publish | signoff | verify | compare``: retraining."""

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

if TYPE_CHECKING:
    from riskadj.training.runs import Run
    from riskadj.validation.gates import Gate

EXIT_GATE = 5

SpecPath = Annotated[Path, typer.Argument(help="The retraining's spec, a .toml file.")]
Data = Annotated[
    Path | None, typer.Option(help="Folder that data paths are relative to; the spec's by default.")
]
RunFolder = Annotated[
    Path | None, typer.Option("--run", help="The run's folder; runs/<name> by default.")
]
Jobs = Annotated[int, typer.Option(min=1, help="Batches counted at the same time.")]
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]
Name = Annotated[str | None, typer.Option(help="Who decides.")]
Reason = Annotated[str | None, typer.Option(help="Why.")]
On = Annotated[dt.datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Date; today if not.")]


def prepare(
    spec: SpecPath,
    data: Data = None,
    run: RunFolder = None,
    on_error: Annotated[
        Literal["raise", "quarantine"],
        typer.Option(help="raise: stop at bad rows; quarantine: set them aside, counted."),
    ] = "raise",
    json: Json = False,
) -> None:
    """Read and check members, diagnoses and costs; write one prepared row a member.

    Example: `riskadj prepare specs/plan.toml --data data/2024`
    """
    from riskadj.cli.console import counts, out, print_json, progress
    from riskadj.training.runs import open_run
    from riskadj.training.runs import prepare as run_prepare

    opened = open_run(spec, data, run)
    with progress(json) as report:
        said = run_prepare(opened, on_error == "quarantine", report)
    if json:
        print_json(said)
        return
    for period in opened.periods:
        found = said[period]
        scoring = found["scoring"]
        out.print(counts(f"{period}: costs of {found['cost_year']}", {
            "members read": scoring["members"], **scoring["members_rejected"],
            "members without a cost row": found["members_without_costs"],
            "cost rows read (all years)": found["cost_rows"],
            **{f"cost rows set aside: {k}": n for k, n in found["costs_set_aside"].items()},
            "cost rows of unknown members": found["costs_of_unknown_members"],
            "diagnosis rows read": scoring["diagnoses"],
            "diagnosis rows mapped": scoring["diagnoses_mapped"],
            "members prepared": found["prepared"],
        }))  # fmt: skip
    out.print(f"wrote {opened.folder}")


def train(
    spec: SpecPath, data: Data = None, run: RunFolder = None, jobs: Jobs = 2, json: Json = False
) -> None:
    """Fit a prepared run: statistics, coefficients, intervals, trees, a draft model folder.

    Example: `riskadj train specs/plan.toml`
    """
    from rich.table import Table

    from riskadj.cli.console import note, out, print_json, progress
    from riskadj.training.pipeline import train as run_train
    from riskadj.training.runs import open_run

    opened = open_run(spec, data, run)
    with progress(json) as report:
        fitted = run_train(opened, jobs, report)
    if json:
        print_json({"model": str(opened.model), "lines": list(fitted.lines),
                    "denominator_usd": fitted.factors.denominator_cents / 100})  # fmt: skip
        return
    table = Table("segment", "members", "terms", "at zero", "binding", box=None)
    for f, n in zip(fitted.segments, fitted.statistics.total_members.sum(axis=0), strict=True):
        binding = str(int(f.solved.solution.binding.sum())) if f.solved else "published factors"
        table.add_row(f.segment, f"{n:,}", str(len(f.reduction.terms)),
                      str(f.status.count("at_zero")), binding)  # fmt: skip
    out.print(table)
    kinds = ("dropped", "keeps its published factor", "one term")
    said = {kind: sum(kind in line for line in fitted.lines) for kind in kinds}
    note(", ".join(f"{n} {kind}" for kind, n in said.items()) + ": named in fit.csv and the report")
    out.print(f"a score of 1 is ${fitted.factors.denominator_cents / 100:,.2f} a year")
    out.print(f"wrote {opened.model} (draft)")


def validate(
    spec: SpecPath,
    data: Data = None,
    run: RunFolder = None,
    jobs: Jobs = 2,
    override: Annotated[
        str | None, typer.Option(help="Your name: let the model pass although a gate fails.")
    ] = None,
    reason: Reason = None,
    on: On = None,
    json: Json = False,
) -> None:
    """Measure a trained run on members it was not fitted on, and hold it to its gates.

    Exit code 5: a gate failed. --override NAME --reason WHY lets it pass, on record.

    Examples
    --------
    - `riskadj validate specs/plan.toml`
    - `riskadj validate specs/plan.toml --override "A. Actuary" --reason "trend known, see memo 7"`
    """
    from riskadj.cli.console import print_json, progress
    from riskadj.errors import OptionError
    from riskadj.training.runs import open_run
    from riskadj.validation.validate import Override
    from riskadj.validation.validate import validate as run_validate

    if (override is None) != (reason is None) or (override is not None and not override.strip()):
        raise OptionError("an override needs a name and a reason: --override NAME --reason WHY")
    who = Override(override, reason or "", _day(on)) if override is not None else None
    opened = open_run(spec, data, run)
    with progress(json) as report:
        gates, metrics = run_validate(opened, jobs, who, report)
    if json:
        print_json({"gates": metrics["gates"], "model": str(opened.model)})
    else:
        _print_validation(opened, gates, metrics)
    if any(not g.passed for g in gates) and who is None:
        raise typer.Exit(EXIT_GATE)


def _day(on: dt.datetime | None) -> dt.date:
    return on.date() if on else dt.date.today()


def _print_validation(run: "Run", gates: "list[Gate]", metrics: dict[str, object]) -> None:
    from rich.table import Table

    from riskadj.cli.console import heading, out

    periods = metrics["periods"]
    assert isinstance(periods, dict)
    for name, period in periods.items():
        title = f"{name}: {period['members']:,} members; cost capped but for the first R2"
        table = Table("model", "R2", "R2 capped", "CPM", "MAE", "ratio", box=None, title=title,
                      title_justify="left")  # fmt: skip
        for model, found in period["models"].items():
            raw, capped = found["uncapped"], found["capped"]
            shown = [f"{v:.4f}" for v in (raw["r2"], capped["r2"], capped["cpm"])]
            table.add_row(model, *shown, f"{capped['mae_usd']:,.0f}",
                          f"{capped['predictive_ratio']:.3f}")  # fmt: skip
        out.print(table)
    table = Table("gate", "for", "found", "allowed", "", box=None, title="Gates",
                  title_justify="left")  # fmt: skip
    for gate in gates:
        mark = "passed" if gate.passed else "FAILED"
        table.add_row(gate.name, gate.whom, gate.value, gate.bound, mark,
                      style=None if gate.passed else "red")  # fmt: skip
    out.print(table)
    for p in cast("list[dict[str, float]]", metrics["promotions"]):
        verdict = "may replace" if p["promoted"] else "does not replace"
        out.print(f"{p['model']} {verdict} the linear model: R2 gain at least "
                  f"{p['r2_gain_low']:+.4f}, worst group ${p['largest_gap_usd']:,.0f} off "
                  f"against ${p['linear_gap_usd']:,.0f}")  # fmt: skip
    failed = sum(not g.passed for g in gates)
    heading(f"{failed} of {len(gates)} gates failed" if failed else "all gates passed")
    out.print(f"wrote {run.model}")


def publish(
    spec: SpecPath,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write; `published` in the run's folder if not.")
    ] = None,
    data: Data = None,
    run: RunFolder = None,
    previous: Annotated[
        Path | None, typer.Option(help="An earlier version, for what changed.")
    ] = None,
    final: Annotated[
        bool, typer.Option("--final", help="Approve for use: needs --name, --reason, statements.")
    ] = False,
    name: Name = None,
    reason: Reason = None,
    on: On = None,
) -> None:
    """Write a validated run as a folder to read, score with and verify: card, report, seal.

    Examples
    --------
    - `riskadj publish specs/plan.toml --out models/trained/plan`
    - `riskadj publish specs/plan.toml --out plan --final --name "A. Actuary" --reason "board"`
    """
    from riskadj.cli.console import out as screen
    from riskadj.cli.console import progress
    from riskadj.errors import OptionError
    from riskadj.publication.publish import Approval
    from riskadj.publication.publish import publish as run_publish
    from riskadj.training.runs import open_run
    from riskadj.training.signoff import status_of

    if final and not (name and reason):
        raise OptionError("--final needs a name and a reason: --name NAME --reason WHY")
    approval = Approval(name or "", reason or "", _day(on)) if final else None
    opened = open_run(spec, data, run)
    with progress(quiet=False) as report:
        folder = run_publish(opened, out or opened.published, approval, previous, report)
    screen.print(f"wrote {folder} ({status_of(folder)})")
    screen.print(f"  read {folder / 'report.html'}; check it: riskadj verify {folder}")


def signoff(
    folder: Annotated[Path, typer.Argument(help="A published model folder.")],
    status: Annotated[Literal["approved", "retired"], typer.Option(help="What it becomes.")],
    name: Annotated[str, typer.Option(help="Who decides.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    on: On = None,
) -> None:
    """Approve or retire a published model, on record.

    Example: `riskadj signoff models/trained/plan --status retired --name "A. A." --reason "2027"`
    """
    from riskadj.publication.publish import sign

    event = sign(folder, status, name, reason, _day(on))
    typer.echo(f"{folder}: {event.status} by {event.who} on {event.when}")


def verify(
    folder: Annotated[
        Path, typer.Argument(help="A trained model's folder, or the spec of a published run.")
    ],
    run: RunFolder = None,
    statistics: Annotated[
        Path | None, typer.Option(help="The exact statistics, for who holds them (exact.npz).")
    ] = None,
    json: Json = False,
) -> None:
    """Solve a published fit again without seeing a member; exit code 5 if anything differs.

    Exact: from the full statistics, to the cent. Public: from the released ones, within a tenth of
    a standard error.

    Example: `riskadj verify models/trained/demo`
    """
    from dataclasses import asdict

    from rich.table import Table

    from riskadj.cli.console import heading, print_json
    from riskadj.cli.console import out as screen
    from riskadj.publication.verify import verify as run_verify
    from riskadj.training.runs import open_run

    published = open_run(folder, None, run).published if folder.suffix == ".toml" else folder
    checks = run_verify(published, statistics)
    if json:
        print_json([asdict(c) for c in checks])
    else:
        table = Table("level", "what", "found", "", box=None)
        for c in checks:
            table.add_row(c.level, c.what, c.detail, "holds" if c.passed else "DIFFERS",
                          style=None if c.passed else "red")  # fmt: skip
        screen.print(table)
        levels = dict.fromkeys(c.level for c in checks)
        for level in ("exact", "public"):
            if level not in levels:
                screen.print(f"{level}: no statistics for this level here; their hash is published")
        failed = sum(not c.passed for c in checks)
        heading(f"{failed} checks failed" if failed else "verified")
    if any(not c.passed for c in checks):
        raise typer.Exit(EXIT_GATE)


def compare(
    first: Annotated[str, typer.Argument(help="A model: a key, or a folder.")],
    second: Annotated[str, typer.Argument(help="The other.")],
    spec: Annotated[
        Path | None, typer.Option(help="A prepared run's spec: compare on its members too.")
    ] = None,
    data: Data = None,
    run: RunFolder = None,
    json: Json = False,
) -> None:
    """Compare two models: their factors, and with --spec their fit on the same members.

    Examples
    --------
    - `riskadj compare cms-hcc-v28/2026 models/trained/demo`
    - `riskadj compare models/trained/v1 models/trained/v2 --spec specs/plan.toml`
    """
    from rich.table import Table

    from riskadj.cli.console import heading, out, print_json, progress
    from riskadj.training.runs import open_run
    from riskadj.validation.compare import compare_factors, compare_on_members, open_model

    a, b = open_model(first), open_model(second)
    found = compare_factors(a, b)
    if spec is not None:
        with progress(json) as report:
            found["on_members"] = compare_on_members(open_run(spec, data, run), a, b, report)
    if json:
        print_json(found)
        return
    heading(f"{found['common']:,} factors in common; {found['only_first']:,} only in the first, "
            f"{found['only_second']:,} only in the second")  # fmt: skip
    out.print(f"largest change {found['largest']:.3f}, mean {found['mean']:.3f}, "
              f"rank correlation {found['spearman']:.3f}")  # fmt: skip
    table = Table("segment", "variable", "label", "first", "second", "change", box=None,
                  title="Largest changes", title_justify="left")  # fmt: skip
    for m in found["moves"]:
        table.add_row(m["segment"], m["variable"], m["label"], f"{m['before']:.3f}",
                      f"{m['after']:.3f}", f"{m['after'] - m['before']:+.3f}")  # fmt: skip
    out.print(table)
    if spec is not None:
        _print_difference(found["on_members"])


def _print_difference(found: dict[str, object]) -> None:
    from rich.table import Table

    from riskadj.cli.console import out

    title = f"Second minus first on {found['members']:,} members, cost capped, budgets equal"
    table = Table("measure", "difference", "95 % interval", box=None, title=title,
                  title_justify="left")  # fmt: skip
    for name, digits in (("r2", 4), ("cpm", 4), ("mae_usd", 0)):
        d = found[name]
        assert isinstance(d, dict)
        low, high = (f"{d[k]:+,.{digits}f}" for k in ("low", "high"))
        table.add_row(name, f"{d['estimate']:+,.{digits}f}", f"{low} to {high}")
    out.print(table)
