"""Member months: who counts for which entity and stratum, month by month.

Convention, the only one here: a member counts in a calendar month when a span covers its first day.
Half months and the mid-month convention are other conventions, and give other counts.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskadj.errors import InputError

Days = NDArray[np.datetime64]
Months = NDArray[np.datetime64]
MONTHS = 12


@dataclass(frozen=True, slots=True)
class Spans:
    """From when to when a member carries a label, such as a stratum or an entity.

    Attributes
    ----------
    member : int, shape (n_spans,)
        Row of the member, from 0.
    label : int, shape (n_spans,)
        Row of the stratum or entity, from 0.
    start, end : datetime64, shape (n_spans,)
        First and last day; NaT as end is open.
    """

    member: NDArray[np.integer]
    label: NDArray[np.integer]
    start: Days
    end: Days


def months_of(year: int) -> Months:
    """Return a year's calendar months.

    >>> months_of(2024)[[0, 11]].astype(str).tolist()
    ['2024-01', '2024-12']
    """
    return np.arange(f"{year}-01", f"{year + 1}-01", dtype="datetime64[M]")


def covered(start: Days, end: Days, months: Months) -> NDArray[np.bool_]:
    """Tell in which months each span covers the first day.

    Parameters
    ----------
    start, end : datetime64, shape (n_spans,)
        First and last day; NaT as end is open.
    months : datetime64[M], shape (n_months,)

    Returns
    -------
    bool, shape (n_spans, n_months)

    Raises
    ------
    InputError
        A span has no start, or ends before it starts.
    """
    if np.isnat(start).any():
        raise InputError(f"{int(np.isnat(start).sum()):,} spans have no first day")
    if (end < start).any():
        raise InputError(f"{int((end < start).sum()):,} spans end before they start")
    first = months.astype("datetime64[M]").astype("datetime64[D]")
    open_ended = np.isnat(end)[:, None]
    return (start[:, None] <= first) & (open_ended | (end[:, None] >= first))


def months_covered(start: Days, end: Days, year: int) -> NDArray[np.bool_]:
    """Tell in which months of a year each span covers the first day; see ``covered``.

    Returns
    -------
    bool, shape (n_spans, 12)
    """
    return covered(start, end, months_of(year))


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

    Raises
    ------
    InputError
        See ``covered``; or a row is not from 0 to ``n_members`` - 1.
    """
    _check_rows(member, n_members, "member")
    held = np.zeros((n_members, MONTHS), dtype=bool)
    np.logical_or.at(held, member, months_covered(start, end, year))
    return np.asarray(held.sum(1), dtype=np.int64)


def exposure(
    eligible: Spans, attributed: Spans, months: Months, shape: tuple[int, int], n_members: int
) -> NDArray[np.int64]:
    """Count member months by entity, stratum and calendar month.

    A member counts in a month when both eligible and attributed on its first day. Spans of one
    label that overlap count once; a member of two entities or two strata in a month is refused.

    Parameters
    ----------
    eligible
        Labelled by stratum.
    attributed
        Labelled by entity.
    months : datetime64[M], shape (n_months,)
        The calendar months that are counted, each once.
    shape
        Number of entities and of strata.
    n_members

    Returns
    -------
    int, shape (n_entities, n_strata, n_months)

    Raises
    ------
    InputError
        See ``covered``; a row or label is out of range; or a member has two labels in a month.
    """
    if len(np.unique(months)) != len(months):
        raise InputError("a calendar month is named twice: its member months would count twice")
    n_entities, n_strata = shape
    entity = _held(attributed, months, (n_members, n_entities), "entity")
    stratum = _held(eligible, months, (n_members, n_strata), "stratum")
    member, month = np.nonzero((entity >= 0) & (stratum >= 0))
    place = (entity[member, month] * n_strata + stratum[member, month]) * len(months) + month
    counted = np.bincount(place, minlength=n_entities * n_strata * len(months))
    return counted.reshape(n_entities, n_strata, len(months)).astype(np.int64)


def person_years(member_months: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return months as years of exposure.

    >>> person_years(np.array([12, 6]))
    array([1. , 0.5])
    """
    if (member_months < 0).any():
        raise InputError("member months are 0 or more")
    return np.asarray(member_months / MONTHS)


def _held(spans: Spans, months: Months, sizes: tuple[int, int], what: str) -> NDArray[np.int64]:
    """Return each member's label by month, -1 where none; refuse two."""
    n_members, n_labels = sizes
    _check_rows(spans.member, n_members, "member")
    _check_rows(spans.label, n_labels, what)
    span, month = np.nonzero(covered(spans.start, spans.end, months))
    at, label = (spans.member[span], month), spans.label[span]
    highest = np.full((n_members, len(months)), -1, dtype=np.int64)
    lowest = np.full((n_members, len(months)), n_labels, dtype=np.int64)
    np.maximum.at(highest, at, label)
    np.minimum.at(lowest, at, label)
    doubled = (highest >= 0) & (highest != lowest)
    if doubled.any():
        raise InputError(f"{int(doubled.sum()):,} member months have more than one {what}: "
                         "end one span before the next starts")  # fmt: skip
    return highest


def _check_rows(rows: NDArray[np.integer], n: int, what: str) -> None:
    outside = (rows < 0) | (rows >= n)
    if outside.any():
        raise InputError(f"{int(outside.sum()):,} spans have a {what} row that is not from 0 to "
                         f"{n - 1}")  # fmt: skip
