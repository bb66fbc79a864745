"""Two models on one population: what the change of the mean score is made of.

Every score is the sum of the same parts, in integer thousandths and in the member's own segment.
With ``gross`` the coefficients of all categories that a member has before the hierarchies (after
conditional code rows and the rules that drop categories), and ``net`` those that the hierarchies
leave:

- ``mapping``: gross of the categories that no code of the member supports which the other model
  maps too. A model maps a code that is in its code map, whatever the code means there;
- ``coefficients``: gross of the other categories, which both models see and price each in its way;
- ``hierarchy``: net minus gross;
- ``demographics``: the coefficients of the age-sex and status cells;
- ``interactions_and_counts``: the coefficients of interactions and payment counts;
- ``divisor``: what dividing the sum adds (ESRD V24, new enrollees with a functioning graft); there
  only if a model has a divisor;
- ``normalization``: payment score minus raw score, by the chain of the payment year's component
  that pays for the member; there only if a payment is asked for.

The part of a change is the second model's part minus the first's, so the parts add up to the
change for each member and each sum, exactly. What a condition adds to the first three is the same
sum over its members: the first model's conditions lose what they held, the second's gain it.

Both models score the same input: age at the second model's reference date, diagnoses (if they are
dated) of the year before the second model's payment year.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from riskadj.analysis.parts import PartSum
from riskadj.analysis.rows import Row
from riskadj.analysis.sides import PaidBy as PaidBy
from riskadj.analysis.sides import (
    Side,
    caveats_of,
    payments_of,
    reference_day,
    sides_of,
)
from riskadj.analysis.tally import OF_CONDITIONS, PARTS, Tally
from riskadj.catalog import resolve_model
from riskadj.connection import connect
from riskadj.engine.duck import Quality, Reduced, Request, reduce_members
from riskadj.engine.inputs import Source
from riskadj.engine.members import Asked
from riskadj.engine.words import Lane
from riskadj.errors import InputError, OptionError
from riskadj.features.rulebook import compile_rulebook
from riskadj.scoring.plan import Options, refused

SIDES = ("first", "second")
DEFAULTS = Options()

Sums = Mapping[str, PartSum]


@dataclass(frozen=True, slots=True)
class ConditionChange:
    """What a condition of one of the models adds to the change.

    Attributes
    ----------
    model
        ``first`` or ``second``.
    members
        Who have it counted, after the hierarchies.
    parts
        Members and points of mapping (who have it by codes of this model only), coefficients (the
        others) and hierarchy (whom a more severe condition takes it from). Points of the first
        model's conditions are what the change loses by them.
    """

    model: str
    condition: str
    label: str
    members: int
    parts: Sums

    @property
    def points(self) -> int:
        """What it adds to the change in all, in thousandths."""
        return sum(p.points for p in self.parts.values())


@dataclass(frozen=True, slots=True)
class SegmentChange:
    """The change of the members whom the models put into these segments."""

    first: str
    second: str
    members: int
    parts: Sums

    @property
    def name(self) -> str:
        """Such as ``CNA``, or ``CND -> CFD`` where the models differ."""
        return self.first if self.first == self.second else f"{self.first} -> {self.second}"

    @property
    def points(self) -> int:
        """The change of all of them, in thousandths."""
        return sum(p.points for p in self.parts.values())


@dataclass(frozen=True, slots=True)
class Comparison:
    """Why two models give one population different mean scores.

    Attributes
    ----------
    first, second
        The models' keys.
    payment
        The payment years whose scores are compared, one a model; empty for raw scores.
    members
        Who are scored by both; only they are in the sums.
    only_first, only_second
        Members whom only one of the models takes, by ESRD status.
    first_points, second_points
        Sums of scores, in thousandths.
    parts
        For each part the members whose score it moves, and its sum; they add up to the change.
    """

    first: str
    second: str
    payment: tuple[str, ...]
    members: int
    only_first: int
    only_second: int
    first_points: int
    second_points: int
    parts: Sums
    conditions: tuple[ConditionChange, ...]
    segments: tuple[SegmentChange, ...]
    quality: Quality
    notes: tuple[str, ...]
    caveats: tuple[str, ...]
    rejected: pa.Table

    def mean(self, points: int) -> Fraction:
        """Return the mean over the members in both of a sum of thousandths."""
        return Fraction(points, 1000 * self.members)

    @property
    def change(self) -> int:
        """The second model's sum of scores minus the first's, in thousandths."""
        return self.second_points - self.first_points

    def rows(self) -> Iterator[Row]:
        """Yield every part of the total, of each segment and of each condition."""
        yield from _group("total", "", self.members, self.change, self.parts)
        for s in self.segments:
            yield from _group("segment", s.name, s.members, s.points, s.parts)
        for c in self.conditions:
            yield from _group(f"{c.model} condition", c.condition, c.members, c.points, c.parts)

    def as_json(self) -> dict[str, Any]:
        """Return it all as plain values: points as scores, means as decimal numbers."""
        return {
            "models": [self.first, self.second], "payment": list(self.payment),
            "members": self.members, "only_first": self.only_first,
            "only_second": self.only_second,
            "mean": {"first": float(self.mean(self.first_points)),
                     "second": float(self.mean(self.second_points)),
                     "change": float(self.mean(self.change))},
            "parts": {n: {**_plain(p), "mean": float(self.mean(p.points))}
                      for n, p in self.parts.items()},
            "segments": [{"first": s.first, "second": s.second, "members": s.members,
                          "points": s.points / 1000, "parts": _plains(s.parts)}
                         for s in self.segments],
            "conditions": [{"model": c.model, "condition": c.condition, "label": c.label,
                            "members": c.members, "points": c.points / 1000,
                            "parts": _plains(c.parts)} for c in self.conditions],
            "quality": asdict(self.quality), "notes": list(self.notes),
            "caveats": list(self.caveats),
        }  # fmt: skip


def _group(level: str, key: str, members: int, points: int, parts: Sums) -> Iterator[Row]:
    yield Row(level, key, "change", members, points)
    for name, part in parts.items():
        yield Row(level, key, name, part.members, part.points)


def _plain(part: PartSum) -> dict[str, float]:
    return {"members": part.members, "points": part.points / 1000}


def _plains(parts: Sums) -> dict[str, dict[str, float]]:
    return {name: _plain(part) for name, part in parts.items()}


def compare_models(
    a: str | Path,
    b: str | Path,
    members: Source,
    diagnoses: Source,
    paid_by: PaidBy | None = None,
    options: Options = DEFAULTS,
) -> Comparison:
    """Say how much of the change in mean score, from ``a`` to ``b``, comes from what.

    Parameters
    ----------
    a, b
        Models: published keys, or folders as ``Path``.
    members, diagnoses
        As for ``riskadj.score``.
    paid_by
        Compare payment scores; where the program does not pay by both models, or nothing is
        given, raw scores are compared and a note says so.

    Raises
    ------
    NotPublishedError
        A model, payer or payment year is not published.
    OptionError
        The models count age at different days of the year, or a value must be supplied.
    InputError
        A table cannot be read or breaks the contract, or no member is scored by both.
    """
    models = [resolve_model(a), resolve_model(b)]
    if len({m.facts.age_reference for m in models}) > 1:
        raise OptionError("the models count age at different days: they cannot be compared")
    payments, notes = payments_of(models, paid_by)
    books = {m.key: compile_rulebook(m) for m in models}
    profiles, sides = sides_of([books[m.key] for m in models], payments)
    lanes, places = _lanes(sides)
    on = reference_day(models[1])
    request = Request(
        lanes, Asked(profiles, on, "esrd_stage" not in profiles.axes), on.year - 1,
        refused(profiles, [s.takes for s in sides]), options.on_error == "quarantine",
    )  # fmt: skip
    tally = Tally(sides)
    with connect(options.memory_limit, options.threads) as connection:
        population = reduce_members(connection, members, diagnoses, request)
        for batch in population.batches():
            tally.add(batch, [population.words[i] for i in places])
    if models[0].facts.payment_year != on.year:
        notes.append(
            f"age at {on} and, where they are dated, diagnoses of {on.year - 1} for both models: "
            f"{models[0].key} is of another payment year"
        )
    return _comparison(tally, population, notes)


def _lanes(sides: Sequence[Side]) -> tuple[tuple[Lane, ...], list[int]]:
    """Return the lanes of one pass, and where each side's own and restricted words stand."""
    lanes: list[Lane] = []
    places: list[int] = []
    for side, other in zip(sides, reversed(sides), strict=True):
        book = side.book
        shared = {c: mask for c, mask in book.codes.items() if c in other.book.codes}
        places.append(len(lanes))
        lanes.append(Lane(book, side.data_sources))
        if len(shared) < len(book.codes):
            lanes.append(Lane(replace(book, codes=shared), side.data_sources))
        places.append(len(lanes) - 1)
    return tuple(lanes), places


