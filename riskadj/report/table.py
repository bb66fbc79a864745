"""A table as the macros of a page lay it out."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """A table of text.

    Attributes
    ----------
    title
    head, rows
        One text a column.
    words
        How many columns from the left hold words; the rest hold numbers.
    note
        Stands below.
    folded
        Opened by the reader.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1
    note: str = ""
    folded: bool = False
