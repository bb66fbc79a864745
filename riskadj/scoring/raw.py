"""The kernel: words and profiles of many members to segments, raw scores and conditions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskadj.features.conditions import Rows, before_hierarchies, keep_most_severe
from riskadj.features.rulebook import Rulebook
from riskadj.features.terms import add_variables

CHUNK = 1 << 14


@dataclass(frozen=True, slots=True)
class RawScores:
    """Raw scores of some members.

    Attributes
    ----------
    segment : int8, shape (n_members,)
    score : int32, shape (n_members,)
        In thousandths, after a segment's divisor.
    condition_member, condition : int32 and int16, shape (n_conditions,)
        The members' live conditions, as (member, category bit), ordered by member and bit.
    """

    segment: NDArray[np.int8]
    score: NDArray[np.int32]
    condition_member: NDArray[np.int32]
    condition: NDArray[np.int16]


def raw_scores(
    words: NDArray[np.int64],
    profile: NDArray[np.int32],
    book: Rulebook,
    segment: NDArray[np.int8] | None = None,
) -> RawScores:
    """Score members.

    Parameters
    ----------
    words : int64, shape (n_words, n_members)
        Code bits.
    profile : int32, shape (n_members,)
    segment : int8, shape (n_members,), optional
        Forces the segment; otherwise the profile's own.

    Returns
    -------
    RawScores
        Sums of integer thousandths: exact, and independent of order and chunking.
    """
    chosen = book.segment_of[profile] if segment is None else segment
    score = book.base[profile, chosen]
    members: list[NDArray[np.int32]] = [np.empty(0, np.int32)]
    bits: list[NDArray[np.int16]] = [np.empty(0, np.int16)]
    for who in with_codes(words):
        rows = live_rows(words.take(who, axis=1), profile[who], book)
        place, bit = places(rows, [*range(book.n_categories), *book.later_priced])
        worth = book.worth[bit, chosen[who[place]]]
        score[who] += np.bincount(place, worth, minlength=len(who)).astype(np.int32)
        is_condition = bit < book.n_categories
        order = np.argsort(place[is_condition], kind="stable")
        members.append(who[place[is_condition][order]])
        bits.append(bit[is_condition][order])
    score = divided(score, chosen, book)
    return RawScores(chosen, score, np.concatenate(members), np.concatenate(bits))


def divided(
    score: NDArray[np.int32], segment: NDArray[np.int8], book: Rulebook
) -> NDArray[np.int32]:
    """Divide the sums of segments that have a divisor, halves up, in thousandths.

    E2423T1M: ``ROUND(DF * (raw + duration add-on) / ActAdj, 3)`` for new enrollees with a graft.
    """
    if (book.divisor == 1000).all():
        return score
    by = book.divisor[segment].astype(np.int64)
    rounded: NDArray[np.int32] = ((2000 * score.astype(np.int64) + by) // (2 * by)).astype(np.int32)
    return rounded


def live_rows(words: NDArray[np.int64], profile: NDArray[np.int32], book: Rulebook) -> Rows:
    """Run the rulebook: bool, shape (n_bits, n_members), of everything that holds."""
    rows = before_hierarchies(words, profile, book)
    keep_most_severe(rows, book.hierarchy)
    add_variables(rows, profile, book)
    return rows


def with_codes(words: NDArray[np.int64]) -> Iterator[NDArray[np.int32]]:
    """Yield the members that have any code, in chunks that fit the cache."""
    any_code = np.bitwise_or.reduce(words, axis=0) if len(words) else np.empty(0, np.int64)
    who = np.flatnonzero(any_code).astype(np.int32)
    for start in range(0, len(who), CHUNK):
        yield who[start : start + CHUNK]


def places(rows: Rows, bits: Sequence[int]) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Return where some bits hold, as (member, bit), in the order of ``bits``.

    Chunks are short enough for 16-bit places, whose stable sort is a radix sort; sums of
    thousandths in float64 are exact.
    """
    numbers = np.array(bits, dtype=np.int16)
    which, place = np.divmod(
        np.flatnonzero(rows.take(numbers, axis=0)).astype(np.int32), np.int32(rows.shape[1])
    )
    return place.astype(np.int16), numbers[which]
