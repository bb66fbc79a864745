"""The axes that every number of a program lies along."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

AXES = ("scenario", "entity", "stratum", "base_year", "year")
"""Scenarios of a projection; who is paid; enrolment types or other strata; the years a baseline is
made of; the years from the baseline to the performance year."""

Array = NDArray[Any]
"""Numbers (float64, nan = not calculable) or text (str, "" = not given), one dimension an axis;
length 1 where a number does not vary."""


def laid_out(values: Any, axes: tuple[str, ...]) -> Array:
    """Return an array whose dimensions are ``axes`` as one with a dimension for each of ``AXES``.

    >>> laid_out([1.0, 2.0], ("stratum",)).shape
    (1, 1, 2, 1, 1)
    """
    array = np.asarray(values)
    array = array.astype(str) if array.dtype.kind in "OU" else array.astype(np.float64)
    shape = iter(array.shape)
    return array.reshape([next(shape) if axis in axes else 1 for axis in AXES])


def along(axis: str) -> int:
    """Return the dimension of an axis."""
    return AXES.index(axis)
