"""Tables of bands: rates that go by size, and shares that go by how much."""

from typing import Any

import numpy as np

from benchmarks.axes import Array


def interpolate(bands: Any, x: Array) -> Array:
    """Return the rate of each size, on a straight line between a band's ends.

    Parameters
    ----------
    bands
        Rows of lowest size, highest size, rate at the lowest, rate at the highest, in order. A last
        row whose highest is not finite has one rate.
    x
        Sizes; one below the first band has no rate (nan), and one between two bands (13.5 where the
        bands end at 13 and start at 14) that of the lower band's end.

    References
    ----------
    42 CFR 425.605(b)(1): "the MSR for an ACO ... is based on ... within the range".

    >>> interpolate([[5000, 5999, 0.039, 0.036], [60000, np.inf, 0.02, 0.02]],
    ...             np.array([5999.0, 70000.0, 10.0])).round(3)
    array([0.036, 0.02 ,   nan])
    """
    x = np.asarray(x, dtype=np.float64)
    rate = np.full(x.shape, np.nan)
    for low, high, first, last in bands:
        inside = x >= low
        share = (np.minimum(x, high) - low) / (high - low) if np.isfinite(high) else 0 * x
        rate = np.where(inside, first + (last - first) * share, rate)
    return rate


def band(bands: Any, x: Array) -> Array:
    """Return the value of the first band that a number does not exceed.

    Parameters
    ----------
    bands
        Rows of upper bound and value, in order.

    >>> band([[0.5, -6.0], [np.inf, 30.0]], np.array([0.5, 0.51]))
    array([-6., 30.])
    """
    x = np.asarray(x, dtype=np.float64)
    found = np.full(x.shape, np.nan)
    for upper, value in reversed(list(bands)):
        found = np.where(x <= upper, value, found)
    return found


def corridor(bands: Any, x: Array) -> Array:
    """Return what is kept of a gain or loss that is shared band by band.

    Marginal: the share of a band holds for the part inside it only. Losses as gains, with the sign
    turned.

    Parameters
    ----------
    bands
        Rows of upper bound and share kept, in order; the last bound is infinite. Bounds in the unit
        of ``x``, such as shares of a benchmark.

    >>> corridor([[0.25, 1.0], [np.inf, 0.5]], np.array([0.1, 0.35, -0.35])).round(3)
    array([ 0.1,  0.3, -0.3])
    """
    x = np.asarray(x, dtype=np.float64)
    size, kept, below = np.abs(x), np.zeros(x.shape), 0.0
    for upper, share in bands:
        kept = kept + share * np.maximum(np.minimum(size, upper) - below, 0)
        below = upper
    return np.sign(x) * kept
