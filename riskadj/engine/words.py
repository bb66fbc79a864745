"""The SQL that reduces rows to words: one join and one group-by, for any engine with bit_or."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskadj.features.rulebook import WORD, Rulebook


def split_words(mask: int, n_words: int) -> list[int]:
    """Split a bit mask into 63-bit words, so that each is a non-negative BIGINT.

    >>> split_words((1 << 63) | 5, 2)
    [5, 1]
    """
    return [(mask >> (WORD * i)) & ((1 << WORD) - 1) for i in range(n_words)]


@dataclass(frozen=True, slots=True)
class Lane:
    """One rulebook's way through the tables.

    Attributes
    ----------
    data_sources
        Whose diagnoses count: kept values of ``data_source``; empty keeps all.
    takes : bool, shape (n_profiles,)
        Which members it scores, over the profiles of all lanes; None takes all.
    """

    book: Rulebook
    data_sources: tuple[str, ...] = ()
    takes: NDArray[np.bool_] | None = None


def word_names(lanes: Sequence[Lane], needed: Sequence[bool]) -> list[list[str]]:
    """Name the word columns of each lane, side by side in one table; none where not needed."""
    names, start = [], 0
    for lane, wanted in zip(lanes, needed, strict=True):
        n = lane.book.n_words if wanted else 0
        names.append([f"w{start + i}" for i in range(n)])
        start += n
    return names


def words_sql(diagnoses: str, member_id: str, code: str, words: Mapping[str, str | None]) -> str:
    """Return the SELECT that gives every member with a mapped code the OR of its code words.

    Associative, commutative and idempotent, so row order, duplicates and partitions do not
    matter. ``code_words`` holds the raw spellings of mapped codes and their words.

    Parameters
    ----------
    words
        Each word column and, where not every row counts for it, the test of a row that does.
    """
    tests = {test: f"t{i}" for i, test in enumerate(dict.fromkeys(filter(None, words.values())))}
    ors = ", ".join(
        f"coalesce(bit_or(c.{w}) filter (where d.{tests[test]}), 0) as {w}" if test
        else f"bit_or(c.{w}) as {w}"
        for w, test in words.items()
    )  # fmt: skip
    asked = "".join(f", {test} as {name}" for test, name in tests.items())
    return (
        f"select d.member_id, {ors} "
        f"from (select {member_id} as member_id, {code} as code{asked} from {diagnoses}) d "
        "join code_words c on d.code = c.raw group by 1"
    )
