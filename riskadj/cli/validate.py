"""``riskadj validate``: measure a trained run and hold it to its gates."""

from typing import TYPE_CHECKING, Annotated, cast

import typer

from riskadj.cli.retraining import (
    EXIT_GATE,
    Data,
    Jobs,
    Json,
    On,
    Reason,
    RunFolder,
    SpecPath,
    day_of,
)

if TYPE_CHECKING:
    from riskadj.training.runs import Run
    from riskadj.validation.gates import Gate


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

    if (override is None) != (reason is None):
        raise OptionError("an override needs a name and a reason: --override NAME --reason WHY")
    who = Override(override, reason or "", day_of(on)) if override is not None else None
    opened = open_run(spec, data, run)
    with progress(json) as report:
        gates, metrics = run_validate(opened, jobs, who, report)
    if json:
        print_json({"gates": metrics["gates"], "model": str(opened.model)})
    else:
        _print_validation(opened, gates, metrics)
    if any(not g.passed for g in gates) and who is None:
        raise typer.Exit(EXIT_GATE)


def _print_validation(run: "Run", gates: "list[Gate]", metrics: dict[str, object]) -> None:
    from rich.table import Table

    from riskadj.cli.console import heading, out

    periods = metrics["periods"]
    assert isinstance(periods, dict)
    for name, period in periods.items():
        capped = "; cost capped but for the first R2" if run.spec.target.cap_usd else ""
        title = f"{name}: {period['members']:,} members{capped}"
        table = Table("model", "R2", "R2 capped", "CPM", "MAE", "ratio", box=None, title=title,
                      title_justify="left")  # fmt: skip
        for model, found in period["models"].items():
            raw, fit = found["uncapped"], found["capped"]
            shown = [f"{raw['r2']:.4f}" if raw else "-"]
            shown += [f"{v:.4f}" for v in (fit["r2"], fit["cpm"])]
            label = f"{model} ({run.spec.fit.method})" if model == "linear" else model
            table.add_row(label, *shown, f"{fit['mae_usd']:,.0f}",
                          f"{fit['predictive_ratio']:.3f}")  # fmt: skip
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
