"""Exact sufficient statistics: one pass over members, the same bits in any order.

Cost enters as t = min(12 x paid, K x months) in twelfths of a cent, weights as whole months. Every
sum is of integers below 2^53, so float64 products are exact and neither row order, chunks nor
workers change a bit. This holds for 0/1 columns; predictions or prior costs as columns would not.

With G = X'MX in months and c = X't, the coefficients of weighted least squares (weight months/12,
outcome annualised cost) in cents a year solve G b = c.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice, pairwise
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy import sparse

from riskadj.errors import InputError
from riskadj.training.design import Columns

BATCH_ROWS = 1 << 17
LIMB = 18
"""A cost is two limbs of 18 bits: 2^36 x 2^17 rows stays at 2^53."""
MOST_CENTS = (1 << 2 * LIMB) // 12 - 1
"""The largest paid amount of a member-year, some 57 million dollars."""
COUNT = 1 << 27
"""Members and months travel in one float64: members x 2^27 + months."""
MOST_MEMBERS = COUNT // 13


@dataclass(frozen=True, slots=True)
class Rows:
    """Some members, ready to be counted.

    Attributes
    ----------
    design : csr_array of 0/1, shape (n, n_columns)
    segment : int8, shape (n,)
    months : int, shape (n,)
        1-12.
    cost : int64, shape (n,)
        Twelfths of a cent, capped: ``capped_cost``.
    block : int, shape (n,)
    groups : bool, shape (n_groups, n)
        Members of the named groups.
    """

    design: sparse.csr_array
    segment: NDArray[np.int8]
    months: NDArray[np.int64]
    cost: NDArray[np.int64]
    block: NDArray[np.int64]
    groups: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Statistics:
    """The sufficient statistics of a population, by block and segment.

    Attributes
    ----------
    segments, names
        Column names of each segment.
    months, members : csr_array of int32, shape (n_blocks, n_pairs)
        Sums over members with both columns of a pair; pairs of a segment are its p x p matrix,
        row by row (``pairs_of``).
    cost : int64, shape (n_blocks, n_columns)
        X't.
    total_months, total_cost, total_members : int64, shape (n_blocks, n_segments)
    squares : int64, shape (3, n_blocks, n_segments, 13)
        Sums of t² by months, as the limb products (high², high x low, low²).
    group_months : int64, shape (n_groups, n_columns)
        X'M1 over the members of each named group.
    group_total_months, group_cost, group_members : int64, shape (n_groups, n_segments)
    """

    segments: tuple[str, ...]
    names: tuple[tuple[str, ...], ...]
    group_names: tuple[str, ...]
    months: sparse.csr_array
    members: sparse.csr_array
    cost: NDArray[np.int64]
    total_months: NDArray[np.int64]
    total_cost: NDArray[np.int64]
    total_members: NDArray[np.int64]
    squares: NDArray[np.int64]
    group_months: NDArray[np.int64]
    group_total_months: NDArray[np.int64]
    group_cost: NDArray[np.int64]
    group_members: NDArray[np.int64]

    def __add__(self, other: "Statistics") -> "Statistics":
        """Pool the statistics of two populations that share no member.

        Raises
        ------
        InputError
            They count other columns, groups or blocks.
        """
        same = ("segments", "names", "group_names")
        if any(getattr(self, n) != getattr(other, n) for n in same) or (
            self.cost.shape != other.cost.shape
        ):
            raise InputError("statistics: columns, groups or blocks differ: they cannot be added")
        sums = {n: getattr(self, n) + getattr(other, n) for n in self.__slots__ if n not in same}
        return Statistics(*(getattr(self, n) for n in same), **sums)

    @property
    def n_blocks(self) -> int:
        """How many blocks there are."""
        return int(self.cost.shape[0])

    @property
    def sha256(self) -> str:
        """The hash of every array's kind, shape and bytes, and of the names."""
        return self.hash_with("")

    def hash_with(self, prefix: str) -> str:
        """Return the hash of a text and of all that ``sha256`` covers."""
        names = (self.segments, self.names, self.group_names)
        digest = hashlib.sha256(prefix.encode() + repr(names).encode())
        for name, array in self.arrays().items():
            digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return every number as a plain array."""
        found: dict[str, NDArray[Any]] = {}
        for name in self.__slots__[3:]:
            value = getattr(self, name)
            if sparse.issparse(value):
                found |= {f"{name}_{p}": getattr(value, p) for p in ("data", "indices", "indptr")}
            else:
                found[name] = value
        return found

    def pairs_of(self, segment: int) -> slice:
        """Return the pair columns of a segment."""
        sizes = [len(n) ** 2 for n in self.names]
        start = sum(sizes[:segment])
        return slice(start, start + sizes[segment])

    def columns_of(self, segment: int) -> slice:
        """Return the columns of a segment."""
        sizes = [len(n) for n in self.names]
        start = sum(sizes[:segment])
        return slice(start, start + sizes[segment])


@dataclass(frozen=True, slots=True)
class SegmentStatistics:
    """One segment's statistics, summed over blocks.

    Attributes
    ----------
    names
        The columns.
    gram : float64, shape (p, p)
        X'MX in months; whole numbers.
    members : int64, shape (p, p)
        Members with both columns.
    cost : float64, shape (p,)
        X't in twelfths of a cent; whole numbers.
    term_months : float64, shape (p,), and term_members : int64, shape (p,)
        X'M1 and X'1.
    total_months, total_cost, total_members
        Of all members of the segment.
    squares
        y'Wy x 12 in cents² x months, exactly: sum of t²/months.
    explained
        What coefficients that are not fitted predict: sum of cents x months.
    group_months : float64, shape (n_groups, p)
    group_total_months, group_cost, group_members : shape (n_groups,)
    """

    names: tuple[str, ...]
    gram: NDArray[np.float64]
    members: NDArray[np.int64]
    cost: NDArray[np.float64]
    term_months: NDArray[np.float64]
    term_members: NDArray[np.int64]
    total_months: int
    total_cost: int
    total_members: int
    squares: Fraction
    explained: int
    group_months: NDArray[np.float64]
    group_total_months: NDArray[np.float64]
    group_cost: NDArray[np.float64]
    group_members: NDArray[np.int64]


def capped_cost(
    paid_cents: NDArray[np.int64], months: NDArray[np.int64], cap_usd: int
) -> NDArray[np.int64]:
    """Return cost in twelfths of a cent: min(12 x paid, K x months), K the annual cap (0: none).

    >>> capped_cost(np.array([100, 5_000_000]), np.array([12, 6]), 25_000).tolist()
    [1200, 15000000]
    """
    cost = 12 * paid_cents.astype(np.int64)
    return np.minimum(cost, 100 * cap_usd * months.astype(np.int64)) if cap_usd else cost


def accumulate(
    batches: Iterable[Rows],
    columns: Columns,
    blocks: int,
    group_names: Sequence[str],
    jobs: int = 1,
) -> Statistics:
    """Count members in one pass.

    Parameters
    ----------
    batches
        Of at most ``BATCH_ROWS`` members each.
    jobs
        How many batches are counted at the same time, by threads.

    Returns
    -------
    Statistics
        The same bits for any order, batches or number of jobs.
    """
    empty = _empty(columns, blocks, tuple(group_names))
    packed: sparse.csr_array | None = None
    dense = {n: getattr(empty, n).copy() for n in empty.__slots__[5:]}
    rows = iter(batches)
    with Parallel(n_jobs=jobs, prefer="threads", batch_size=1) as run:
        # a few at a time: what is counted but not yet added must not pile up
        while window := list(islice(rows, jobs)):
            for pairs, parts in run(delayed(_count)(batch, empty) for batch in window):
                packed = pairs if packed is None else packed + pairs
                for name, part in parts.items():
                    dense[name] += part
    if int(dense["total_members"].sum()) > MOST_MEMBERS:
        raise InputError(f"over {MOST_MEMBERS:,} members: count them in parts and add the parts")
    months, members = _unpacked(packed, columns, blocks)
    return replace(empty, months=months, members=members, **dense)


def _empty(columns: Columns, blocks: int, group_names: tuple[str, ...]) -> Statistics:
    n_segments, n_groups = len(columns.segments), len(group_names)
    n_pairs = sum(len(n) ** 2 for n in columns.names)

    def zeros(*shape: int) -> NDArray[np.int64]:
        return np.zeros(shape, dtype=np.int64)

    pairs = sparse.csr_array((blocks, n_pairs), dtype=np.int32)
    by_segment = zeros(blocks, n_segments)
    by_group = zeros(n_groups, n_segments)
    return Statistics(
        segments=columns.segments, names=columns.names, group_names=group_names,
        months=pairs, members=pairs, cost=zeros(blocks, columns.n_columns),
        total_months=by_segment, total_cost=by_segment, total_members=by_segment,
        squares=zeros(3, blocks, n_segments, 13),
        group_months=zeros(n_groups, columns.n_columns), group_total_months=by_group,
        group_cost=by_group, group_members=by_group,
    )  # fmt: skip


def _count(rows: Rows, empty: Statistics) -> tuple[sparse.csr_array, dict[str, NDArray[np.int64]]]:
    """Count one batch: the packed pair sums, shape (n_blocks x n_columns, n_columns), and more."""
    if rows.design.shape[0] > BATCH_ROWS:
        raise ValueError(f"a batch has at most {BATCH_ROWS} rows: sums would not be exact")
    n_blocks, n_columns = empty.cost.shape
    n_segments = len(empty.segments)
    x = rows.design
    n_terms = np.diff(x.indptr)
    place = np.repeat(rows.block.astype(np.int64) * n_columns, n_terms) + x.indices
    weight = np.repeat((COUNT + rows.months).astype(np.float64), n_terms)
    by_block = sparse.csr_array((weight, place.astype(np.int32), x.indptr),
                                shape=(x.shape[0], n_blocks * n_columns))  # fmt: skip
    pairs = by_block.T.tocsr() @ x
    cell = rows.block.astype(np.int64) * n_segments + rows.segment
    where, shape = (cell, n_blocks * n_segments), (n_blocks, n_segments)
    cost = _sums(place, np.repeat(rows.cost, n_terms), n_blocks * n_columns)
    return pairs, {
        "cost": cost.reshape(n_blocks, n_columns),
        "total_months": _sums(where[0], rows.months, where[1]).reshape(shape),
        "total_cost": _sums(where[0], rows.cost, where[1]).reshape(shape),
        "total_members": np.bincount(cell, minlength=where[1]).reshape(shape),
        "squares": _squares(rows, cell, where[1]).reshape(3, *shape, 13),
        **_group_sums(rows, n_segments),
    }


def _sums(place: NDArray[Any], values: NDArray[Any], n: int) -> NDArray[np.int64]:
    """Add whole numbers by place, exactly."""
    return np.bincount(place, values.astype(np.float64), minlength=n).astype(np.int64)


def _squares(rows: Rows, cell: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    high, low = rows.cost >> LIMB, rows.cost & ((1 << LIMB) - 1)
    place = cell * 13 + rows.months
    return np.stack([_sums(place, v, n * 13) for v in (high * high, high * low, low * low)])


def _group_sums(rows: Rows, n_segments: int) -> dict[str, NDArray[np.int64]]:
    n_groups = len(rows.groups)
    month = rows.groups * rows.months.astype(np.float64)
    found = {"group_months": (month @ rows.design).astype(np.int64)}
    summands = {"group_total_months": rows.months, "group_cost": rows.cost,
                "group_members": np.ones_like(rows.cost)}  # fmt: skip
    for name, values in summands.items():
        by_group = [_sums(rows.segment[g], values[g], n_segments) for g in rows.groups]
        found[name] = np.array(by_group, dtype=np.int64).reshape(n_groups, n_segments)
    return found


def _unpacked(
    packed: sparse.csr_array | None, columns: Columns, blocks: int
) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Turn packed sums of (block, column) x column into rows of blocks: months and members."""
    sizes = np.array([len(n) for n in columns.names], dtype=np.int64)
    starts = np.concatenate(([0], np.cumsum(sizes**2)))
    shape = (blocks, int(starts[-1]))
    if packed is None:
        empty = sparse.csr_array(shape, dtype=np.int32)
        return empty, empty
    packed.sort_indices()
    left = np.arange(columns.n_columns)
    segment = np.searchsorted(columns.offsets, left, side="right") - 1
    first = columns.offsets[segment]
    base = (starts[segment] + (left - first) * sizes[segment] - first).astype(np.int32)
    pair = np.repeat(np.tile(base, blocks), np.diff(packed.indptr))
    pair += packed.indices
    ends = packed.indptr[:: columns.n_columns]
    members, months = np.divmod(packed.data, COUNT)
    return (
        sparse.csr_array((months.astype(np.int32), pair, ends), shape=shape),
        sparse.csr_array((members.astype(np.int32), pair, ends), shape=shape),
    )


