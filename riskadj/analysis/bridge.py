"""The score bridge: one population in two years, and what its mean raw score changed by.

Members are joined by id. With ``mean`` the mean raw score of a year in its own model,

    second mean = first mean + leavers + stayers' lines + joiners

- ``leavers``: the stayers' mean in the first year minus the first mean;
- ``joiners``: the second mean minus the stayers' mean in the second year.

The stayers' lines are sums over the stayers in integer thousandths, each the next step on the way
from a member's first score to the second:

- ``model_change``: all that is known of the first year, age included, scored by the second model
  instead of the first; zero where both are the same model;
- ``ageing``: the age of the second year, at the second model's reference date, instead of the
  first's;
- ``status_change``: all other facts of the second year (sex, entitlement, dual, long-term
  institutional, new enrollee, C-SNP, ESRD, low income), which may change the segment;
- ``conditions_lost``, ``conditions_new``: coefficients of the categories that the member's codes
  of only the first, or only the second, year leave after the hierarchies, at the second year's
  prices;
- ``conditions_kept``: zero, as nothing else moves any more; the members who kept a condition and
  what it is worth are in the table of conditions;
- ``interactions_and_counts``: their coefficients with the second year's codes minus with the
  first's;
- ``divisor``: what is left where the second model divides a segment's sum (ESRD V24); there only
  if it does.

So the order is fixed, and what two changes do together goes to the later one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from riskadj.analysis.parts import PartSum
from riskadj.analysis.rows import Row
from riskadj.analysis.sides import Side, caveats_of, sides_of
from riskadj.analysis.stayers import (
    KINDS,
    STEPS,
    Chunk,
    Read,
    Stayers,
    read_year,
    stayers_of,
)
from riskadj.analysis.stayers import Population as Population  # the first argument's kind
from riskadj.catalog import resolve_model
from riskadj.engine.duck import Quality
from riskadj.features.rulebook import compile_rulebook
from riskadj.scoring.plan import Options
from riskadj.scoring.raw import CHUNK

DEFAULTS = Options()


class Line(NamedTuple):
    """One line of the bridge.

    Attributes
    ----------
    members
        Of leavers and joiners all, of the others the stayers whose score it moves (for
        ``conditions_kept`` those who kept a condition).
    points
        Thousandths: the leavers' sum of scores in the first year, the joiners' in the second, and
        what a line adds to the stayers'.
    mean
        What the line adds to the mean.
    """

    name: str
    members: int
    points: int
    mean: Fraction


@dataclass(frozen=True, slots=True)
class ConditionMove:
    """Stayers who lost, gained or kept a condition of the second model.

    Attributes
    ----------
    lost, new, kept
        Members and points in thousandths: lost is below zero, kept is what it is worth.
    """

    condition: str
    label: str
    lost: PartSum
    new: PartSum
    kept: PartSum


@dataclass(frozen=True, slots=True)
class Year:
    """A year's population: members scored, the sum of their scores, and what was read."""

    model: str
    members: int
    points: int
    quality: Quality
    rejected: pa.Table

    @property
    def mean(self) -> Fraction:
        """The mean raw score."""
        return Fraction(self.points, 1000 * self.members)


@dataclass(frozen=True, slots=True)
class Bridge:
    """From the mean score of one year to that of the next.

    Attributes
    ----------
    stayers
        Members in both years.
    stayers_first, stayers_second
        Their sums of scores, in thousandths.
    lines
        In order; they add up to the change of the mean.
    kept
        How many conditions were kept, and their worth at the second year's prices.
    """

    first: Year
    second: Year
    stayers: int
    stayers_first: int
    stayers_second: int
    lines: tuple[Line, ...]
    kept: PartSum
    conditions: tuple[ConditionMove, ...]
    notes: tuple[str, ...]
    caveats: tuple[str, ...]

    @property
    def change(self) -> Fraction:
        """The second mean minus the first."""
        return self.second.mean - self.first.mean

    def rows(self) -> Iterator[Row]:
        """Yield both years, the stayers in each, every line and every condition."""
        yield Row("year", "first", "score", self.first.members, self.first.points)
        yield Row("year", "second", "score", self.second.members, self.second.points)
        yield Row("stayers", "first", "score", self.stayers, self.stayers_first)
        yield Row("stayers", "second", "score", self.stayers, self.stayers_second)
        for line in self.lines:
            yield Row("line", "", line.name, line.members, line.points)
        for c in self.conditions:
            for kind in KINDS:
                yield Row("condition", c.condition, kind, *getattr(c, kind))

    def as_json(self) -> dict[str, Any]:
        """Return it all as plain values: points as scores, means as decimal numbers."""
        years = (self.first, self.second)
        return {
            "models": [y.model for y in years], "members": [y.members for y in years],
            "mean": {"first": float(self.first.mean), "second": float(self.second.mean),
                     "change": float(self.change)},
            "stayers": {"members": self.stayers, "first": self.stayers_first / 1000,
                        "second": self.stayers_second / 1000},
            "lines": [{**n._asdict(), "points": n.points / 1000, "mean": float(n.mean)}
                      for n in self.lines],
            "kept": {"conditions": self.kept.members, "worth": self.kept.points / 1000},
            "conditions": [{"condition": c.condition, "label": c.label, **{
                k: {"members": getattr(c, k).members, "points": getattr(c, k).points / 1000}
                for k in KINDS}} for c in self.conditions],
            "quality": [asdict(y.quality) for y in years],
            "notes": list(self.notes), "caveats": list(self.caveats),
        }  # fmt: skip


