"""Variables built from live conditions: groups, flags, terms and payment counts."""

import numpy as np
from numpy.typing import NDArray

from riskadj.features.conditions import Rows
from riskadj.features.rulebook import Rulebook


def add_variables(rows: Rows, profile: NDArray[np.int32], book: Rulebook) -> None:
    """Fill the rows of groups, flags, terms and counts from the live categories."""
    for bit, members in book.groups:
        np.any(rows[list(members)], axis=0, out=rows[bit])
    for bit, flag in book.flags:
        rows[bit] = flag[profile]
    for bit, needs in book.terms:
        np.all(rows[list(needs)], axis=0, out=rows[bit])
    n_conditions = rows[: book.n_categories].sum(axis=0, dtype=np.int16)
    for bit, least, most in book.counts:
        rows[bit] = (n_conditions >= least) & (n_conditions <= most)
