"""Looking a value up in a table by what an entity says it is."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.axes import Array


def look_up(table: Mapping[str, Any], keys: Sequence[Array]) -> Array:
    """Return the table's value for each cell's key; nan, or "" for text, where it has none.

    Parameters
    ----------
    table
        Key to a number or text; with more keys, key to such a table.
    keys
        Text, or whole numbers; arrays that broadcast together.

    >>> look_up({"A": 0.4, "EN": 0.75}, [np.array(["EN", "A", "?"])])
    array([0.75, 0.4 ,  nan])
    """
    first, rest = key_text(keys[0]), keys[1:]
    shape = np.broadcast_shapes(*(np.shape(k) for k in keys))
    text = isinstance(_a_leaf(table), str)
    found = np.full(shape, "" if text else np.nan, dtype=object if text else np.float64)
    for key in np.unique(first):
        if str(key) in table:
            value = table[str(key)]
            value = look_up(value, rest) if rest else value
            found = np.where(first == key, value, found)
    return found.astype(str) if text else found


def key_text(keys: Array) -> Array:
    """Return keys as the text that tables are written with; whole numbers without a point."""
    keys = np.asarray(keys)
    if keys.dtype.kind == "U":
        return keys
    return np.array([f"{k:g}" for k in keys.ravel().tolist()]).reshape(keys.shape)


def _a_leaf(table: Any) -> Any:
    while isinstance(table, Mapping):
        table = next(iter(table.values()))
    return table
