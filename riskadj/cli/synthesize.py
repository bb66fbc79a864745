"""``riskadj synthesize``: write an invented population whose true cost is known."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer


def synthesize(
    out: Annotated[Path, typer.Option(help="Folder for the files.")],
    members: Annotated[int, typer.Option(help="How many members, of three years together.")],
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")],
    preset: Annotated[str, typer.Option(help="medicare or adults.")] = "medicare",
    model: Annotated[
        str, typer.Option(help="Model whose payment categories are the conditions.")
    ] = "cms-hcc-v28/2026",
    first_year: Annotated[
        int, typer.Option(min=1970, max=2100, help="First of the three years.")
    ] = 2023,
    overwrite: Annotated[bool, typer.Option(help="Replace a population that is there.")] = False,
) -> None:
    """Invent three years of members, diagnoses and cost to train and test models on.

    What each member-year is expected to cost is known, and written apart in truth.parquet.

    Examples
    --------
    - `riskadj synthesize --members 200000 --seed 7 --preset medicare --out population`
    - `riskadj synthesize --members 60000 --seed 1 --preset adults --out adults --overwrite`
    """
    import json

    from riskadj.catalog import resolve_model
    from riskadj.cli.console import heading, progress
    from riskadj.cli.console import out as screen
    from riskadj.sources.synthetic import HEAD, write_population

    _refuse_existing(out, first_year, overwrite)
    with progress(quiet=False) as report:
        written = write_population(
            out, members, seed, preset, resolve_model(model), first_year, report
        )
    head = json.loads(written.read_text(encoding="utf-8"))
    _print_moments(head)
    screen.print(f"\nUnder-coded group: {head['undercoded_group']}")
    heading("\nFiles")
    for name in (*head["files"], HEAD):
        screen.print(f"  {out / name}")


def _refuse_existing(out: Path, first_year: int, overwrite: bool) -> None:
    from riskadj.errors import OptionError
    from riskadj.sources.synthetic import HEAD, population_files

    there = [name for name in (HEAD, *population_files(first_year)) if (out / name).exists()]
    if there and not overwrite:
        raise OptionError(
            f"{out} holds a population already ({there[0]}): name another folder, or --overwrite"
        )


def _print_moments(head: Mapping[str, Any]) -> None:
    """Print target and achieved moments side by side."""
    from rich.table import Table

    from riskadj.cli.console import out as screen

    table = Table(
        box=None, title=f"{head['members']:,} invented members: {head['title']}",
        title_justify="left",
    )  # fmt: skip
    table.add_column("moment", no_wrap=True)
    for name in ("target", "achieved", "off by"):
        table.add_column(name, justify="right")
    targets = {row["moment"]: row["value"] for row in head["targets"]}
    for name, achieved in head["achieved"].items():
        target = targets.get(name)
        off = "" if target is None else f"{achieved / target - 1:+.1%}"
        table.add_row(name, "" if target is None else f"{target:,}", f"{achieved:,}", off)
    screen.print(table)
