"""Sufficient statistics are exact: the same bits in any order, and equal to a plain loop."""

from fractions import Fraction

import numpy as np
import pytest
from scipy import sparse

from riskadj.errors import InputError, ModelFolderError
from riskadj.training.archive import (
    arrays_hash,
    load_arrays,
    load_statistics,
    save_statistics,
    segment_arrays,
    segment_statistics,
)
from riskadj.training.statistics import (
    BATCH_ROWS,
    MOST_CENTS,
    Rows,
    accumulate,
    capped_cost,
    summed,
)
from riskadj.training.uncertainty import in_sample_r2
from tests.training.cohorts import BLOCKS, NAMES, Cohort, columns_of, count, draw_cohort

COHORT = draw_cohort(4000, 1)


def plain_sums(cohort: Cohort, cost) -> tuple:
    """The slow twin: member by member, in Python integers."""
    p = len(NAMES)
    gram = [[0] * p for _ in range(p)]
    members = [[0] * p for _ in range(p)]
    moment, squares = [0] * p, Fraction(0)
    for x, m, t in zip(cohort.design.tolist(), cohort.months.tolist(), cost.tolist(), strict=True):
        squares += Fraction(t * t, m)
        for i in range(p):
            moment[i] += x[i] * t
            for j in range(p):
                gram[i][j] += m * x[i] * x[j]
                members[i][j] += x[i] * x[j]
    return gram, members, moment, squares


def test_equals_a_plain_loop() -> None:
    cost = capped_cost(COHORT.paid, COHORT.months, 25_000)

    found = summed(count(COHORT.rows(cost)))[0]

    gram, members, moment, squares = plain_sums(COHORT, cost)
    assert found.gram.tolist() == gram
    assert found.members.tolist() == members
    assert found.cost.tolist() == moment
    assert found.squares == squares


def test_cents_of_cells_add_up_to_what_was_paid() -> None:
    found = summed(count(COHORT.rows()))[0]

    assert int(found.cost[:3].sum()) == 12 * int(COHORT.paid.sum()) == found.total_cost


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_same_bits_in_any_order_chunks_and_jobs(jobs: int) -> None:
    whole = count(COHORT.rows())
    order = np.random.default_rng(jobs).permutation(len(COHORT.months))
    parts = [COHORT.take(p).rows() for p in np.array_split(order, 7)]

    assert count(*parts, jobs=jobs).sha256 == whole.sha256


def test_statistics_add() -> None:
    half = len(COHORT.months) // 2
    first, second = (count(COHORT.take(s).rows()) for s in (slice(half), slice(half, None)))

    assert (first + second).sha256 == count(COHORT.rows()).sha256


def test_statistics_of_other_columns_are_not_added() -> None:
    rows = COHORT.rows()
    other = accumulate([rows], columns_of(("other", NAMES)), BLOCKS, [])

    with pytest.raises(InputError, match="differ"):
        count(rows) + other


def test_a_year_is_two_half_years() -> None:
    whole = Cohort(COHORT.design, np.full(4000, 12), COHORT.paid * 2, COHORT.block)
    half = Cohort(COHORT.design, np.full(4000, 6), COHORT.paid, COHORT.block)

    year, halves = (summed(s)[0] for s in (count(whole.rows()), count(half.rows(), half.rows())))

    np.testing.assert_array_equal(year.gram, halves.gram)
    np.testing.assert_array_equal(year.cost, halves.cost)
    assert year.squares == halves.squares


def test_large_costs_stay_exact() -> None:
    paid = np.full(COHORT.months.shape, MOST_CENTS)
    cohort = Cohort(COHORT.design, COHORT.months, paid, COHORT.block)

    found = summed(count(cohort.rows()))[0]

    assert found.squares == sum(Fraction((12 * MOST_CENTS) ** 2, int(m)) for m in COHORT.months)


def test_segments_do_not_mix() -> None:
    columns = columns_of(("a", ("x", "y")), ("b", ("x",)))
    design = sparse.csr_array([[1.0, 1, 0], [0, 0, 1], [1, 0, 0]])
    rows = Rows(design, np.array([0, 1, 0], np.int8), np.array([12, 6, 3]), np.array([24, 12, 6]),
                np.array([0, 1, 0]), np.array([[True, True, False]]))  # fmt: skip

    found = accumulate([rows], columns, 2, ["some"])

    a, b = summed(found)
    assert a.gram.tolist() == [[15, 12], [12, 12]]
    assert b.gram.tolist() == [[6]]
    assert (a.total_months, b.total_months, a.total_cost, b.total_cost) == (15, 6, 30, 12)
    assert a.group_months.tolist() == [[12, 12]]
    assert (a.group_members.tolist(), b.group_members.tolist()) == ([1], [1])
    assert b.group_cost.tolist() == [12]


def test_a_batch_too_long_to_be_exact_is_refused() -> None:
    n = BATCH_ROWS + 1
    none = np.zeros(n, np.int64)
    rows = Rows(sparse.csr_array((n, len(NAMES))), none.astype(np.int8), np.full(n, 12), none, none,
                np.zeros((0, n), np.bool_))  # fmt: skip

    with pytest.raises(ValueError, match="exact"):
        count(rows)


def test_r2_from_statistics_is_r2_from_residuals() -> None:
    found = summed(count(COHORT.rows()))[0]
    cents = np.linalg.solve(found.gram, found.cost)

    y, w = 12 * COHORT.paid / COHORT.months, COHORT.months / 12
    left = w @ (y - COHORT.design @ cents) ** 2
    around = w @ (y - np.average(y, weights=w)) ** 2

    assert in_sample_r2([found], [cents]) == pytest.approx(1 - left / around, abs=1e-12)


def test_saved_statistics_come_back(tmp_path) -> None:
    statistics = count(COHORT.rows())
    save_statistics(tmp_path / "s.npz", statistics)

    assert load_statistics(tmp_path / "s.npz").sha256 == statistics.sha256
    assert (tmp_path / "s.npz").stat().st_mode & 0o777 == 0o600


def test_segment_statistics_come_back() -> None:
    own = summed(count(COHORT.rows()))[0]

    again = segment_statistics(segment_arrays({"all": own}))["all"]

    assert arrays_hash(segment_arrays({"all": again})) == arrays_hash(segment_arrays({"all": own}))


def test_a_pickle_is_not_read(tmp_path) -> None:
    path = tmp_path / "s.npz"
    np.savez(path, a=np.array([{"x": 1}], dtype=object))

    with pytest.raises(ModelFolderError, match="plain arrays"):
        load_arrays(path)


def test_one_changed_number_changes_the_hash() -> None:
    arrays = segment_arrays({"all": summed(count(COHORT.rows()))[0]})
    before = arrays_hash(arrays)
    arrays["all.gram"][2, 3] += 1

    assert arrays_hash(arrays) != before
