"""Completing claims: the chain ladder, seasons, the newest months, margin."""

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.steps.completion import (
    chain_ladder,
    completed,
    completed_by,
    link_ratios,
    months_between,
    override_recent,
    seasonality,
    triangle,
    with_margin,
)
from riskadj.errors import InputError, OptionError

NAN = np.nan
PAID = [
    [410.25, 388.5, 96.75, 41.0, 12.5, -6.25, 3.0, 1.5],
    [432.0, 361.75, 120.5, 30.25, 18.0, 4.0, 2.25],
    [398.5, 420.0, 88.0, 52.75, 9.5, 7.0],
    [455.0, 377.25, 101.5, 36.5, 15.75],
    [402.75, 399.0, 110.25, 44.0],
    [367.5, 405.5, 93.0],
    [441.25, 372.0],
    [389.0],
]
"""Payments by month incurred and age, invented; with one reversal."""
LINKS = [1.9369679250150487, 1.1266085512660855, 1.0448268303375712, 1.0146306259021125,
         1.0016491623990973, 1.002749770852429, 1.0015860428231562]  # fmt: skip
ULTIMATE = [947.25, 970.2864789849326, 979.9849256878607, 991.9125440525559, 975.8033998114246,
            923.5632494153541, 977.1154184899476, 905.3027192006078]  # fmt: skip
IBNR = 769.2187356426833
"""What chainladder 0.10.1 gives: Development(average="volume"), then Chainladder."""
ROWS = [(i, a, x) for i, row in enumerate(PAID) for a, x in enumerate(row)]
INCURRED, AGE, AMOUNT = (np.array(x) for x in zip(*ROWS, strict=True))


def test_the_chain_ladder_gives_the_numbers_of_the_chainladder_package() -> None:
    found = completed(INCURRED, AGE, AMOUNT)

    np.testing.assert_allclose(found.links, LINKS, rtol=1e-12)
    np.testing.assert_allclose(found.ultimate, ULTIMATE, rtol=1e-12)
    assert found.ibnr == pytest.approx(IBNR, rel=1e-12)
    assert found.unpaid.sum() == found.ibnr
    assert found.completion[-1] == 1


@pytest.mark.filterwarnings("ignore")  # those of the package and of its pandas
def test_the_chain_ladder_is_that_of_the_package_where_it_is_installed() -> None:
    chainladder = pytest.importorskip("chainladder", reason="pip install chainladder to compare")
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        [(dt.date(2024, i + 1, 1), dt.date(2024, i + a + 1, 1), x) for i, a, x in ROWS],
        columns=["incurred", "paid", "usd"],
    )
    held = chainladder.Triangle(
        frame, origin="incurred", development="paid", columns="usd", cumulative=False
    ).incr_to_cum()
    fitted = chainladder.Chainladder().fit(
        chainladder.Development(average="volume").fit_transform(held)
    )

    found = completed(INCURRED, AGE, AMOUNT)

    np.testing.assert_allclose(found.ultimate, fitted.ultimate_.values.ravel(), rtol=1e-9)


def test_months_are_counted_from_the_earliest_incurred() -> None:
    incurred = np.array(["2023-11-30", "2024-02-01"], dtype="datetime64[D]")
    paid = np.array(["2024-01-15", "2024-02-29"], dtype="datetime64[D]")

    assert [x.tolist() for x in months_between(incurred, paid)] == [[0, 3], [2, 0]]
    with pytest.raises(InputError, match="1 claims have no month"):
        months_between(incurred, np.array(["2024-01-15", "NaT"], dtype="datetime64[D]"))


def test_newest_months_without_rows_stand_in_the_triangle_once_the_valuation_is_said() -> None:
    found = triangle(np.array([0, 1]), np.array([1, 0]), np.array([10.0, 20.0]), 3, 3)

    np.testing.assert_array_equal(
        found, [[0, 10, 10, 10], [20, 20, 20, NAN], [0, 0, NAN, NAN]]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("row", "shape", "said"),
    [((0, -1, 1.0), {}, "1 claims are paid before"),
     ((-1, 1, 1.0), {}, "1 claims have a month before month 0"),
     ((0, 0, NAN), {}, "1 payments are no number"),
     ((2, 0, 1.0), {"n_months": 2}, "1 claims lie outside 2 months"),
     ((0, 5, 1.0), {"valued": 4}, "1 claims lie outside 1 months incurred and payments to month 4"),
     ((0, 0, 1.0), {"n_months": 3, "valued": 1}, "3 months incurred cannot all be valued")],
)  # fmt: skip
def test_rows_that_fit_no_triangle_are_refused_and_counted(row, shape, said: str) -> None:
    with pytest.raises(InputError, match=said):
        triangle(*(np.array([x]) for x in row), **shape)


def test_a_triangle_with_gaps_or_nothing_paid_is_refused() -> None:
    for cumulative in ([[1.0, NAN, 3.0]], [[NAN, NAN]], np.zeros((0, 0))):
        with pytest.raises(InputError, match="no gaps"):
            chain_ladder(np.array(cumulative))
    with pytest.raises(InputError, match="No claims are paid"):
        chain_ladder(np.zeros((2, 1)))