def _comparison(tally: Tally, population: Reduced, notes: Sequence[str]) -> Comparison:
    """Name the sums, having checked that they add up."""
    n, sides = int(tally.members.sum()), tally.sides
    if n == 0:
        raise InputError("members: none is left that both models score")
    comparison = Comparison(
        first=sides[0].book.model.key,
        second=sides[1].book.model.key,
        payment=tuple(s.payment.year.key for s in sides if s.payment),
        members=n,
        only_first=tally.only[0],
        only_second=tally.only[1],
        first_points=tally.totals[0],
        second_points=tally.totals[1],
        parts=_parts(tally, slice(None)),
        conditions=tuple(c for i in range(2) for c in _conditions(tally, i)),
        segments=tuple(_segments(tally)),
        quality=population.quality,
        notes=(*population.quality.notes, *notes),
        caveats=caveats_of(sides),
        rejected=population.rejected,
    )
    _check(comparison)
    return comparison


def _parts(tally: Tally, pairs: int | slice) -> dict[str, PartSum]:
    """Return the parts over some pairs of segments; no divisor where no model has one."""
    absent = {"divisor"} if not any(s.book.model.divisors for s in tally.sides) else set()
    absent |= {"normalization"} if not any(s.payment for s in tally.sides) else set()
    return {
        p: PartSum(int(tally.moved[i, pairs].sum()), int(tally.points[i, pairs].sum()))
        for i, p in enumerate(PARTS)
        if p not in absent
    }


