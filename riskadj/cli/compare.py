"""``riskadj compare``: two models, factor by factor and on the same members."""

from pathlib import Path
from typing import Annotated

import typer

from riskadj.cli.retraining import Data, Json, RunFolder


def compare(
    first: Annotated[str, typer.Argument(help="A model: a key, or a folder.")],
    second: Annotated[str, typer.Argument(help="The other.")],
    spec: Annotated[
        Path | None, typer.Option(help="A prepared run's spec: compare on its members too.")
    ] = None,
    data: Data = None,
    run: RunFolder = None,
    json: Json = False,
) -> None:
    """Compare two models: their factors, and with --spec their fit on the same members.

    Examples
    --------
    - `riskadj compare cms-hcc-v28/2026 models/trained/demo`
    - `riskadj compare models/trained/v1 models/trained/v2 --spec specs/plan.toml`
    """
    from rich.table import Table

    from riskadj.cli.console import heading, out, print_json, progress
    from riskadj.training.runs import open_run
    from riskadj.validation.compare import compare_factors, compare_on_members, open_model

    a, b = open_model(first), open_model(second)
    found = compare_factors(a, b)
    if spec is not None:
        with progress(json) as report:
            found["on_members"] = compare_on_members(open_run(spec, data, run), a, b, report)
    if json:
        print_json(found)
        return
    heading(f"{found['common']:,} factors in common; {found['only_first']:,} only in the first, "
            f"{found['only_second']:,} only in the second")  # fmt: skip
    out.print(f"largest change {found['largest']:.3f}, mean {found['mean']:.3f}, "
              f"rank correlation {found['spearman']:.3f}")  # fmt: skip
    table = Table("segment", "variable", "label", "first", "second", "change", box=None,
                  title="Largest changes", title_justify="left")  # fmt: skip
    for m in found["moves"]:
        table.add_row(m["segment"], m["variable"], m["label"], f"{m['before']:.3f}",
                      f"{m['after']:.3f}", f"{m['after'] - m['before']:+.3f}")  # fmt: skip
    out.print(table)
    if spec is not None:
        _print_difference(found["on_members"])


def _print_difference(found: dict[str, object]) -> None:
    from rich.table import Table

    from riskadj.cli.console import out

    title = f"Second minus first on {found['members']:,} members, cost capped, budgets equal"
    table = Table("measure", "difference", "95 % interval", box=None, title=title,
                  title_justify="left")  # fmt: skip
    for name, digits in (("r2", 4), ("cpm", 4), ("mae_usd", 0)):
        d = found[name]
        assert isinstance(d, dict)
        low, high = (f"{d[k]:+,.{digits}f}" for k in ("low", "high"))
        table.add_row(name, f"{d['estimate']:+,.{digits}f}", f"{low} to {high}")
    out.print(table)
