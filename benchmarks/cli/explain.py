"""``tcoc explain``: one number, down to its inputs."""

from typing import Annotated

import typer

from benchmarks.cli.options import LedgerFile


def explain(
    node: Annotated[str, typer.Argument(help="A number, such as earned_usd[A1001].")],
    ledger: LedgerFile,
    depth: Annotated[int | None, typer.Option(min=0, help="Levels to go down; all if not.")] = None,
) -> None:
    """Print a number's formula with its numbers and citation, down to the inputs.

    Examples
    --------
    - `tcoc explain "earned_usd[A1001]" settled/ledger.json`
    - `tcoc explain target_pmpm_usd target/ledger.json --depth 1`
    """
    from benchmarks.explain import explain as explained
    from benchmarks.ledger import read_ledger
    from riskadj.cli.console import out

    for line in explained(read_ledger(ledger), node, depth):
        out.print(str(line))
