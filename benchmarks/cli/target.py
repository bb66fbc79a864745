"""``tcoc target``: from a baseline to a target."""

from benchmarks.cli.options import Files, KnownAt, Out, ProgramName, Proposed, Set, Terms, Year


def target(
    program: ProgramName,
    baseline: Files,
    year: Year,
    out: Out,
    terms: Terms = None,
    set_: Set = None,
    known_at: KnownAt = None,
    proposed: Proposed = False,
) -> None:
    """Compute targets per entity and stratum, with waterfall, ledger and report.

    Examples
    --------
    - `tcoc target gdp-cap --baseline base.csv --baseline trend.csv --year 2024
      --terms terms.toml --out target`
    - `tcoc target state-target --baseline tme.csv --year 2023 --set state=DE --set rule=published
      --out de`
    """
    from benchmarks.cli.options import request
    from benchmarks.cli.running import run_and_write

    asked = request(year, known_at, terms, set_, proposed, ("target",))
    run_and_write(program, baseline, asked, out)
