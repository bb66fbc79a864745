"""Completing claims that are not all paid yet.

References
----------
Chain ladder: Friedland, Estimating Unpaid Claims Using Basic Techniques (CAS 2010), chapter 7.
ASOP No. 5, Incurred Health and Disability Claims.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskadj.errors import InputError, OptionError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Completion:
    """Claims by month incurred, completed.

    Attributes
    ----------
    links : float, shape (n_ages - 1,)
        Volume-weighted all-period link ratios; the tail is 1.
    completion : float, shape (n_ages,)
        Share of the ultimate that is paid at each age.
    paid, ultimate : float, shape (n_incurred,)
        Paid so far, and when all is paid.
    """

    links: Floats
    completion: Floats
    paid: Floats
    ultimate: Floats

    @property
    def ibnr(self) -> float:
        """What is still to be paid."""
        return float((self.ultimate - self.paid).sum())

    @property
    def factor(self) -> float:
        """Ultimate over paid, of all months together."""
        return float(self.ultimate.sum() / self.paid.sum())


def triangle(incurred: NDArray[Any], age: NDArray[Any], paid: Floats) -> Floats:
    """Return cumulative payments; nan at ages that have not been reached.

    Parameters
    ----------
    incurred, age : int, shape (n_rows,)
        Month incurred, from 0, and months from it to the payment.
    paid : float, shape (n_rows,)
        Dollars.

    Returns
    -------
    float, shape (n_incurred, n_ages)
        The newest payment month is the last that any row has; ages past it are nan.

    Raises
    ------
    InputError
        There are no rows, or a payment is earlier than its month.
    """
    if not len(paid):
        raise InputError("No claims of the year: there is nothing to complete from")
    incurred, age = np.asarray(incurred, np.int64), np.asarray(age, np.int64)
    if (age < 0).any() or (incurred < 0).any():
        raise InputError(f"{int((age < 0).sum()):,} claims are paid before the month they were "
                         "incurred in")  # fmt: skip
    n = int(incurred.max()) + 1
    last = int((incurred + age).max())
    made = np.zeros((n, last + 1))
    np.add.at(made, (incurred, age), paid)
    reached = np.arange(last + 1)[None, :] <= last - np.arange(n)[:, None]
    return np.where(reached, made.cumsum(1), np.nan)


def link_ratios(cumulative: Floats) -> Floats:
    """Return volume-weighted link ratios over all periods; 1 where no period tells.

    Parameters
    ----------
    cumulative : float, shape (n_incurred, n_ages)
    """
    before, after = cumulative[:, :-1], cumulative[:, 1:]
    both = np.isfinite(after)
    top, bottom = np.where(both, after, 0).sum(0), np.where(both, before, 0).sum(0)
    return np.asarray(np.divide(top, bottom, out=np.ones_like(top), where=bottom > 0))


def chain_ladder(cumulative: Floats) -> Completion:
    """Complete a triangle by its own development, with no tail.

    Parameters
    ----------
    cumulative : float, shape (n_incurred, n_ages)
        See ``triangle``.

    Raises
    ------
    InputError
        Nothing is paid.
    """
    if not np.nansum(cumulative[:, 0]) and not np.nansum(cumulative):
        raise InputError("No claims are paid: there is nothing to complete from")
    links = link_ratios(cumulative)
    to_ultimate = np.append(np.cumprod(links[::-1])[::-1], 1.0)
    age = np.isfinite(cumulative).sum(1) - 1
    paid = cumulative[np.arange(len(age)), age]
    return Completion(links, 1 / to_ultimate, paid, paid * to_ultimate[age])


def completed(incurred: NDArray[Any], age: NDArray[Any], paid: Floats) -> Completion:
    """Complete rows of claims; see ``triangle`` and ``chain_ladder``."""
    return chain_ladder(triangle(incurred, age, paid))


def override_recent(found: Completion, exposure: Floats, months: int, trend: float) -> Completion:
    """Replace the newest months, whose factors are thin, by the trended cost of the others.

    Parameters
    ----------
    exposure : float, shape (n_incurred,)
        Member months.
    months
        How many of the newest.
    trend
        Growth a month of cost per member month.

    Raises
    ------
    OptionError
        No month would be left, or exposure is not above zero.
    """
    n = len(found.ultimate)
    if not 0 <= months < n:
        raise OptionError(f"the newest months are from 0 to {n - 1}, got {months}")
    if len(exposure) != n or not (exposure > 0).all():
        raise OptionError("exposure is above zero for every month incurred")
    kept = slice(0, n - months)
    middle = np.arange(n)
    detrended = found.ultimate[kept] / (1 + trend) ** middle[kept]
    level = detrended.sum() / exposure[kept].sum()
    recent = level * (1 + trend) ** middle[n - months :] * exposure[n - months :]
    ultimate = np.append(found.ultimate[kept], np.maximum(recent, found.paid[n - months :]))
    return Completion(found.links, found.completion, found.paid, ultimate)


def with_margin(found: Completion, margin: float) -> Completion:
    """Raise what is still to be paid by a share, explicit because it is a judgement.

    Raises
    ------
    OptionError
        The margin is below 0.
    """
    if margin < 0:
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
        A calendar month has no value.
    """
    sums = np.bincount(month, pmpm, minlength=13)[1:13]
    counts = np.bincount(month, minlength=13)[1:13]
    if (counts == 0).any():
        raise InputError("seasonality needs every calendar month at least once")
    means = sums / counts
    return np.asarray(means / means.mean())
