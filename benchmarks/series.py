"""Series by vintage: what the economy did, as it was known on a day.

Growth is computed from levels of one vintage, never from a published change (a public file of US
GDP carries its changes one row early) and never across two vintages.
"""

import csv
import datetime as dt
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from riskadj.errors import InputError, NotPublishedError

SERIES = Path(__file__).parent / "series"
COLUMNS = ("period", "value", "vintage", "status", "source")
RowStatus = Literal["observed", "estimated", "projected", "unverified"]


class About(BaseModel):
    """What a series measures: every one of these is a choice that moves money.

    Attributes
    ----------
    kind
        ``level``, from which growth is computed, or ``growth``, published as such.
    prices
        ``nominal``, ``real`` or ``index`` (a price index).
    per
        ``total`` or ``capita``.
    year
        ``calendar`` or ``fiscal`` (October to September).
    rights
        Under which terms the figures may be used.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    title: str
    unit: str
    kind: Literal["level", "growth"]
    prices: Literal["nominal", "real", "index"]
    per: Literal["total", "capita"]
    year: Literal["calendar", "fiscal"]
    publisher: str
    rights: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    """One value of one vintage."""

    period: int
    value: float
    vintage: dt.date
    status: str
    source: str


@dataclass(frozen=True, slots=True)
class Growth:
    """A growth rate and where it came from."""

    value: float
    points: tuple[Point, ...]

    @property
    def status(self) -> str:
        """The least certain of its points' statuses."""
        order = ("observed", "estimated", "projected", "unverified")
        return max((p.status for p in self.points), key=order.index)

    @property
    def citation(self) -> str:
        """Source and vintage of the points."""
        said = {f"{p.source}, as of {p.vintage}" for p in self.points}
        return "; ".join(sorted(said))


@dataclass(frozen=True, slots=True)
class Series:
    """A series with all its vintages."""

    name: str
    about: About
    vintages: Mapping[dt.date, Mapping[int, Point]]

    def growth(self, period: int, known_at: dt.date, years: int = 1) -> Growth:
        """Return growth a year over the ``years`` that end with a period, known on a day.

        The newest vintage that covers the span is taken whole.

        Raises
        ------
        NotPublishedError
            No vintage known by then covers it.
        """
        if self.about.kind == "growth":
            return self._published(period, known_at, years)
        before, now = self.span(period - years, period, known_at)
        return Growth((now.value / before.value) ** (1 / years) - 1, (before, now))

    def path(
        self, start: int, periods: Sequence[int], known_at: dt.date, years: int
    ) -> list[Growth]:
        """Return growth a year over the ``years`` that end with each period, all of one vintage.

        Parameters
        ----------
        start
            The period before the first; with ``years`` above 1 the path reaches further back.

        Raises
        ------
        NotPublishedError
            No vintage known by then covers the whole path: growth of two vintages does not go
            together where a level was revised between them.
        """
        if self.about.kind == "growth":
            return [self._published(p, known_at, years) for p in periods]
        first = min(start, periods[0] - years)
        needed = range(first, periods[-1] + 1)
        known = [d for d in self.vintages if d <= known_at]
        whole = [d for d in known if all(p in self.vintages[d] for p in needed)]
        if not whole:
            what = f"{first} to {periods[-1]} together"
            raise NotPublishedError(self._missing(what, known, known_at))
        points = self.vintages[max(whole)]
        return [Growth((points[p].value / points[p - years].value) ** (1 / years) - 1,
                       (points[p - years], points[p])) for p in periods]  # fmt: skip

    def span(self, start: int, end: int, known_at: dt.date) -> tuple[Point, Point]:
        """Return the levels of two periods in the newest vintage that has both."""
        known = [d for d in self.vintages if d <= known_at]
        both = [d for d in known if start in self.vintages[d] and end in self.vintages[d]]
        if not both:
            raise NotPublishedError(self._missing(f"{start} and {end} together", known, known_at))
        points = self.vintages[max(both)]
        return points[start], points[end]

    def _published(self, period: int, known_at: dt.date, years: int) -> Growth:
        product, points = 1.0, []
        for year in range(period - years + 1, period + 1):
            known = [d for d, held in self.vintages.items() if d <= known_at and year in held]
            if not known:
                earlier = [d for d in self.vintages if d <= known_at]
                raise NotPublishedError(self._missing(str(year), earlier, known_at))
            points.append(self.vintages[max(known)][year])
            product *= 1 + points[-1].value
        return Growth(product ** (1 / years) - 1, tuple(points))

    def _missing(self, what: str, known: list[dt.date], known_at: dt.date) -> str:
        where = f"benchmarks/series/{self.name}.csv"
        if not known:
            first = min(self.vintages)
            return (
                f"{self.name} was not known on {known_at}: the first vintage is {first} ({where})"
            )
        held = sorted({p for d in known for p in self.vintages[d]})
        return (f"{self.name} has no {what} in a vintage known on {known_at}: it has {held[0]} to "
                f"{held[-1]}. Add rows with their vintage and source to {where}")  # fmt: skip


@cache
def load_series(name: str, folder: Path = SERIES) -> Series:
    """Read one series.

    Raises
    ------
    NotPublishedError
        There is no such series.
    InputError
        Its file is not whole.
    """
    index = tomllib.loads((folder / "index.toml").read_text(encoding="utf-8"))
    if name not in index:
        raise NotPublishedError(f"No series {name!r}. There are: {', '.join(sorted(index))}")
    try:
        about = About(**index[name])
    except ValidationError as error:
        raise InputError(f"benchmarks/series/index.toml: {name}: {error.errors()[0]}") from None
    vintages: dict[dt.date, dict[int, Point]] = {}
    path = folder / f"{name}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        if tuple(rows.fieldnames or ()) != COLUMNS:
            raise InputError(f"{path.name} needs the columns {', '.join(COLUMNS)}")
        for number, row in enumerate(rows, 2):
            point = _point(row, f"{path.name}, line {number}")
            held = vintages.setdefault(point.vintage, {})
            if point.period in held:
                raise InputError(f"{path.name}, line {number}: period and vintage stand twice")
            held[point.period] = point
    return Series(name, about, vintages)


def list_series(folder: Path = SERIES) -> list[str]:
    """Return the names of all series."""
    return sorted(tomllib.loads((folder / "index.toml").read_text(encoding="utf-8")))


def _point(row: Mapping[str, str], where: str) -> Point:
    try:
        vintage = dt.date.fromisoformat(row["vintage"])
        point = Point(
            int(row["period"]), float(row["value"]), vintage, row["status"], row["source"]
        )
    except (ValueError, TypeError):
        raise InputError(f"{where}: needs a year, a number and a vintage as YYYY-MM-DD") from None
    if point.status not in get_args(RowStatus) or not point.source:
        raise InputError(f"{where}: needs a status (observed, estimated, projected, unverified) "
                         "and a source")  # fmt: skip
    return point
