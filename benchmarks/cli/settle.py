"""``tcoc settle``: who owes whom."""

from benchmarks.cli.options import (
    Files,
    KnownAt,
    MoreFiles,
    Out,
    ProgramName,
    Proposed,
    Set,
    Terms,
    Year,
)


def settle(
    program: ProgramName,
    results: Files,
    year: Year,
    out: Out,
    baseline: MoreFiles = None,
    terms: Terms = None,
    set_: Set = None,
    known_at: KnownAt = None,
    proposed: Proposed = False,
) -> None:
    """Settle a performance year: results against target, per entity.

    CMS's public use files are read as published. With --baseline the target is computed in the same
    run; without it the results file carries the benchmark.

    Examples
    --------
    - `tcoc settle mssp --results py2023_aco_results.csv --year 2023 --out settled`
    - `tcoc settle gdp-cap --results results.csv --baseline base.csv --year 2024
      --terms terms.toml --out settled`
    """
    from benchmarks.cli.options import request
    from benchmarks.cli.running import run_and_write

    parts = ("target", "settle") if baseline else ("settle",)
    asked = request(year, known_at, terms, set_, proposed, parts)
    run_and_write(program, [*results, *(baseline or [])], asked, out)