def score_bridge(first: Population, second: Population, options: Options = DEFAULTS) -> Bridge:
    """Decompose the change of the mean raw score between two years of one population.

    Both years' members are held in memory, a row of a few words each.

    Raises
    ------
    NotPublishedError
        A model is not published.
    InputError
        A table cannot be read or breaks the contract, the ids are of two kinds, no member is in
        both years, or the second model has no segment for a stayer's status of the first year.
    """
    models = [resolve_model(p.model) for p in (first, second)]
    books = {m.key: compile_rulebook(m) for m in models}
    profiles, sides = sides_of([books[m.key] for m in models], (None, None))
    one = read_year("first", first, profiles, sides, options)
    two = read_year("second", second, profiles, sides[1:], options)
    at = stayers_of(one.table["member_id"], two.table["member_id"])
    tally = Stayers(profiles, sides)
    for start in range(0, len(at[0]), CHUNK):
        here, there = (places[start : start + CHUNK] for places in at)
        tally.add(Chunk(one, here), Chunk(two, there))
    return _bridge(tally, sides, (one, two))


def _bridge(tally: Stayers, sides: Sequence[Side], read: tuple[Read, Read]) -> Bridge:
    """Name the sums, having checked that they add up."""
    first, second = (
        Year(side.book.model.key, len(r.score), int(r.score.sum()), r.quality, r.rejected)
        for side, r in zip(sides, read, strict=True)
    )
    bridge = Bridge(
        first, second, tally.members, tally.before, tally.after,
        tuple(_lines(tally, first, second)),
        PartSum(int(tally.having[2].sum()), int(tally.worth[2].sum())),
        tuple(_moves(tally)), tuple(_notes(first, second)), caveats_of(sides),
    )  # fmt: skip
    if sum(line.mean for line in bridge.lines) != bridge.change:
        raise AssertionError("the lines do not add up to the change of the mean")
    return bridge


def _lines(tally: Stayers, first: Year, second: Year) -> Iterator[Line]:
    n, book = tally.members, tally.second.book
    yield Line("leavers", first.members - n, first.points - tally.before,
               Fraction(tally.before, 1000 * n) - first.mean)  # fmt: skip
    for name, moved, points in zip(STEPS, tally.moved, tally.points, strict=True):
        if name != "divisor" or book.model.divisors:
            yield Line(name, int(moved), int(points), Fraction(int(points), 1000 * n))
    yield Line("joiners", second.members - n, second.points - tally.after,
               second.mean - Fraction(tally.after, 1000 * n))  # fmt: skip


def _moves(tally: Stayers) -> Iterator[ConditionMove]:
    book = tally.second.book
    for bit in np.flatnonzero(tally.having.any(axis=0)):
        name = book.names[int(bit)]
        parts = [PartSum(int(tally.having[i, bit]), int(tally.worth[i, bit])) for i in range(3)]
        yield ConditionMove(name, book.model.labels.get(name, ""), *parts)


def _notes(first: Year, second: Year) -> Iterator[str]:
    for name, year in (("first", first), ("second", second)):
        yield from (f"{name} year: {text}" for text in year.quality.notes)
        if n := year.quality.members - year.quality.members_scored:
            yield f"{name} year: {n:,} members set aside count as absent"
