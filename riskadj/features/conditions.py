"""Live conditions: from code bits to the payment categories that count for each member."""

import numpy as np
from numpy.typing import NDArray

from riskadj.features.rulebook import WORD, Rulebook

Rows = NDArray[np.bool_]
"""bool, shape (n_bits, n_members): one row a bit."""


def unpack_words(words: NDArray[np.int64], n_bits: int, n_rows: int) -> Rows:
    """Spread 63-bit words (shape (n_members, n_words)) over bool rows.

    Returns
    -------
    bool, shape (n_rows, n_members)
        Rows from ``n_bits`` on are false, ready for groups, flags, terms and counts.
    """
    rows = np.zeros((n_rows, len(words)), dtype=np.bool_)
    for bit in range(n_bits):
        word, place = divmod(bit, WORD)
        np.not_equal(words[:, word] & np.int64(1 << place), 0, out=rows[bit])
    return rows


def apply_variants(rows: Rows, profile: NDArray[np.int32], book: Rulebook) -> None:
    """Set the categories of conditional code rows whose age and sex the member meets."""
    for variant in book.variants:
        if rows[variant.bit].any():
            rows[variant.category] |= rows[variant.bit] & variant.valid[profile]


def apply_requires_any(rows: Rows, book: Rulebook) -> None:
    """Drop a category that counts only beside another one, before the hierarchies.

    V2823T2M, step 3.6, "heart interaction patch": CC223 needs one of CC221, 222, 224, 225, 226.
    """
    for target, sources in book.requires_any:
        rows[target] &= rows[list(sources)].any(axis=0)


def keep_most_severe(rows: Rows, hierarchy: tuple[tuple[int, int], ...]) -> None:
    """Drop each condition that a more severe, still live one outranks, in listed order.

    The SAS macros test the already zeroed HCC (``IF HCC&CC=1``), so a parent that an earlier rule
    dropped no longer drops its children.

    >>> rows = np.array([[True], [True], [True]])
    >>> keep_most_severe(rows, ((0, 1), (1, 2)))
    >>> rows[:, 0].tolist()
    [True, False, True]
    """
    for parent, child in hierarchy:
        rows[child] &= ~rows[parent]
