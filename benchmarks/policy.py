"""Parameters: one number with its history a file, each value dated, known since, cited."""

import datetime as dt
import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from riskadj.errors import InputError, NotPublishedError

PARAMETERS = Path(__file__).parent / "parameters"
Status = Literal["final", "administrative", "proposed", "unverified"]
"""final: in a rule or a published document that was read. administrative: decided by the agency
within a rule. proposed: not law. unverified: from memory or a secondary source; every output that
used one says so."""


class Value(BaseModel):
    """One value of a parameter.

    Attributes
    ----------
    governs_from, governs_to
        First and last day that the value governs; it holds for a performance year when it governs
        the year's first day. Written ``from`` and ``to``.
    known
        The day it became known: before it, nobody could have used it.
    source
        Document, section or page.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    governs_from: dt.date = Field(alias="from")
    governs_to: dt.date | None = Field(None, alias="to")
    known: dt.date
    status: Status
    value: Any
    source: str = Field(min_length=8)
    href: str = ""
    note: str = ""

    def governs(self, year: int) -> bool:
        """Tell whether the value is in force on a year's first day."""
        first = dt.date(year, 1, 1)
        return self.governs_from <= first and (self.governs_to is None or first <= self.governs_to)


class Parameter(BaseModel):
    """A number and its history, as a file of ``parameters/`` holds it.

    Attributes
    ----------
    unit
        ``1`` for a share, ``usd``, ``usd_pmpm``, ``members``, ``points``.
    keys
        What a table's values go by, outermost first; none for a plain number.
    adds_up_to
        What the values of an innermost table add up to: 1 for weights.
    values
        In no particular order.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    description: str = Field(min_length=10)
    unit: str
    keys: tuple[str, ...] = ()
    adds_up_to: float | None = None
    values: tuple[Value, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _rates_are_fractions(self) -> "Parameter":
        wrong = [v for v in self.values if self.unit == "1" and max(_leaves(v.value)) > 5]
        if wrong:
            raise ValueError("a share above 5 looks like a percentage: write 0.05 for 5 %")
        return self

    @model_validator(mode="after")
    def _weights_add_up(self) -> "Parameter":
        for value in self.values if self.adds_up_to is not None else ():
            wrong = [s for s in _sums(value.value) if abs(s - (self.adds_up_to or 0)) > 1e-9]
            if wrong:
                raise ValueError(f"adds up to {wrong[0]:g}, not to {self.adds_up_to:g}")
        return self

    def at(self, year: int, known_at: dt.date, accept: Sequence[Status] = ()) -> Value:
        """Return the value for a performance year, as it was known on a day.

        The value known last wins. Proposed values count only if ``accept`` names them.

        Raises
        ------
        NotPublishedError
            No value governs the year, or none was known by then.
        """
        where = f"benchmarks/parameters/{self.name}.toml"
        governs = [v for v in self.values if v.governs(year)
                   and (v.status != "proposed" or "proposed" in accept)]  # fmt: skip
        if not governs:
            first = min(v.governs_from for v in self.values)
            raise NotPublishedError(
                f"{self.name} has no value for {year}: the first governs from {first}. "
                f"Add the value and its source to {where}"
            )
        known = [v for v in governs if v.known <= known_at]
        if not known:
            first = min(v.known for v in governs)
            raise NotPublishedError(
                f"{self.name} for {year} was not known on {known_at}: first known {first} ({where})"
            )
        return max(known, key=lambda v: (v.known, v.governs_from))


def _sums(value: Any) -> list[float]:
    """Return the sum of each innermost table."""
    if isinstance(value, dict) and any(isinstance(v, dict) for v in value.values()):
        return [s for v in value.values() for s in _sums(v)]
    return [sum(value.values())] if isinstance(value, dict) else []


def _leaves(value: Any) -> list[float]:
    """Return a value's numbers; sizes and bounds of bands are not among them."""
    if isinstance(value, dict):
        return [leaf for v in value.values() for leaf in _leaves(v)] or [0.0]
    if isinstance(value, list):
        return [0.0, *(float(row[-1]) for row in value if isinstance(row, list))]
    return [float(value)] if isinstance(value, (int, float)) else [0.0]


@cache
def load_parameter(name: str, folder: Path = PARAMETERS) -> Parameter:
    """Read one file of ``parameters/``.

    Raises
    ------
    NotPublishedError
        There is no such parameter.
    InputError
        The file is not whole.
    """
    path = folder / f"{name}.toml"
    if not path.is_file():
        raise NotPublishedError(f"No parameter {name!r} in {folder.name}/: add {path.name}")
    try:
        return Parameter(name=name, **tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, ValidationError, TypeError) as error:
        raise InputError(f"benchmarks/parameters/{path.name}: {_said(error)}") from None


def list_parameters(folder: Path = PARAMETERS) -> list[str]:
    """Return the names of all parameters."""
    return sorted(path.stem for path in folder.glob("*.toml"))


def _said(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
    return str(error)
