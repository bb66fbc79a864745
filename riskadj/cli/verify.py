"""``riskadj verify``: solve a published fit again."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from riskadj.cli.retraining import EXIT_GATE, Json, RunFolder

if TYPE_CHECKING:
    from riskadj.publication.verify import Check


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

    from riskadj.cli.console import heading, note, print_json
    from riskadj.cli.console import out as screen
    from riskadj.errors import OptionError
    from riskadj.publication.verify import verify as run_verify
    from riskadj.training.runs import open_run

    published = open_run(folder, None, run).published if folder.suffix == ".toml" else folder
    if not (published / "manifest.json").is_file():
        raise OptionError(f"{published} is no published model: run `riskadj publish`, or name one")
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
        heading(_verdict(checks))
        note("metrics on members and intervals cannot be solved again without the members")
    if any(not c.passed for c in checks):
        raise typer.Exit(EXIT_GATE)


def _verdict(checks: "list[Check]") -> str:
    if failed := sum(not c.passed for c in checks):
        return f"{failed} of {len(checks)} checks failed"
    solved = {c.level for c in checks} & {"exact", "public"}
    return "verified" if solved else "the files agree; there were no statistics to solve from"
