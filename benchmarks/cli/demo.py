"""``tcoc demo``: from invented claims to a report, in one command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from benchmarks.prepare import Prepared


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the files.")] = Path("demo/tcoc"),
) -> None:
    """Invent members, claims and attribution; score, prepare, set a target, settle, report.

    The members are invented: the numbers say nothing about real people.

    Examples
    --------
    - `tcoc demo --out demo/tcoc`
    """
    import datetime as dt

    from benchmarks.cli.running import files, say, write_run
    from benchmarks.demo import TERMS, TREND, YEAR, write_sources, write_trend
    from benchmarks.layouts import read_files
    from benchmarks.prepare import prepare, write_prepared
    from benchmarks.program import load_program
    from benchmarks.run import run
    from benchmarks.terms import Request
    from riskadj.cli.console import counts, progress
    from riskadj.cli.console import out as screen

    out.mkdir(parents=True, exist_ok=True)
    with progress(quiet=False) as report:
        sources, plan = write_sources(out, report)
        report("preparing", 0)
        prepared = prepare(sources, plan)
        baseline, people = write_prepared(prepared, out)
        trend = write_trend(sorted({r["stratum"] for r in prepared.baseline}), out / "trend.csv")
        request = Request(YEAR, dt.date.today(), TERMS, parts=("target", "settle"))
        record = run(load_program("gdp-cap"), read_files([baseline, trend]), request).record()
        report("writing", 0)
        written = write_run(record, out, _extras(record, prepared, people, TREND))
    screen.print(counts("Members", prepared.counts))
    say(record)
    files([baseline, people, trend, *written])
    screen.print(f'\nNext: tcoc explain "settlement_usd[ACO-01]" {out / "ledger.json"}')


def _extras(record: dict[str, Any], prepared: "Prepared", people: Path, trend: float) -> Any:
    """Return what the report shows besides the ledger."""
    from benchmarks.demo import BASELINE_YEAR, YEAR
    from benchmarks.equity import equity_rows
    from benchmarks.report import Extras, Series, TargetPath

    sums: dict[str, float] = {}
    for node in record["nodes"]:
        if node["id"] in ("baseline_usd", "members_usd", "risk_usd", "target_usd", "actual_usd"):
            sums[node["id"]] = sum(v for v in node["values"] if v is not None)
    months = sum(r["performance_member_months"] or 0 for r in prepared.baseline)
    start = sums["members_usd"] / months
    ends = {k: sums[k] / months for k in ("risk_usd", "target_usd", "actual_usd")}
    path = TargetPath(
        years=(BASELINE_YEAR, YEAR), unit="usd_pmpm",
        caption=f"The trend assumed is {trend:.1%}; members of {YEAR} at the cost of "
                f"{BASELINE_YEAR} are the start of all lines.",
        lines=(Series("trend and risk, uncapped", (start, ends["risk_usd"]), "other"),
               Series("target", (start, ends["target_usd"]), "target"),
               Series("actual", (start, ends["actual_usd"]), "actual")),
    )  # fmt: skip
    return Extras(equity=equity_rows(record, people), path=path, exhibits=prepared.exhibits)
