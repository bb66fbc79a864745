"""Two federal caps that ended: the determinations of 1899A and the physician fee update."""

import datetime as dt

import pytest

from benchmarks.ledger import Ledger
from benchmarks.program import load_program
from benchmarks.replay import replay
from benchmarks.run import run
from benchmarks.terms import Request
from tests.benchmarks.gdp import table, value

AFTER = dt.date(2026, 11, 1)


def _ipab(year: int, **held: float) -> Ledger:
    row = {"projected_medicare_usd": 600e9, **held}
    rows = f"entity_id,{','.join(row)}\nUS,{','.join(map(str, row.values()))}\n"
    return run(load_program("ipab"), [table(rows)], Request(year, AFTER))


def _sgr(year: int, known: dt.date = AFTER, **held: float) -> Ledger:
    row = {"fee_growth": 0, "enrollment_growth": 0, "gdp_growth": 0, "law_growth": 0, **held}
    rows = f"entity_id,{','.join(row)}\nUS,{','.join(map(str, row.values()))}\n"
    return run(load_program("sgr"), [table(rows)], Request(year, known))


def test_2013_found_1_15_percent_against_3_03_and_asked_for_nothing() -> None:
    # Office of the Actuary, letter of 30 April 2013; the parts of 3.03 percent were not found
    ledger = _ipab(2013, medicare_growth=0.0115, published_target_growth=0.0303)

    assert value(ledger, "excess", "US") == pytest.approx(-0.0188)
    assert value(ledger, "exceeds", "US") == 0
    assert value(ledger, "required_savings_usd", "US") == 0
    assert replay(ledger.record()) == []


def test_before_2018_the_target_is_the_mean_of_two_price_indices() -> None:
    ledger = _ipab(2017, medicare_growth=0.03, cpi_u_growth=0.02, cpi_medical_growth=0.036,
                   gdp_per_capita_growth=0.09)  # fmt: skip

    assert value(ledger, "target_growth", "US") == pytest.approx(0.028)


def test_after_2017_the_target_is_gdp_per_person_and_one_point() -> None:
    ledger = _ipab(2018, medicare_growth=0.06, cpi_u_growth=0.02, cpi_medical_growth=0.036,
                   gdp_per_capita_growth=0.04)  # fmt: skip

    assert value(ledger, "target_growth", "US") == pytest.approx(0.05)


@pytest.mark.parametrize(("year", "most"), [
    (2013, 0.005), (2014, 0.01), (2015, 0.0125), (2016, 0.015), (2019, 0.015),
])  # fmt: skip
def test_savings_are_the_excess_up_to_the_percent_of_the_implementation_year(year, most) -> None:
    far = _ipab(year, medicare_growth=0.08, published_target_growth=0.03)
    near = _ipab(year, medicare_growth=0.032, published_target_growth=0.03)

    assert value(far, "required_savings_usd", "US") == pytest.approx(most * 600e9)
    assert value(near, "required_savings_usd", "US") == pytest.approx(0.002 * 600e9)
    assert replay(far.record()) == []


def test_sustainable_growth_of_2006_is_2_5_percent() -> None:
    # Oregon Rheumatology Alliance, SGR 2006: fees 2.8, enrolment -2.5, real GDP per person 2.3
    ledger = _sgr(2006, fee_growth=0.028, enrollment_growth=-0.025, gdp_growth=0.023)

    assert round(value(ledger, "sustainable_growth", "US"), 3) == 0.025


@pytest.mark.parametrize(("year", "allowed", "actual", "part"), [
    # ASPE, Short-Term Fixes to the Sustainable Growth Rate Process (2006), table 9: target and
    # actual spending in $bn, previous-year part of the factor; the factor is of the next year
    (2000, 56.6, 55.1, 0.02), (2001, 59.3, 66.3, -0.08), (2002, 67.6, 69.1, -0.02),
    (2003, 71.7, 77.8, -0.06), (2004, 77.1, 84.9, -0.07), (2005, 80.4, 93.3, -0.10),
    (2006, 81.7, 97.4, -0.12), (2007, 82.3, 98.3, -0.12), (2008, 85.5, 100.3, -0.11),
])  # fmt: skip
def test_part_of_the_year_before_in_the_adjustment_factor(year, allowed, actual, part) -> None:
    ledger = _sgr(year + 1, prior_allowed_usd=allowed * 1e9, prior_actual_usd=actual * 1e9)

    assert round(value(ledger, "year_part", "US"), 2) == part
    assert value(ledger, "adjustment_factor", "US") is None  # not without the accumulated gap
    assert replay(ledger.record()) == []


