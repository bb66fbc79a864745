"""``riskadj sql``: a model as one SELECT."""

from pathlib import Path
from typing import Annotated

import typer


def sql(
    model: Annotated[str, typer.Argument(help="A key such as cms-hcc-v28/2026, or a folder.")],
    out: Annotated[
        Path | None, typer.Option(help="File to write; standard output if not given.")
    ] = None,
) -> None:
    """Write the whole model as one standalone SELECT for DuckDB.

    Example: `riskadj sql cms-hcc-v28/2026 --out score.sql`
    """
    from riskadj.catalog import resolve_model
    from riskadj.errors import OptionError
    from riskadj.scoring.sql import model_sql

    text = model_sql(resolve_model(Path(model) if Path(model).is_dir() else model))
    if out is None:
        typer.echo(text, nl=False)
    else:
        if not out.parent.is_dir() or out.is_dir():
            raise OptionError(f"cannot write {out}: no such folder, or it is one")
        temporary = out.with_name(f".{out.name}.part")
        temporary.write_text(text, encoding="utf-8", newline="\n")
        temporary.replace(out)
        typer.echo(f"wrote {out}")
