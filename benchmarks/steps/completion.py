"""Completing claims that are not all paid yet.

References
----------
Chain ladder: Friedland, Estimating Unpaid Claims Using Basic Techniques (CAS 2010), chapter 7.
ASOP No. 5, Incurred Health and Disability Claims.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskadj.errors import InputError, OptionError

Floats = NDArray[np.float64]
MONTHS = 12


@dataclass(frozen=True, slots=True)
class Completion:
    """Claims by month incurred, completed.

    Attributes
    ----------
    links : float, shape (n_ages - 1,)
        Volume-weighted all-period link ratios; the tail is 1. Not a number where the older months
        had nothing paid by that age and something later: the triangle cannot tell.
    completion : float, shape (n_ages,)
        Share of the ultimate that is paid at each age; nan where a link that it rests on is.
    paid, ultimate : float, shape (n_incurred,)
        Paid so far, and when all is paid; nan where the month's completion is. A month with
        nothing paid yet completes to nothing: see ``override_recent``.
    """

    links: Floats
    completion: Floats
    paid: Floats
    ultimate: Floats

    @property
    def unpaid(self) -> Floats:
        """What is still to be paid, by month incurred."""
        return self.ultimate - self.paid

    @property
    def ibnr(self) -> float:
        """What is still to be paid: incurred and not reported, or reported and not paid."""
        return float((self.ultimate - self.paid).sum())

    @property
    def factor(self) -> float:
        """Ultimate over paid, of all months together."""
        return float(self.ultimate.sum() / self.paid.sum())


def months_between(incurred: Any, paid: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the month incurred, counted from the earliest, and the age at payment.

    Parameters
    ----------
    incurred, paid : datetime64, shape (n_rows,)
        Any day of the month.

    Raises
    ------
    InputError
        A date is missing.

    >>> months_between(np.array(["2024-02-10"], "M8[D]"), np.array(["2024-05-01"], "M8[D]"))
    (array([0]), array([3]))
    """
    incurred, paid = (np.asarray(d).astype("datetime64[M]") for d in (incurred, paid))
    missing = int((np.isnat(incurred) | np.isnat(paid)).sum())
    if missing:
        raise InputError(f"{missing:,} claims have no month incurred or paid")
    months = incurred.astype(np.int64)
    first = months.min() if len(months) else 0
    return months - first, paid.astype(np.int64) - months


def triangle(
    incurred: NDArray[Any], age: NDArray[Any], paid: Floats,
    n_months: int | None = None, valued: int | None = None,
) -> Floats:  # fmt: skip
    """Return cumulative payments; nan at ages that have not been reached.

    Parameters
    ----------
    incurred, age : int, shape (n_rows,)
        Month incurred, from 0, and months from it to the payment.
    paid : float, shape (n_rows,)
        Dollars; a reversal is below zero.
    n_months
        Months incurred; without it, to the last that a row has.
    valued
        Month to which payments are known, counted like ``incurred``; without it, the last payment
        month that a row has. Give both where the newest months may have no rows.

    Returns
    -------
    float, shape (n_incurred, n_ages)

    Raises
    ------
    InputError
        There are no rows; a payment is no number, earlier than its month, or later than
        ``valued``; a month lies outside ``n_months``, or after ``valued``.
    """
    if not len(paid):
        raise InputError("No claims of the year: there is nothing to complete from")
    incurred, age = np.asarray(incurred, np.int64), np.asarray(age, np.int64)
    _check_rows(incurred, age, paid)
    n = int(incurred.max()) + 1 if n_months is None else n_months
    last = int((incurred + age).max()) if valued is None else valued
    outside = int(((incurred >= n) | (incurred + age > last)).sum())
    if outside:
        raise InputError(f"{outside:,} claims lie outside {n} months incurred and payments to "
                         f"month {last}, counted from 0")  # fmt: skip
    if not 1 <= n <= last + 1:
        raise InputError(f"{n} months incurred cannot all be valued at month {last}, counted from "
                         "0")  # fmt: skip
    made = np.zeros((n, last + 1))
    np.add.at(made, (incurred, age), paid)
    reached = np.arange(last + 1)[None, :] <= last - np.arange(n)[:, None]
    return np.where(reached, made.cumsum(1), np.nan)


def _check_rows(incurred: NDArray[np.int64], age: NDArray[np.int64], paid: Floats) -> None:
    if (incurred < 0).any():
        raise InputError(f"{int((incurred < 0).sum()):,} claims have a month before month 0")
    if (age < 0).any():
        raise InputError(f"{int((age < 0).sum()):,} claims are paid before the month they were "
                         "incurred in")  # fmt: skip
    if not np.isfinite(paid).all():
        raise InputError(f"{int((~np.isfinite(paid)).sum()):,} payments are no number")


def link_ratios(cumulative: Floats) -> Floats:
    """Return volume-weighted link ratios over all periods.

    1 where no period has both ages, or nothing was paid by either; nan where something was paid by
    the later age and nothing, or less, by the earlier.

    Parameters
    ----------
    cumulative : float, shape (n_incurred, n_ages)
    """
    before, after = cumulative[:, :-1], cumulative[:, 1:]
    both = np.isfinite(after)
    top, bottom = np.where(both, after, 0).sum(0), np.where(both, before, 0).sum(0)
    untold = np.where((top == 0) & (bottom == 0), 1.0, np.nan)
    return np.asarray(np.divide(top, bottom, out=untold, where=bottom > 0))