def test_adjustment_factor_by_hand_and_within_its_bounds() -> None:
    # .75 x (99 - 100)/100 + .33 x (490 - 500)/(100 x 1.02) = -.0075 - .0323529 = -.0398529
    held = {"mei_growth": 0.03, "fee_growth": 0.02, "prior_allowed_usd": 99e9,
            "prior_actual_usd": 100e9, "cumulative_actual_usd": 500e9}  # fmt: skip
    inside = _sgr(2008, cumulative_allowed_usd=490e9, **held)
    below = _sgr(2008, cumulative_allowed_usd=450e9, **held)
    above = _sgr(2008, cumulative_allowed_usd=550e9, **held)

    assert value(inside, "adjustment_factor", "US") == pytest.approx(-0.0398529, abs=1e-7)
    assert value(inside, "update", "US") == pytest.approx(1.03 * (1 - 0.0398529) - 1, abs=1e-7)
    assert value(inside, "allowed_usd", "US") == pytest.approx(100.98e9)
    assert value(below, "adjustment_factor", "US") == -0.07
    assert value(above, "adjustment_factor", "US") == 0.03
    assert replay(inside.record()) == []


@pytest.mark.parametrize(("year", "index", "factor", "update"), [
    # Federal Register updates: 5.0 percent in 2001 (index 2.1) and -4.8 in 2002 (index 2.6, from
    # memory); ASPE table 9, effective factor 0.03 and -0.07
    (2001, 0.021, 0.03, 0.050), (2002, 0.026, -0.07, -0.048),
])  # fmt: skip
def test_published_updates_with_the_transitional_points(year, index, factor, update) -> None:
    ledger = _sgr(year, mei_growth=index, published_adjustment_factor=factor)

    assert round(value(ledger, "update", "US"), 3) == update
    assert value(ledger, "update_applied", "US") == value(ledger, "update", "US")


def test_conversion_factor_of_2006_before_congress() -> None:
    # ASPE figure 2: 37.8972 x 1.0290 x 0.9300 x 0.9985 = 36.2121; then law kept 37.8972
    ledger = _sgr(2006, mei_growth=0.029, published_adjustment_factor=-0.07,
                  other_adjustment=-0.0015, prior_conversion_factor_usd=37.8972)  # fmt: skip

    assert value(ledger, "conversion_factor_usd", "US") == pytest.approx(36.2121, abs=5e-4)
    assert value(ledger, "update_applied", "US") == 0


@pytest.mark.parametrize(("year", "applied"), [
    # 68 FR 9567 (2003); 42 USC 1395w-4(d)(5) to (d)(15)
    (2003, 0.016), (2004, 0.015), (2005, 0.015), (2006, 0.0), (2007, 0.0), (2008, 0.005),
    (2009, 0.011), (2010, 0.0), (2011, 0.0), (2012, 0.0), (2013, 0.0), (2014, 0.005),
])  # fmt: skip
def test_law_put_other_updates_in_the_formulas_place(year: int, applied: float) -> None:
    ledger = _sgr(year, mei_growth=0.02, published_adjustment_factor=-0.07)

    assert value(ledger, "update_applied", "US") == applied
    assert value(ledger, "update", "US") < -0.04
    assert replay(ledger.record()) == []


def test_the_cut_of_2003_stood_until_the_rule_of_february() -> None:
    known = dt.date(2003, 2, 27)
    ledger = _sgr(2003, known, mei_growth=0.03, published_adjustment_factor=-0.07)

    assert round(value(ledger, "update_applied", "US"), 3) == -0.044
