"""Rounding as a rule says, and only where it does."""

from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

import numpy as np

from benchmarks.axes import Array


def round_half_up(x: Array, places: Any) -> Array:
    """Round numbers, halves away from zero, as they are written in decimals.

    >>> round_half_up(np.array([2.675, -0.5]), np.array(2)), round_half_up(np.array([2.5]), 0)
    (array([ 2.68, -0.5 ]), array([3.]))
    """
    step = Decimal(1).scaleb(-int(np.max(places)))
    flat = np.asarray(x, dtype=np.float64).ravel().tolist()
    with localcontext(prec=400):
        rounded = [float(Decimal(repr(v)).quantize(step, ROUND_HALF_UP)) if np.isfinite(v)
                   else np.nan for v in flat]  # fmt: skip
    return np.array(rounded).reshape(np.shape(x))
