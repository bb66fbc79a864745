"""Two years of one population: reading each, and the steps from one score to the other.

What the steps are is said in ``riskadj.analysis.bridge``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from riskadj.analysis.parts import (
    Points,
    by_category,
    category_worth,
    conditions_of,
    later_sum,
    sum_of,
)
from riskadj.analysis.sides import Side, reference_day
from riskadj.connection import connect
from riskadj.engine.duck import Quality, Request, reduce_members
from riskadj.engine.inputs import Source
from riskadj.engine.members import Asked
from riskadj.engine.words import Lane
from riskadj.errors import InputError
from riskadj.features.profiles import Profiles
from riskadj.scoring.plan import Options, refused
from riskadj.scoring.raw import divided, raw_scores

STEPS = ("model_change", "ageing", "status_change", "conditions_lost", "conditions_new",
         "conditions_kept", "interactions_and_counts", "divisor")  # fmt: skip
KINDS = ("lost", "new", "kept")

Words = NDArray[np.int64]


class Population(NamedTuple):
    """What to read of a year: a model (key, or folder as ``Path``), members and diagnoses."""

    model: str | Path
    members: Source
    diagnoses: Source


@dataclass(frozen=True, slots=True)
class Read:
    """A year as it was read.

    Attributes
    ----------
    words
        Word columns of the first model (first year only) and of the second.
    score : int64, shape (n_members,)
        In the year's own model.
    """

    table: pa.Table
    profile: NDArray[np.int32]
    words: tuple[Words, ...]
    score: Points
    quality: Quality
    rejected: pa.Table


def read_year(
    which: str, source: Population, profiles: Profiles, sides: Sequence[Side], options: Options
) -> Read:
    """Read a year for its own model, the first of ``sides``, and for those after it.

    Raises
    ------
    InputError
        As ``engine.duck.reduce_members``; the message begins with ``which`` year it is.
    """
    own, on = sides[0], reference_day(sides[0].book.model)
    request = Request(
        tuple(Lane(s.book) for s in sides),
        Asked(profiles, on, "esrd_stage" not in profiles.axes), on.year - 1,
        refused(profiles, [own.takes]), options.on_error == "quarantine",
    )  # fmt: skip
    with connect(options.memory_limit, options.threads) as connection:
        try:
            population = reduce_members(connection, source.members, source.diagnoses, request)
        except InputError as error:
            raise InputError(f"{which} year: {error}") from None
        batches = list(population.batches())
    if not batches:
        raise InputError(f"{which} year: no member is left to score")
    table = pa.Table.from_batches(batches)
    profile = table["profile"].to_numpy()
    words = tuple(np.stack([table[n].to_numpy() for n in names]) for names in population.words)
    score = raw_scores(words[0], own.seen[profile], own.book).score.astype(np.int64)
    return Read(table, profile, words, score, population.quality, population.rejected)


def stayers_of(
    first: pa.ChunkedArray, second: pa.ChunkedArray
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the places of the members of both years in each.

    Raises
    ------
    InputError
        The ids are of two kinds, or none is in both years.
    """
    if first.type != second.type:
        raise InputError(
            "member_id is text in one year and whole numbers in the other: store both the same way"
        )
    place = pc.index_in(first, second)
    here = np.flatnonzero(pc.is_valid(place).to_numpy())
    if not len(here):
        raise InputError("no member is in both years: is member_id spelt the same way in both?")
    return here, pc.drop_null(place).to_numpy().astype(np.int64)


class Chunk:
    """Some members of a year."""

    def __init__(self, year: Read, places: NDArray[np.int64]) -> None:
        self.profile = year.profile[places]
        self.words = [w.take(places, axis=1) for w in year.words]
        self.score = year.score[places]


class Stayers:
    """Sums over the stayers.

    Attributes
    ----------
    members, before, after
        How many, and their sums of scores in both years, in thousandths.
    points, moved : int64, shape (len(STEPS),)
        What each step adds, and the members whose score it moves.
    having, worth : int64, shape (len(KINDS), n_categories)
        Members and points of the second model's conditions.
    """

    def __init__(self, profiles: Profiles, sides: Sequence[Side]) -> None:
        self.profiles, self.second = profiles, sides[1]
        self.members, self.before, self.after = 0, 0, 0
        self.points = np.zeros(len(STEPS), np.int64)
        self.moved = np.zeros(len(STEPS), np.int64)
        shape = (len(KINDS), self.second.book.n_categories)
        self.having, self.worth = np.zeros(shape, np.int64), np.zeros(shape, np.int64)

    def add(self, one: Chunk, two: Chunk) -> None:
        """Add stayers, the same ones in the same order in both years."""
        aged = self._aged(one.profile, two.profile)
        told = [self._score(one.words[1], p) for p in (one.profile, aged, two.profile)]
        steps = [
            told[0] - one.score,
            told[1] - told[0],
            told[2] - told[1],
            *self._by_conditions(one.words[1], two.words[0], two.profile),
        ]
        if (np.sum(steps, axis=0) != two.score - one.score).any():
            raise AssertionError("the steps do not add up to the change of a stayer's score")
        self.members += len(one.score)
        self.before += int(one.score.sum())
        self.after += int(two.score.sum())
        self.points += [int(s.sum()) for s in steps]
        self.moved += [int((s != 0).sum()) for s in steps]

    def _aged(self, one: NDArray[np.int32], two: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the first year's profiles with the age of the second."""
        ages = [self.profiles.values(p)["age"] for p in (one, two)]
        stride = self.profiles.strides[self.profiles.axes.index("age")]
        return (one + (ages[1] - ages[0]) * stride).astype(np.int32)

    def _score(self, words: Words, profile: NDArray[np.int32]) -> Points:
        """Return raw scores in the second model, of profiles that may be of no single year."""
        if n := int((~self.second.takes[profile]).sum()):
            raise InputError(
                f"{n:,} members of both years had a status in the first that "
                f"{self.second.book.model.key} has no segment for: bridge models of one kind"
            )
        own, book = self.second.seen[profile], self.second.book
        return raw_scores(words, own, book).score.astype(np.int64)

    def _by_conditions(
        self, old: Words, new: Words, profile: NDArray[np.int32]
    ) -> tuple[Points, ...]:
        """Return lost, new, kept, interactions and counts, and divisor, from old codes to new."""
        own, book = self.second.seen[profile], self.second.book
        segment = book.segment_of[own]
        rows = [conditions_of(w, own, book) for w in (old, new)]
        worth = category_worth(segment, book)
        lost, gained, kept = (
            rows[0].after & ~rows[1].after, rows[1].after & ~rows[0].after,
            rows[0].after & rows[1].after,
        )  # fmt: skip
        for i, held in enumerate((lost, gained, kept)):
            having, of = by_category(held, worth)
            self.having[i] += having
            self.worth[i] += of * (1 if i else -1)
        self.moved[STEPS.index("conditions_kept")] += int(kept.any(axis=0).sum())
        later = [later_sum(r.rows, segment, book) for r in rows]
        sums = [book.base[own, segment] + sum_of(r.after, worth) + n
                for r, n in zip(rows, later, strict=True)]  # fmt: skip
        over = [divided(s.astype(np.int32), segment, book) - s for s in sums]
        return (-sum_of(lost, worth), sum_of(gained, worth), np.zeros_like(sums[0]),
                later[1] - later[0], over[1] - over[0])  # fmt: skip