def test_an_age_at_which_nothing_was_ever_paid_cannot_be_completed() -> None:
    """100 came after nothing: no ratio says how much comes after the newest month's nothing."""
    cumulative = np.array([[0.0, 100.0], [0.0, NAN]])

    assert np.isnan(link_ratios(cumulative)[0])
    assert np.isnan(chain_ladder(cumulative).ultimate).tolist() == [False, True]
    with pytest.raises(InputError, match="newest 1 months are as old as no month had payments at"):
        completed(np.array([0, 1]), np.array([1, 0]), np.array([100.0, 0.0]))
    replaced = override_recent(chain_ladder(cumulative), np.array([10.0, 20.0]), 1, 0.0)
    assert replaced.ultimate.tolist() == [100, 200]


def test_an_age_that_no_month_and_its_successor_paid_at_develops_by_nothing() -> None:
    assert link_ratios(np.array([[0.0, 0.0, 5.0], [0.0, 0.0, NAN]])).tolist()[0] == 1


def test_categories_complete_apart_on_one_valuation() -> None:
    """Drugs are paid at once; their newest month with rows is not when they were valued."""
    category = np.array(["drug", "drug", "stay", "stay", "stay"])
    incurred, age = np.array([0, 1, 0, 0, 1]), np.array([0, 0, 0, 1, 0])
    found = completed_by(category, incurred, age, np.array([5.0, 6.0, 100.0, 50.0, 80.0]))

    assert found["drug"].ultimate.tolist() == [5, 6]
    assert found["stay"].ultimate.tolist() == [150, 80 * 1.5]
    assert found["drug"].links.tolist() == [1]


def test_the_newest_months_are_level_times_trend_season_and_exposure() -> None:
    """At 1 % a month and a second month twice as dear, 2 kept months say $10 per member month."""
    found = chain_ladder(np.array([[100.0, 100, 100], [202.0, 202.0, NAN], [1.0, NAN, NAN]]))
    exposure, season = np.array([10.0, 10.0, 30.0]), np.array([1.0, 2.0, 0.5])

    replaced = override_recent(found, exposure, 1, 0.01, season)

    assert replaced.ultimate.tolist() == pytest.approx([100, 202, 10 * 1.01**2 * 0.5 * 30])
    assert replaced.paid.tolist() == found.paid.tolist()


def test_a_replaced_month_is_never_less_than_what_is_paid_of_it() -> None:
    found = chain_ladder(np.array([[100.0, 100.0], [500.0, NAN]]))

    assert override_recent(found, np.ones(2), 1, 0.0).ultimate.tolist() == [100, 500]
    assert override_recent(found, np.ones(2), 0, 0.0).ultimate.tolist() == [100, 500]


@pytest.mark.parametrize(
    ("exposure", "trend", "season"),
    [([1, 0, 1], 0, None), ([1, 1], 0, None), ([1, NAN, 1], 0, None), ([1, 1, 1], -1, None),
     ([1, 1, 1], NAN, None), ([1, 1, 1], 0, [1, 1, 0]), ([1, 1, 1], 0, [1, 1])],
)  # fmt: skip
def test_months_are_not_replaced_without_exposure_a_trend_and_a_season(
    exposure, trend, season
) -> None:
    found = chain_ladder(np.array([[1.0, 2, 3], [1, 2, NAN], [1, NAN, NAN]]))

    with pytest.raises(OptionError, match="above zero for every month"):
        override_recent(found, np.array(exposure, float), 1, trend, season and np.array(season))


def test_a_margin_that_is_no_number_is_refused() -> None:
    with pytest.raises(OptionError, match="0 or more"):
        with_margin(chain_ladder(np.ones((1, 1))), NAN)


@pytest.mark.parametrize("month", [0, 13])
def test_a_month_outside_the_calendar_has_no_season(month: int) -> None:
    with pytest.raises(InputError, match="from 1 to 12"):
        seasonality(np.ones(13), np.array([*range(1, 13), month]))


def test_seasons_of_no_cost_are_refused() -> None:
    with pytest.raises(InputError, match="above zero"):
        seasonality(np.zeros(12), np.arange(1, 13))


@given(st.lists(st.floats(1, 1e4), min_size=12, max_size=12))
def test_seasons_average_one_and_are_taken_out_again(pmpm) -> None:
    factors = seasonality(np.array(pmpm), np.arange(1, 13))

    assert factors.mean() == pytest.approx(1)
    np.testing.assert_allclose(factors * np.mean(pmpm), pmpm, rtol=1e-12)


@given(st.lists(st.lists(st.floats(1, 100), min_size=5, max_size=5), min_size=5, max_size=5),
       st.floats(0.01, 100))  # fmt: skip
def test_completed_claims_scale_with_the_claims_and_months_all_paid_stay(paid, size) -> None:
    full = np.array(paid).cumsum(1)
    cumulative = np.where(np.add.outer(np.arange(5), np.arange(5)) < 5, full, NAN)

    found = chain_ladder(cumulative)

    np.testing.assert_allclose(chain_ladder(cumulative * size).ultimate, found.ultimate * size)
    assert found.ultimate[0] == full[0, -1]
    assert (found.unpaid >= 0).all()
    assert with_margin(found, 0.05).ibnr == pytest.approx(1.05 * found.ibnr)
