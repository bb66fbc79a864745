"""Options that the commands share, and how they are read."""

import datetime as dt
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from riskadj.errors import OptionError

if TYPE_CHECKING:
    from benchmarks.terms import Request

EXIT_DIFFERS = 5
"""A ledger does not replay."""

ProgramName = Annotated[str, typer.Argument(help="A program; `tcoc programs` lists them.")]
Year = Annotated[int, typer.Option(help="Performance year.")]
Files = Annotated[list[Path], typer.Option(help="CSV file; may be given more than once.")]
MoreFiles = Annotated[
    list[Path] | None, typer.Option(help="CSV file; may be given more than once.")
]
Terms = Annotated[Path | None, typer.Option(help="The program's terms, a .toml file.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="A term, as name=value.")]
KnownAt = Annotated[
    dt.datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="Use only what was known on this day; today if not."),
]
Proposed = Annotated[bool, typer.Option(help="Let proposed rules count as if they were final.")]
Out = Annotated[Path, typer.Option(help="Folder for ledger, tables and report.")]


def _ledger(path: Path) -> Path:
    return path / "ledger.json" if path.is_dir() else path


LedgerFile = Annotated[
    Path,
    typer.Argument(help="A ledger.json that target or settle wrote, or its folder.",
                   callback=_ledger),
]  # fmt: skip
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]


def request(
    year: int, known_at: dt.datetime | None, terms: Path | None, sets: list[str] | None,
    proposed: bool, parts: tuple[Any, ...],
) -> "Request":  # fmt: skip
    """Return what a run is asked, from the command's options."""
    from benchmarks.terms import Request

    day = known_at.date() if known_at else dt.date.today()
    return Request(year, day, read_terms(terms, sets), ("proposed",) if proposed else (), parts)


def read_terms(path: Path | None, sets: list[str] | None) -> dict[str, str]:
    """Read terms from a file and from ``name=value``; the latter win, and a blank is none.

    Raises
    ------
    OptionError
        The file is no TOML of plain values, or a term has no ``=``.
    """
    found: dict[str, str] = {}
    if path is not None:
        try:
            held = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise OptionError(f"{path.name}: {error}") from None
        nested = [k for k, v in held.items() if isinstance(v, (dict, list))]
        if nested:
            raise OptionError(f"{path.name}: {nested[0]} is no plain value")
        found |= {k: str(v) for k, v in held.items()}
    for term in sets or []:
        name, sign, value = term.partition("=")
        if not sign:
            raise OptionError(f"--set takes name=value, not {term!r}")
        found[name.strip()] = value.strip()
    return {k: v for k, v in found.items() if v}
