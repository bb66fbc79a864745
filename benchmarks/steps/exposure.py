"""Member months: who counts for which entity, month by month."""

import numpy as np
from numpy.typing import NDArray

from riskadj.errors import InputError

Days = NDArray[np.datetime64]


def months_covered(start: Days, end: Days, year: int) -> NDArray[np.bool_]:
    """Tell in which months of a year each span covers the first day.

    Parameters
    ----------
    start, end : datetime64, shape (n_spans,)
        First and last day; NaT as end is open.

    Returns
    -------
    bool, shape (n_spans, 12)

    Raises
    ------
    InputError
        A span ends before it starts.
    """
    if (end < start).any():
        raise InputError(f"{int((end < start).sum()):,} spans end before they start")
    first = np.arange(f"{year}-01", f"{year + 1}-01", dtype="datetime64[M]").astype("datetime64[D]")
    open_ended = np.isnat(end)[:, None]
    return (start[:, None] <= first) & (open_ended | (end[:, None] >= first))


def member_months(
    member: NDArray[np.integer], start: Days, end: Days, year: int, n_members: int
) -> NDArray[np.int64]:
    """Count each member's months; spans that overlap count once.

    Parameters
    ----------
    member : int, shape (n_spans,)
        Row of the member that a span is of.
    n_members

    Returns
    -------
    int, shape (n_members,)
    """
    held = np.zeros((n_members, 12), dtype=bool)
    np.logical_or.at(held, member, months_covered(start, end, year))
    return np.asarray(held.sum(1), dtype=np.int64)
