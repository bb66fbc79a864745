"""The command's root."""

import typer

from benchmarks.cli import (
    demo,
    diff,
    explain,
    prepare,
    programs,
    project,
    replay,
    report,
    series,
    settle,
    target,
)
from riskadj.cli.app import run_command

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="""Total-cost-of-care targets and settlements, every number traceable to its rule.

Examples:

- `tcoc programs`, `tcoc programs gdp-cap`
- `tcoc target gdp-cap --baseline base.csv --year 2024 --terms terms.toml --out target`
- `tcoc settle mssp --results py2023_aco_results.csv --year 2023 --out settled`
- `tcoc explain "earned_usd[A1001]" settled/ledger.json`
- `tcoc replay settled/ledger.json`

Exit codes: 0 done, 1 internal error, 2 wrong use, 3 invalid data, 4 not published, 5 a ledger does
not replay.""",
)
app.command("programs")(programs.programs)
app.command("series")(series.series)
app.command("prepare")(prepare.prepare)
app.command("target")(target.target)
app.command("settle")(settle.settle)
app.command("project")(project.project)
app.command("explain")(explain.explain)
app.command("replay")(replay.replay)
app.command("diff")(diff.diff)
app.command("report")(report.report)
app.command("demo")(demo.demo)


def main() -> None:
    """Run the command; errors end with their message and exit code."""
    run_command(app)