def summed(statistics: Statistics) -> list[SegmentStatistics]:
    """Add up the blocks of every segment."""
    totals = tuple(
        np.asarray(pairs.sum(axis=0)).ravel() for pairs in (statistics.months, statistics.members)
    )
    return [_summed(statistics, s, *totals) for s in range(len(statistics.segments))]


def _summed(
    statistics: Statistics, segment: int, months: NDArray[np.int64], counts: NDArray[np.int64]
) -> SegmentStatistics:
    p = len(statistics.names[segment])
    pairs, columns = statistics.pairs_of(segment), statistics.columns_of(segment)
    gram, members = months[pairs].reshape(p, p), counts[pairs].reshape(p, p)
    return SegmentStatistics(
        names=statistics.names[segment], gram=gram.astype(np.float64), members=members,
        cost=statistics.cost[:, columns].sum(axis=0).astype(np.float64),
        term_months=np.diag(gram).astype(np.float64), term_members=np.diag(members),
        total_months=int(statistics.total_months[:, segment].sum()),
        total_cost=int(statistics.total_cost[:, segment].sum()),
        total_members=int(statistics.total_members[:, segment].sum()),
        squares=exact_squares(statistics.squares[:, :, segment].sum(axis=1)), explained=0,
        group_months=statistics.group_months[:, columns].astype(np.float64),
        group_total_months=statistics.group_total_months[:, segment].astype(np.float64),
        group_cost=statistics.group_cost[:, segment].astype(np.float64),
        group_members=statistics.group_members[:, segment],
    )  # fmt: skip


def exact_squares(limbs: NDArray[np.int64]) -> Fraction:
    """Return the sum of t²/months from limb products of shape (3, 13), exactly."""
    total = Fraction(0)
    for m in range(1, 13):
        high, cross, low = (int(v) for v in limbs[:, m])
        total += Fraction((high << 2 * LIMB) + (cross << LIMB + 1) + low, m)
    return total


def batches_of(n: int) -> Iterable[slice]:
    """Cut ``n`` rows into batches that ``accumulate`` takes."""
    edges = [*range(0, n, BATCH_ROWS), n]
    return (slice(a, b) for a, b in pairwise(edges))
