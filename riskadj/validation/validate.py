"""``validate``: metrics of every model, then the gates; a failed one needs a name and a reason."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from riskadj.errors import OptionError
from riskadj.manifest import seal
from riskadj.training.archive import load_statistics
from riskadj.training.factors import project_normalization
from riskadj.training.runs import TRAIN, Progress, Run, check_trained, read_rows
from riskadj.training.signoff import add_event
from riskadj.training.train import metrics_text, rounded
from riskadj.validation.evaluate import evaluate, gather_periods, load_models
from riskadj.validation.gates import Gate, check_gates, promotions
from riskadj.validation.population import Population
from riskadj.validation.stability import year_on_year
from riskadj.validation.stress import coding_stress

METHODS: tuple[Literal["linear", "geometric"], ...] = ("linear", "geometric")


@dataclass(frozen=True, slots=True)
class Override:
    """Who lets a model pass although a gate failed, and why."""

    name: str
    reason: str
    when: dt.date


def validate(
    run: Run, jobs: int, override: Override | None, progress: Progress
) -> tuple[list[Gate], dict[str, Any]]:
    """Measure a trained run, hold it to its gates, and record the outcome in its draft model.

    Returns
    -------
    gates
    metrics
        As ``metrics.json`` holds them.

    Raises
    ------
    OptionError
        The run is not prepared and trained.
    """
    if override is not None and not (override.name.strip() and override.reason.strip()):
        raise OptionError("an override needs a name and a reason")
    metrics = check_trained(run)
    book, spec = run.book(), run.spec
    models = load_models(run, book)
    periods = gather_periods(run, models)
    metrics |= rounded(evaluate(periods, spec, progress))
    metrics["normalization"] = _normalization(run, periods, metrics["fit"]["denominator_usd"])
    if spec.out_of_time:
        progress("fitting the later year", 0)
        metrics["year_on_year"] = year_on_year(run, load_statistics(run.statistics), jobs)
    progress("adding codes", 0)
    which = "test" if spec.data.test_share else "train"
    stress = coding_stress(read_rows(run, TRAIN, which), models, spec.seed)
    metrics["coding_stress"] = [asdict(s) for s in stress]
    gates = check_gates(metrics, spec)
    metrics["gates"] = [asdict(g) for g in gates]
    metrics["promotions"] = [asdict(p) for p in promotions(metrics, spec)]
    metrics = rounded(metrics)
    (run.model / "metrics.json").write_bytes(metrics_text(metrics))
    _record(run, gates, override)
    seal(run.model)
    return gates, metrics


def _normalization(
    run: Run, periods: Mapping[str, Population], denominator_usd: float
) -> dict[str, Any]:
    """Return mean raw scores by cost year, and what they project for the payment year."""
    years = {"train": run.spec.data.cost_year}
    trend = 1.0
    if run.spec.out_of_time:
        years["out_of_time"] = run.spec.out_of_time.cost_year
        trend = run.spec.out_of_time.trend
    scores = {}
    for name, year in years.items():
        w, p = periods[name].weight, periods[name].predicted["linear"]
        scores[year] = float((w * p).sum() / w.sum() / denominator_usd)
        scores[year] /= trend if name == "out_of_time" else 1.0
    projected = {
        method: project_normalization(scores, run.spec.payment_year, method)
        for method in METHODS if len(scores) > 1
    }  # fmt: skip
    return {"payment_year": run.spec.payment_year, "projected": projected,
            "mean_scores": {str(year): score for year, score in scores.items()}}  # fmt: skip


def _record(run: Run, gates: list[Gate], override: Override | None) -> None:
    (run.model / "signoff.toml").unlink(missing_ok=True)
    failed = [g for g in gates if not g.passed]
    if not failed:
        add_event(run.model, "validated", "gates", run.spec.dated, "all gates passed")
    elif override is not None:
        over = "; ".join(f"{g.name} ({g.whom}): {g.value}, allowed {g.bound}" for g in failed)
        reason = f"{override.reason.strip()} [overridden: {over}]"
        add_event(run.model, "validated", override.name, override.when, reason)
