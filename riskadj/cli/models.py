"""``riskadj models``: what is published, what a model says, and sealing a folder."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True, help="List, show and seal models. Example: `riskadj models list`"
)

Json = Annotated[bool, typer.Option("--json", help="As JSON.")]


@app.command("list")
def list_(json: Json = False) -> None:
    """List the published models.

    Example: `riskadj models list --json`
    """
    from dataclasses import asdict

    from rich.table import Table

    from riskadj.catalog import list_models
    from riskadj.cli.console import out, print_json

    entries = list_models()
    if json:
        print_json([asdict(e) for e in entries])
        return
    table = Table("key", "title", "status", "sources", "unverified rules", box=None)
    for e in entries:
        table.add_row(e.key, e.title, e.status, str(e.sources), str(e.unverified))
    out.print(table)


@app.command("show")
def show(
    model: Annotated[str, typer.Argument(help="A key such as cms-hcc-v28/2026, or a folder.")],
    json: Json = False,
) -> None:
    """Show what a model is made of, its evidence and its coefficients.

    Example: `riskadj models show cms-hcc-v28/2026`
    """
    from dataclasses import asdict

    from riskadj.catalog import resolve_model
    from riskadj.cli.console import counts, heading, out, print_json

    found = resolve_model(Path(model) if Path(model).is_dir() else model)
    facts = asdict(found.facts)
    if json:
        print_json({"key": found.key, **facts})
        return
    heading(f"{found.facts.title} ({found.key}, {found.facts.release})")
    out.print(counts("", {
        "diagnosis codes": len({r.code for r in found.code_map}),
        "payment conditions": len(found.categories),
        "hierarchy pairs": len(found.hierarchy),
        "interactions": len(found.terms),
        "segments": len(found.segments),
        "coefficients": len(found.coefficients),
        "dollars of a score of 1": found.facts.denominator_usd or "not found",
    }))  # fmt: skip
    out.print(f"\nEvidence: {found.facts.evidence}")
    out.print(f"Age 64: {found.facts.age_64_rule}. {found.facts.age_64_evidence}")
    for caveat in found.facts.caveats:
        out.print(f"Caveat: {caveat}", style="yellow")
    _print_coefficients(found)


def _print_coefficients(model: object) -> None:
    from rich.table import Column, Table

    from riskadj.cli.console import out
    from riskadj.model import RiskModel

    assert isinstance(model, RiskModel)
    keys = [s.key for s in model.segments]
    columns: list[Column | str] = [Column("variable", no_wrap=True), "label", *keys]
    table = Table(*columns, box=None, pad_edge=False, title="Coefficients", title_justify="left")
    for name, label in model.labels.items():
        worth = [model.coefficients.get((k, name)) for k in keys]
        table.add_row(name, label, *("" if w is None else f"{w / 1000:.3f}" for w in worth))
    out.print(table)


@app.command("seal")
def seal(
    folder: Annotated[Path, typer.Argument(help="A model folder that you changed on purpose.")],
) -> None:
    """Check a model folder and rewrite its manifest after a deliberate change.

    Example: `riskadj models seal my-models/plan-v1`
    """
    from riskadj.features.rulebook import compile_rulebook
    from riskadj.folder import read_model
    from riskadj.manifest import resealed

    with resealed(folder) as written:
        compile_rulebook(read_model(folder, str(folder)))
    typer.echo(f"wrote {written}")
