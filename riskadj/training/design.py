"""The columns of a regression: for each segment, the variables that its model may price."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from riskadj.features.rulebook import Rulebook
from riskadj.scoring.raw import live_rows, places, with_codes


@dataclass(frozen=True, slots=True)
class Columns:
    """Every (segment, variable) of a model as one column, segments side by side.

    Attributes
    ----------
    names
        The variables of each segment, in the order of the model's own tables.
    offsets : int, shape (n_segments + 1,)
        Where each segment's columns start.
    of_bit : int32, shape (n_bits, n_segments)
        The column of a rulebook bit in a segment, -1 if the segment does not price it.
    of_profile : int32, shape (n_profiles, k)
        The columns of a profile's demographic variables in its own segment, padded with -1.
    bits
        The rulebook bits that have a column in some segment.
    """

    segments: tuple[str, ...]
    names: tuple[tuple[str, ...], ...]
    offsets: NDArray[np.int64]
    of_bit: NDArray[np.int32]
    of_profile: NDArray[np.int32]
    bits: tuple[int, ...]

    @property
    def n_columns(self) -> int:
        """How many columns there are in all."""
        return int(self.offsets[-1])

    def place(self, segment: int) -> slice:
        """Return the columns of a segment."""
        return slice(int(self.offsets[segment]), int(self.offsets[segment + 1]))


def design_columns(book: Rulebook) -> Columns:
    """List the columns of a compiled model.

    A variable has a column in the segments where the model publishes a coefficient for it, a
    published 0.000 too: that a fit may find more is the point of refitting.
    """
    cells = [np.flatnonzero(book.cell_priced[:, s]) for s in range(len(book.segments))]
    bits = [np.flatnonzero(book.priced[:, s]) for s in range(len(book.segments))]
    names = tuple(
        (*(book.cell_names[c] for c in cell), *(book.names[int(b)] for b in bit))
        for cell, bit in zip(cells, bits, strict=True)
    )
    offsets = np.concatenate(([0], np.cumsum([len(n) for n in names]))).astype(np.int64)
    of_bit = np.full((book.n_bits, len(book.segments)), -1, dtype=np.int32)
    of_cell = np.full((len(book.cell_names), len(book.segments)), -1, dtype=np.int32)
    for s, (cell, bit) in enumerate(zip(cells, bits, strict=True)):
        of_cell[cell, s] = offsets[s] + np.arange(len(cell))
        of_bit[bit, s] = offsets[s] + len(cell) + np.arange(len(bit))
    used = tuple(int(b) for b in np.flatnonzero((of_bit >= 0).any(axis=1)))
    return Columns(book.segments, names, offsets, of_bit, _of_profile(book, of_cell), used)


def _of_profile(book: Rulebook, of_cell: NDArray[np.int32]) -> NDArray[np.int32]:
    """List the cell columns of every profile in its own segment."""
    own = of_cell[:, book.segment_of]
    cell, profile = np.nonzero(book.cells & (own >= 0))
    order = np.argsort(profile, kind="stable")
    cell, profile = cell[order], profile[order]
    counts = np.bincount(profile, minlength=book.profiles.size)
    rank = np.arange(len(profile)) - np.repeat(np.cumsum(counts) - counts, counts)
    table = np.full((book.profiles.size, int(counts.max())), -1, dtype=np.int32)
    table[profile, rank] = own[cell, profile]
    return table


def design_matrix(
    words: NDArray[np.int64], profile: NDArray[np.int32], book: Rulebook, columns: Columns
) -> sparse.csr_array:
    """Return the 0/1 design of members, each in the own segment.

    Parameters
    ----------
    words : int64, shape (n_words, n_members)
        Code bits, as the engine gives them.
    profile : int32, shape (n_members,)

    Returns
    -------
    csr_array of float64, shape (n_members, n_columns)
    """
    segment = book.segment_of[profile]
    row, k = np.nonzero(columns.of_profile[profile] >= 0)
    rows: list[NDArray[np.int64]] = [row]
    cols: list[NDArray[np.int32]] = [columns.of_profile[profile[row], k]]
    for who in with_codes(words):
        live = live_rows(words.take(who, axis=1), profile[who], book)
        place, bit = places(live, columns.bits)
        column = columns.of_bit[bit, segment[who[place]]]
        there = column >= 0
        rows.append(who[place[there]].astype(np.int64))
        cols.append(column[there])
    index = np.concatenate(rows), np.concatenate(cols)
    shape = (len(profile), columns.n_columns)
    return sparse.csr_array((np.ones(len(index[0])), index), shape=shape)