def _conditions(tally: Tally, i: int) -> Iterator[ConditionChange]:
    book, having, worth = tally.sides[i].book, tally.having[i], tally.worth[i]
    for bit in np.flatnonzero(having.any(axis=0)):
        name = book.names[int(bit)]
        parts = {p: PartSum(int(having[k, bit]), int(worth[k, bit]))
                 for k, p in enumerate(OF_CONDITIONS)}  # fmt: skip
        label = book.model.labels.get(name, "")
        yield ConditionChange(SIDES[i], name, label, int(tally.counted[i][bit]), parts)


def _segments(tally: Tally) -> Iterator[SegmentChange]:
    first, second = (s.book.segments for s in tally.sides)
    for pair in np.flatnonzero(tally.members):
        a, b = divmod(int(pair), len(second))
        members = int(tally.members[pair])
        yield SegmentChange(first[a], second[b], members, _parts(tally, int(pair)))


def _check(c: Comparison) -> None:
    """Hold every breakdown to the change: the parts, the segments, and the conditions."""
    by_condition = {p: sum(k.parts[p].points for k in c.conditions) for p in OF_CONDITIONS}
    if (
        sum(p.points for p in c.parts.values()) != c.change
        or sum(s.points for s in c.segments) != c.change
        or by_condition != {p: c.parts[p].points for p in OF_CONDITIONS}
    ):
        raise AssertionError("the parts do not add up to the change")
