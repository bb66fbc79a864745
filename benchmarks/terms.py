"""What is asked of a program: the year, the day, and the terms that whoever runs it sets."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.policy import Status
from benchmarks.program import Index, Option, Part, Program
from benchmarks.series import list_series
from benchmarks.tables import Missing, read_number
from riskadj.errors import OptionError


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a program.

    Attributes
    ----------
    year
        Performance year.
    known_at
        Only what was known on this day is used.
    terms
        Option to value, as text.
    accept
        Statuses besides the ordinary ones: ``proposed``.
    parts
        Which parts are computed.
    """

    year: int
    known_at: dt.date
    terms: Mapping[str, str] = field(default_factory=dict)
    accept: tuple[Status, ...] = ()
    parts: tuple[Part, ...] = ("target",)


def read_options(program: Program, request: Request) -> dict[str, Any]:
    """Check and read the terms a run was given.

    Raises
    ------
    OptionError
        A term is unknown, missing, or has a value that it cannot have. There are no defaults.
    """
    specs = program.sheet.options
    unknown = sorted(set(request.terms) - set(specs))
    if unknown:
        raise OptionError(f"{program.name} has no term {unknown[0]!r}. "
                          f"It has: {', '.join(specs) or 'none'}")  # fmt: skip
    wanted = [n for n, s in specs.items() if is_needed(s, request.terms)
              and (s.of is None or s.of in request.parts)]  # fmt: skip
    missing = [n for n in wanted if n not in request.terms]
    if missing:
        said = "".join(f"\n  {n} = {choices(specs[n])}: {specs[n].about}" for n in missing)
        few = f"{len(missing)} more term{'s' * (len(missing) > 1)}"
        raise OptionError(f"{program.name} needs {few}, by --terms or --set:{said}")
    return {n: _read_option(n, specs[n], str(request.terms[n])) for n in wanted}


def is_needed(spec: Option | Index, terms: Mapping[str, str]) -> bool:
    """Tell whether the other terms make a term or index be read."""
    return all(str(terms.get(other)) in values for other, values in spec.when.items())


def choices(spec: Option) -> str:
    """Return what a term may be, in words."""
    if spec.kind == "series":
        return " | ".join(list_series())
    return " | ".join(spec.one_of) or spec.kind


def _read_option(name: str, spec: Option, text: str) -> Any:
    if spec.one_of and text not in spec.one_of:
        raise OptionError(f"{name} is one of {', '.join(spec.one_of)}, not {text!r}")
    if spec.kind == "series" and text not in list_series():
        raise OptionError(f"{name}: no series {text!r}. There are: {', '.join(list_series())}")
    if spec.kind in ("choice", "series"):
        return text
    try:
        if spec.kind == "date":
            return dt.date.fromisoformat(text)
        value = int(text) if spec.kind == "year" else read_number(text)
    except ValueError:
        value = Missing("unreadable")
    if isinstance(value, Missing):
        raise OptionError(f"{name}: expected a {spec.kind}, not {text!r}")
    return _option_within_bounds(name, spec, value)


def _option_within_bounds(name: str, spec: Option, value: float) -> float:
    if spec.kind == "rate" and abs(value) > 1:
        raise OptionError(f"{name} is {value:g}: rates are fractions, write 0.05 for five per cent")
    if not spec.low <= value <= spec.high:
        raise OptionError(f"{name} is {value:g}, and lies between {spec.low:g} and {spec.high:g}")
    return value
