"""``riskadj publish``: a validated run as a folder to read, score with and verify."""

from pathlib import Path
from typing import Annotated

import typer

from riskadj.cli.retraining import Data, Name, On, Reason, RunFolder, SpecPath, day_of


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
    approval = Approval(name or "", reason or "", day_of(on)) if final else None
    opened = open_run(spec, data, run)
    with progress(quiet=False) as report:
        folder = run_publish(opened, out or opened.published, approval, previous, report)
    screen.print(f"wrote {folder} ({status_of(folder)})")
    screen.print(f"  read {folder / 'report.html'}; check it: riskadj verify {folder}")