def chain_ladder(cumulative: Floats) -> Completion:
    """Complete a triangle by its own development, with no tail.

    Parameters
    ----------
    cumulative : float, shape (n_incurred, n_ages)
        See ``triangle``.

    Raises
    ------
    InputError
        Nothing is paid, a month has no first age, or a gap between ages.
    """
    known = np.isfinite(cumulative)
    if not known.size or not known[:, 0].all() or (known[:, 1:] & ~known[:, :-1]).any():
        raise InputError("a triangle has each month's payments from age 0 to its newest, no gaps")
    if not np.nansum(cumulative[:, 0]) and not np.nansum(cumulative):
        raise InputError("No claims are paid: there is nothing to complete from")
    links = link_ratios(cumulative)
    to_ultimate = np.append(np.cumprod(links[::-1])[::-1], 1.0)
    age = known.sum(1) - 1
    paid = cumulative[np.arange(len(age)), age]
    return Completion(links, 1 / to_ultimate, paid, paid * to_ultimate[age])


def completed(incurred: NDArray[Any], age: NDArray[Any], paid: Floats) -> Completion:
    """Complete rows of claims; see ``triangle`` and ``chain_ladder``.

    Raises
    ------
    InputError
        A month's completion cannot be told from the triangle.
    """
    found = chain_ladder(triangle(incurred, age, paid))
    untold = int(np.isnan(found.ultimate).sum())
    if untold:
        raise InputError(f"the newest {untold} months are as old as no month had payments at: "
                         "leave them out, or value the claims later")  # fmt: skip
    return found


def completed_by(
    category: NDArray[Any], incurred: NDArray[Any], age: NDArray[Any], paid: Floats
) -> Mapping[str, Completion]:
    """Complete each service category by its own triangle, all valued on the same month.

    Parameters
    ----------
    category : str, shape (n_rows,)
        Such as inpatient, professional, pharmacy.
    incurred, age, paid
        See ``triangle``.

    Returns
    -------
    Category to its months; every category has the same months. Ultimates are nan where they cannot
    be told, see ``Completion``.

    Raises
    ------
    InputError
        See ``triangle``; or nothing is paid in a category.
    """
    whole = triangle(incurred, age, paid)
    n, last = whole.shape[0], whole.shape[1] - 1
    return {
        str(name): chain_ladder(triangle(incurred[who], age[who], paid[who], n, last))
        for name in np.unique(category)
        for who in [category == name]
    }


def override_recent(
    found: Completion, exposure: Floats, months: int, trend: float, season: Floats | None = None
) -> Completion:
    """Replace the newest months, whose factors are thin, by the trended cost of the others.

    The other months' ultimates, trend and season taken out, over their exposure are one level per
    member month; a replaced month is level x trend x season x exposure, and never less than what
    is paid of it already.

    Parameters
    ----------
    exposure : float, shape (n_incurred,)
        Member months.
    months
        How many of the newest.
    trend
        Growth a month of cost per member month.
    season : float, shape (n_incurred,)
        Factor of each month incurred, see ``seasonality``; without it, no month is dearer.

    Raises
    ------
    OptionError
        No month would be left, the trend is no growth rate, or exposure or a factor is not above
        zero.
    """
    n = len(found.ultimate)
    if not 0 <= months < n:
        raise OptionError(f"the newest months are from 0 to {n - 1}, got {months}")
    if len(exposure) != n or not (exposure > 0).all():
        raise OptionError("exposure is above zero for every month incurred")
    season = np.ones(n) if season is None else season
    if len(season) != n or not (season > 0).all() or not trend > -1:
        raise OptionError("season is above zero for every month incurred, and trend above -1")
    size = (1 + trend) ** np.arange(n) * season
    kept, newest = slice(0, n - months), slice(n - months, n)
    level = (found.ultimate[kept] / size[kept]).sum() / exposure[kept].sum()
    recent = np.maximum(level * size[newest] * exposure[newest], found.paid[newest])
    ultimate = np.append(found.ultimate[kept], recent)
    return Completion(found.links, found.completion, found.paid, ultimate)


def with_margin(found: Completion, margin: float) -> Completion:
    """Raise what is still to be paid by a share, explicit because it is a judgement.

    Raises
    ------
    OptionError
        The margin is below 0.
    """
    if not margin >= 0:
        raise OptionError("a margin is 0 or more")
    unpaid = (found.ultimate - found.paid) * (1 + margin)
    return Completion(found.links, found.completion, found.paid, found.paid + unpaid)


def seasonality(pmpm: Floats, month: NDArray[np.integer]) -> Floats:
    """Return a factor a calendar month, mean 1 over the year.

    Parameters
    ----------
    pmpm : float, shape (n_months,)
        Completed cost per member month, trend taken out.
    month : int, shape (n_months,)
        1 to 12.

    Raises
    ------
    InputError
        A calendar month has no value, a month is not from 1 to 12, or cost is not above zero.
    """
    if ((month < 1) | (month > MONTHS)).any():
        raise InputError("calendar months are from 1 to 12")
    sums = np.bincount(month, pmpm, minlength=13)[1:13]
    counts = np.bincount(month, minlength=13)[1:13]
    if (counts == 0).any():
        raise InputError("seasonality needs every calendar month at least once")
    means = sums / counts
    if not means.mean() > 0:
        raise InputError("seasonality needs a cost per member month above zero")
    return np.asarray(means / means.mean())
