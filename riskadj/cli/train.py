"""``riskadj train``: fit a prepared run."""

from riskadj.cli.retraining import Data, Jobs, Json, RunFolder, SpecPath


def train(
    spec: SpecPath, data: Data = None, run: RunFolder = None, jobs: Jobs = 2, json: Json = False
) -> None:
    """Fit a prepared run: statistics, coefficients, intervals, trees, a draft model folder.

    Example: `riskadj train specs/plan.toml`
    """
    from rich.table import Table

    from riskadj.cli.console import note, out, print_json, progress
    from riskadj.training.runs import open_run
    from riskadj.training.train import train as run_train

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
    status = [s for f in fitted.segments for s in f.status]
    kinds = ("fitted", "at_zero", "equal", "merged", "pooled", "published", "dropped", "fixed")
    said = [f"{status.count(kind):,} {kind.replace('_', ' ')}" for kind in kinds if kind in status]
    note(f"factors: {', '.join(said)}; each is named in fit.csv and the report")
    out.print(f"a score of 1 is ${fitted.factors.denominator_cents / 100:,.2f} a year")
    out.print(f"wrote {opened.model} (draft)")
