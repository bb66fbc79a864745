"""Sums of the parts of two models' scores over the members that both take.

What the parts are is said in ``riskadj.analysis.compare_models``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from riskadj.analysis.parts import (
    Points,
    by_category,
    category_worth,
    conditions_of,
    later_sum,
    meant_by_codes,
    sum_of,
)
from riskadj.analysis.sides import Side
from riskadj.scoring.batches import words_of
from riskadj.scoring.raw import CHUNK, divided, raw_scores

OF_CONDITIONS = ("mapping", "hierarchy", "coefficients")
PARTS = (*OF_CONDITIONS, "demographics", "interactions_and_counts", "divisor", "normalization")


@dataclass(frozen=True, slots=True)
class Scored:
    """One model's scores of some members as the sums of their parts, and its conditions.

    Attributes
    ----------
    segment : int8, shape (n_members,)
    points : int64, shape (len(PARTS), n_members)
    having, worth : int64, shape (len(OF_CONDITIONS), n_categories)
        Members and points of each condition.
    counted : int64, shape (n_categories,)
        Members of each condition after the hierarchies.
    """

    segment: NDArray[np.int8]
    points: Points
    having: Points
    worth: Points
    counted: Points


def score_parts(
    words: NDArray[np.int64],
    shared_words: NDArray[np.int64],
    profile: NDArray[np.int32],
    side: Side,
) -> Scored:
    """Take one model's scores of some members apart; the parts must add up to them.

    Parameters
    ----------
    words : int64, shape (n_words, n_members)
    shared_words
        The same of the codes that the other model maps too.
    profile : int32, shape (n_members,)
        Over the profiles of both models.
    """
    book, own = side.book, side.seen[profile]
    segment = book.segment_of[own]
    found, worth = conditions_of(words, own, book), category_worth(segment, book)
    shared = found.before & meant_by_codes(shared_words, own, book)
    rows = (found.before & ~shared, found.before & ~found.after, shared)
    alone, dropped, priced = (sum_of(r, worth) for r in rows)
    base, later = book.base[own, segment], later_sum(found.rows, segment, book)
    total = base + alone + priced - dropped + later
    raw = divided(total.astype(np.int32), segment, book).astype(np.int64)
    paid = side.paid(raw, profile)
    points = np.stack((alone, -dropped, priced, base, later, raw - total, paid - raw))
    if (raw != raw_scores(words, own, book).score).any() or (points.sum(axis=0) != paid).any():
        raise AssertionError(f"the parts of {book.model.key} do not add up to its scores")
    having, of = zip(*(by_category(r, worth) for r in rows), strict=True)
    signs = np.array([[1], [-1], [1]])
    return Scored(segment, points, np.stack(having), signs * np.stack(of), found.after.sum(axis=1))


class Tally:
    """Sums over the members that both models take.

    Attributes
    ----------
    only
        Members whom only the first, and only the second, model takes.
    totals
        The models' sums of scores, in thousandths.
    members : int64, shape (n_pairs,)
        Members by segment of both models, the second's running fastest.
    points, moved : int64, shape (len(PARTS), n_pairs)
        Change by part, and the members whose score it moves.
    having, worth, counted
        Of each model's conditions, as in ``Scored``; the first model's points negative.
    """

    def __init__(self, sides: Sequence[Side]) -> None:
        self.sides = sides
        pairs = int(np.prod([len(s.book.segments) for s in sides]))
        self.only = [0, 0]
        self.totals = [0, 0]
        self.members = np.zeros(pairs, np.int64)
        self.points = np.zeros((len(PARTS), pairs), np.int64)
        self.moved = np.zeros((len(PARTS), pairs), np.int64)
        shape = [(len(OF_CONDITIONS), s.book.n_categories) for s in sides]
        self.having, self.worth = ([np.zeros(s, np.int64) for s in shape] for _ in range(2))
        self.counted = [np.zeros(n, np.int64) for _, n in shape]

    def add(self, batch: pa.RecordBatch, names: Sequence[Sequence[str]]) -> None:
        """Add a batch; ``names`` are the word columns of each side, own and restricted."""
        profile = batch.column("profile").to_numpy()
        a, b = (s.takes[profile] for s in self.sides)
        self.only[0] += int((a & ~b).sum())
        self.only[1] += int((b & ~a).sum())
        words = [words_of(batch, n) for n in names]
        both = np.flatnonzero(a & b)
        for start in range(0, len(both), CHUNK):
            who = both[start : start + CHUNK]
            part = [w.take(who, axis=1) for w in words]
            scored = [score_parts(part[2 * i], part[2 * i + 1], profile[who], side)
                      for i, side in enumerate(self.sides)]  # fmt: skip
            self._add_scored(scored)

    def _add_scored(self, scored: Sequence[Scored]) -> None:
        a, b = scored
        pair = a.segment.astype(np.int64) * len(self.sides[1].book.segments) + b.segment
        change, n = b.points - a.points, len(self.members)
        self.members += np.bincount(pair, minlength=n)
        for i, of in enumerate(change):
            self.points[i] += np.bincount(pair, of, minlength=n).astype(np.int64)
            self.moved[i] += np.bincount(pair[of != 0], minlength=n)
        for i, side in enumerate(scored):
            self.totals[i] += int(side.points.sum())
            self.having[i] += side.having
            self.worth[i] += side.worth * (1 if i else -1)
            self.counted[i] += side.counted
