"""Options that the retraining commands share."""

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

EXIT_GATE = 5
"""A gate failed, or a published fit does not verify."""

SpecPath = Annotated[Path, typer.Argument(help="The retraining's spec, a .toml file.")]
Data = Annotated[
    Path | None, typer.Option(help="Folder that data paths are relative to; the spec's by default.")
]
RunFolder = Annotated[
    Path | None, typer.Option("--run", help="The run's folder; runs/<name> by default.")
]
Jobs = Annotated[int, typer.Option(min=1, help="Batches counted at the same time.")]
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]
Name = Annotated[str | None, typer.Option(help="Who decides.")]
Reason = Annotated[str | None, typer.Option(help="Why.")]
On = Annotated[dt.datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Date; today if not.")]


def day_of(on: dt.datetime | None) -> dt.date:
    """Return the date given, or today."""
    return on.date() if on else dt.date.today()
