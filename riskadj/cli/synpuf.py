"""``riskadj synpuf``: CMS's DE-SynPUF, from raw files to R² in one command."""

from pathlib import Path
from typing import Annotated

import typer


def synpuf(
    folder: Annotated[Path, typer.Argument(help="Folder of the raw beneficiary files.")],
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Fit conditions of 2008 on payments of 2009 in DE-SynPUF; leave one sample out at a time.

    The file is synthetic by CMS's own hand: it exercises real layouts and sizes, and says nothing
    about accuracy on real members.

    Example: `riskadj synpuf data/synpuf`
    """
    from dataclasses import asdict

    from rich.table import Table

    from riskadj.cli.console import counts, heading, note, out, print_json, progress
    from riskadj.sources.synpuf import read_synpuf
    from riskadj.training.synpuf import fit_synpuf

    with progress(json) as report:
        report("reading", 0)
        data = read_synpuf(folder)
        report("fitting", len(data.sample))
        fit = fit_synpuf(data)
    if json:
        print_json({**asdict(fit), "sample_r2": fit.sample_r2.tolist(),
                    "counts": dict(data.counts)})  # fmt: skip
        return
    out.print(counts("Persons", dict(data.counts)))
    table = Table("term", "persons", "dollars a year", "predictive ratio", box=None,
                  title="Payments of 2009 by term (ratios out of sample)",
                  title_justify="left")  # fmt: skip
    for row in fit.terms:
        table.add_row(row.group, f"{row.n_members:,}", f"{fit.usd[row.group]:,.2f}",
                      f"{row.predictive_ratio:.3f}")  # fmt: skip
    out.print(table)
    shown = ", ".join(f"{row.predictive_ratio:.3f}" for row in fit.deciles)
    out.print(f"predictive ratios by decile of prediction, out of sample: {shown}")
    low, high = fit.sample_r2.min(), fit.sample_r2.max()
    heading(f"R2 {fit.r2:.4f} in sample, {fit.r2_left_out:.4f} leaving one of "
            f"{len(fit.sample_r2)} samples out ({low:.4f} to {high:.4f})")  # fmt: skip
    note(f"statistics sha256 {fit.statistics_sha256}")
