"""The SQL that reduces rows to words: one join and one group-by, for any engine with bit_or."""

from collections.abc import Sequence

from riskadj.features.rulebook import WORD, Rulebook


def split_words(mask: int, n_words: int) -> list[int]:
    """Split a bit mask into 63-bit words, so that each is a non-negative BIGINT.

    >>> split_words((1 << 63) | 5, 2)
    [5, 1]
    """
    return [(mask >> (WORD * i)) & ((1 << WORD) - 1) for i in range(n_words)]


def word_names(books: Sequence[Rulebook]) -> list[list[str]]:
    """Name the word columns of each rulebook, side by side in one table."""
    names, start = [], 0
    for book in books:
        names.append([f"w{start + i}" for i in range(book.n_words)])
        start += book.n_words
    return names


def words_sql(diagnoses: str, member_id: str, code: str, words: Sequence[str]) -> str:
    """Return the SELECT that gives every member with a mapped code the OR of its code words.

    Associative, commutative and idempotent, so row order, duplicates and partitions do not
    matter. ``code_words`` holds the raw spellings of mapped codes and their words.
    """
    ors = ", ".join(f"bit_or(c.{w}) as {w}" for w in words)
    return (
        f"select d.member_id, {ors} "
        f"from (select {member_id} as member_id, {code} as code from {diagnoses}) d "
        "join code_words c on d.code = c.raw group by 1"
    )
