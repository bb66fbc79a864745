"""What counts of members may be shown: none from 1 to 10, and none that subtraction gives away."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

SMALL = 11
"""Counts below it are not shown (CMS cell size suppression policy)."""


def is_small(counts: ArrayLike) -> NDArray[np.bool_]:
    """Say which counts are 1 to 10."""
    n = np.asarray(counts)
    return (n > 0) & (n < SMALL)


def hidden_parts(counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say which parts of a known total are not shown.

    Parts of 1 to 10 are hidden; if that leaves one alone, or they hold under 11 together, the next
    smallest are hidden too, for the total less the rest would tell.

    >>> hidden_parts(np.array([3, 500, 40])).tolist()
    [True, False, True]
    """
    hidden = is_small(counts)
    for i in np.argsort(counts, kind="stable"):
        if not hidden.any() or (hidden.sum() > 1 and counts[hidden].sum() >= SMALL):
            break
        hidden[i] |= counts[i] > 0
    return hidden


def shown_count(n: int) -> str:
    """Return a count of members as it may be shown.

    >>> shown_count(0), shown_count(3), shown_count(1200)
    ('0', '<11', '1200')
    """
    return f"<{SMALL}" if is_small(n) else str(n)
