"""``riskadj signoff``: approve or retire a published model."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from riskadj.cli.retraining import On, day_of


def signoff(
    folder: Annotated[Path, typer.Argument(help="A published model folder.")],
    status: Annotated[Literal["approved", "retired"], typer.Option(help="What it becomes.")],
    name: Annotated[str, typer.Option(help="Who decides.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    on: On = None,
) -> None:
    """Approve or retire a published model, on record.

    Example: `riskadj signoff models/trained/plan --status retired --name "A. A." --reason "2027"`
    """
    from riskadj.publication.publish import sign

    event = sign(folder, status, name, reason, day_of(on))
    typer.echo(f"{folder}: {event.status} by {event.who} on {event.when}")
