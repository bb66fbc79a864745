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
