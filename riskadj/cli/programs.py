"""``riskadj programs``: which programs pay by risk scores, and by which values."""

from typing import Annotated

import typer


def programs(
    name: Annotated[str | None, typer.Argument(help="A program, such as pace.")] = None,
    payment_year: Annotated[int | None, typer.Argument(help="A payment year of it.")] = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List the payment programs; with a name and year, the values of one and what it asks of you.

    Examples
    --------
    - `riskadj programs`
    - `riskadj programs mssp 2026`
    """
    from riskadj.errors import NotPublishedError
    from riskadj.scoring.payment import payers, years_of

    if name is not None and name not in payers():
        raise NotPublishedError(f"No program {name!r}. There are: {', '.join(payers())}")
    if name is None or payment_year is None:
        _list({p: years_of(p) for p in ([name] if name else payers())}, json)
        return
    if payment_year not in years_of(name):
        known = ", ".join(map(str, years_of(name)))
        raise NotPublishedError(f"No payment rules for {name!r} {payment_year}. Known: {known}")
    _show(name, payment_year, json)


def _list(years: dict[str, list[int]], as_json: bool) -> None:
    from rich.table import Table

    from riskadj.cli.console import out, print_json

    if as_json:
        print_json(years)
        return
    table = Table("program", "payment years", box=None, pad_edge=False)
    for program, there in years.items():
        table.add_row(program, ", ".join(map(str, there)))
    out.print(table)


def _show(name: str, payment_year: int, as_json: bool) -> None:
    from dataclasses import asdict

    from rich.table import Table

    from riskadj.cited import Cited
    from riskadj.cli.console import heading, out, print_json
    from riskadj.scoring.payment import SUPPLIED, asked_of_user, load_payment_year

    asked = asked_of_user(name, payment_year)
    filled = {n: Cited(f"your {n}", what, SUPPLIED) for n, what in asked.items()}
    year = load_payment_year(name, payment_year, filled)
    if as_json:
        print_json({**asdict(year), "asked_of_you": asked})
        return
    heading(f"{year.key}: {', '.join(year.component_steps)}")
    out.print(year.evidence)
    table = Table("model", "when", "value", "", "evidence", "source", box=None, pad_edge=False)
    for component in year.components:
        head = (component.model, component.when or "everybody")
        for what, cited in component.cited.items():
            value = ", ".join(cited.value) if isinstance(cited.value, list) else str(cited.value)
            table.add_row(*head, what.replace("_", " "), value or "all", cited.evidence,
                          cited.source)  # fmt: skip
            head = ("", "")
    head = ("paid months", "")
    for what, cited in year.month_rules.items():
        table.add_row(*head, what.replace("_", " "), cited.value or "none", cited.evidence,
                      cited.source)  # fmt: skip
        head = ("", "")
    out.print(table)
    heading("\nAsked of you (--parameters)")
    for n, what in asked.items():
        out.print(f'  {n} = {{ value = "", source = "" }}    # {what}')
