"""Live conditions: from code bits to the payment categories that count for each member."""

import numpy as np
from numpy.typing import NDArray

from riskadj.features.rulebook import WORD, Rulebook

Rows = NDArray[np.bool_]
"""bool, shape (n_bits, n_members): one row a bit."""


def unpack_words(words: NDArray[np.int64], n_bits: int, n_rows: int) -> Rows:
    """Spread 63-bit words (shape (n_words, n_members)) over bool rows.

    Bytes are tested, not words: eight times as many members fit one instruction.

    Returns
    -------
    bool, shape (n_rows, n_members)
        Rows from ``n_bits`` on are false, ready for groups, flags, terms and counts.
    """
    n_words, n_members = words.shape
    by_byte = np.ascontiguousarray(words, dtype="<i8").view(np.uint8)
    octets = np.ascontiguousarray(by_byte.reshape(n_words, n_members, 8).transpose(0, 2, 1))
    rows = np.zeros((n_rows, n_members), dtype=np.bool_)
    for bit in range(n_bits):
        word, place = divmod(bit, WORD)
        octet, inside = divmod(place, 8)
        np.not_equal(octets[word, octet] & np.uint8(1 << inside), 0, out=rows[bit])
    return rows


def apply_variants(rows: Rows, profile: NDArray[np.int32], book: Rulebook) -> None:
    """Set the categories of conditional code rows whose age and sex the member meets."""
    for variant in book.variants:
        who = np.flatnonzero(rows[variant.bit])
        if len(who):
            rows[variant.category, who[variant.valid[profile[who]]]] = True


def apply_requires_any(rows: Rows, book: Rulebook) -> None:
    """Drop a category that counts only beside another one, or never, before the hierarchies.

    V2823T2M, step 3.6, "heart interaction patch": CC223 needs one of CC221, 222, 224, 225, 226.
    E2118P1M, step 3.6: ``CC134=0``, a member in ESRD status is on dialysis anyway.
    """
    for target, sources in book.requires_any:
        rows[target] &= rows[list(sources)].any(axis=0)


def before_hierarchies(
    words: NDArray[np.int64], profile: NDArray[np.int32], book: Rulebook
) -> Rows:
    """Return every bit, with the categories as they are before the hierarchies.

    Parameters
    ----------
    words : int64, shape (n_words, n_members)
    profile : int32, shape (n_members,)
        As the model sees it.

    Returns
    -------
    bool, shape (n_bits, n_members)
    """
    rows = unpack_words(words, book.n_code_bits, book.n_bits)
    apply_variants(rows, profile, book)
    apply_requires_any(rows, book)
    return rows


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
