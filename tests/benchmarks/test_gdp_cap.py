"""What "growth at GDP or less" can mean, each form worked by hand on BEA's levels."""

import datetime as dt
import itertools
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.replay import replay
from riskadj.errors import InputError, NotPublishedError, OptionError
from tests.benchmarks.gdp import BASE, TERMS, TREND, gdp_run, table, trend, value

GDP = {2017: 19612.1, 2018: 20656.5, 2019: 21540.0, 2020: 21354.1, 2021: 23681.2, 2022: 26006.9,
       2023: 27720.7}  # fmt: skip
"""BEA nominal GDP, billions of dollars, table 1.1.5 as taken in June 2025."""
GROWTH = [GDP[y] / GDP[y - 1] - 1 for y in range(2019, 2024)]
FORMS = ("uncapped", "same_year", "same_year_floor_0", "average", "cumulative")


def _hand(form: str) -> float:
    """Return the target per member month of A's aged at unchanged risk of 1.02, by hand."""
    base = 11_000_000 / 12_000 * 1.02
    if form == "same_year":
        return base * math.prod(1 + min(t, g) for t, g in zip(TREND, GROWTH, strict=True))
    if form == "same_year_floor_0":
        return base * math.prod(1 + min(t, max(g, 0)) for t, g in zip(TREND, GROWTH, strict=True))
    if form == "average":
        levels = {2016: 18804.9, **GDP}
        average = [(levels[y] / levels[y - 3]) ** (1 / 3) - 1 for y in range(2019, 2024)]
        return base * math.prod(1 + min(t, a) for t, a in zip(TREND, average, strict=True))
    uncapped = math.prod(1 + t for t in TREND)
    return base * (min(uncapped, GDP[2023] / GDP[2018]) if form == "cumulative" else uncapped)


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_what_it_says_on_gdp_levels(form: str) -> None:
    terms = {"form": form}
    if form == "uncapped":
        terms |= {"index": None, "margin": None}
    if form == "average":
        terms |= {"average_years": "3"}

    found = value(gdp_run(**terms), "target_pmpm_usd", "A", "aged")

    assert found == pytest.approx(_hand(form), abs=0.0051)


def test_the_fall_of_2020_lowers_a_target_unless_the_cap_has_a_floor() -> None:
    flat = trend([0.05, 0.05])
    fallen = value(gdp_run(year=2020, rates=flat), "target_pmpm_usd", "A", "aged")
    held = value(gdp_run(year=2020, rates=flat, form="same_year_floor_0"),
                 "target_pmpm_usd", "A", "aged")  # fmt: skip

    assert GROWTH[1] == pytest.approx(-0.00863, abs=5e-6)
    assert fallen / held == pytest.approx(GDP[2020] / GDP[2019], abs=1e-5)


def test_unused_room_is_carried_on_only_under_the_cumulative_form() -> None:
    low_then_high = trend([0.0, 0.0, 0.0, 0.0, 0.25])
    capped = value(gdp_run(rates=low_then_high), "target_pmpm_usd", "A", "aged")
    banked = value(gdp_run(rates=low_then_high, form="cumulative"),
                   "target_pmpm_usd", "A", "aged")  # fmt: skip
    base = 11_000_000 / 12_000 * 1.02

    assert capped == pytest.approx(base * (GDP[2020] / GDP[2019]) * (1 + GROWTH[4]), abs=0.0051)
    assert banked == pytest.approx(base * 1.25, abs=0.0051)


def test_a_cap_on_raw_spending_counts_ageing_and_coding_and_the_wedge_says_how_much() -> None:
    raw, standardized = gdp_run(basis="raw"), gdp_run()
    risk = 1.02 ** (1 / 5)
    allowed = math.prod(min((1 + t) * risk, 1 + g) for t, g in zip(TREND, GROWTH, strict=True))

    assert value(raw, "target_pmpm_usd", "A", "aged") == pytest.approx(
        11_000_000 / 12_000 * allowed, abs=0.0051
    )
    difference = [value(standardized, "target_pmpm_usd", e, s)
                  - value(raw, "target_pmpm_usd", e, s)
                  for e, s in (("A", "aged"), ("B", "aged"))]  # fmt: skip
    wedge = [value(raw, "stratum_wedge_usd", e, s) for e, s in (("A", "aged"), ("B", "aged"))]
    assert wedge[0] == pytest.approx(difference[0] * 12_500, abs=130)
    assert wedge[1] < 0 < wedge[0]  # B's risk fell: a raw cap gives it more


def test_before_risk_counts_observed_risk_and_after_risk_what_the_program_pays_for() -> None:
    before = value(gdp_run(basis="raw"), "measured_risk_growth", "A", "disabled")
    after = value(gdp_run(basis="raw", order="after_risk"), "measured_risk_growth",
                  "A", "disabled")  # fmt: skip

    assert before == pytest.approx((1.25 / 1.1) ** (1 / 5), rel=1e-12)
    assert after == pytest.approx(1.03 ** (1 / 5), rel=1e-12)


def test_an_aggregate_cap_lets_one_stratum_grow_when_the_entity_does_not() -> None:
    apart = table("stratum,year,trend\naged,2019,0.01\ndisabled,2019,0.09", "trend.csv")
    own = gdp_run(year=2019, rates=apart)
    together = gdp_run(year=2019, rates=apart, level="aggregate")
    dollars = {"aged": 11_000_000, "disabled": 2_880_000}
    growth = (dollars["aged"] * 1.01 + dollars["disabled"] * 1.09) / sum(dollars.values())

    assert value(own, "standardized_factor", "A", "disabled") == pytest.approx(
        (1 + GROWTH[0]) / 1.09
    )
    assert value(together, "standardized_growth", "A", "aged", "2019") == pytest.approx(
        growth, rel=1e-12
    )
    assert value(together, "standardized_factor", "A", "disabled") == 1


def test_a_projected_index_is_read_as_it_was_when_the_target_was_announced() -> None:
    years = {"baseline_year": "2018", "index": "medicare_outlays_fiscal"}
    flat = trend([0.5, 0.5])
    announced = gdp_run(year=2020, rates=flat, true_up="projected", announced="2019-02-01", **years)
    final = gdp_run(year=2020, rates=flat, **years, known=dt.date(2026, 3, 1))

    projected = announced.nodes["index_growth"]
    assert projected.status == "projected"
    assert "2018-05-01" in projected.citation  # the newest that covers 2018 to 2020 whole
    assert final.nodes["index_growth"].status == "observed"
    assert value(final, "index_growth", "2020") == pytest.approx(768.924 / 643.876 - 1)


def test_a_baseline_older_than_its_rebasing_period_is_refused_with_the_year_to_give() -> None:
    with pytest.raises(OptionError, match="Give the spending of 2021 and baseline_year=2021"):
        gdp_run(rebasing_years="3")


@pytest.mark.parametrize("term", sorted(TERMS))
def test_no_term_has_a_default(term: str) -> None:
    with pytest.raises(OptionError, match=rf"needs 1 more term.*\n  {term} = "):
        gdp_run(**{term: None})


def test_an_unknown_term_is_refused() -> None:
    with pytest.raises(OptionError, match="no term 'cap'"):
        gdp_run(cap="1")


def test_five_for_five_per_cent_is_refused() -> None:
    with pytest.raises(InputError, match="rates are fractions"):
        gdp_run(rates=trend([5, 5, 5, 5, 5]))
    with pytest.raises(OptionError, match="rates are fractions"):
        gdp_run(margin="5")


def test_an_index_not_yet_known_is_refused() -> None:
    with pytest.raises(NotPublishedError, match="was not known on 2020-01-01"):
        gdp_run(known=dt.date(2020, 1, 1))


def test_no_member_months_make_a_row_that_is_not_calculable_and_says_why() -> None:
    ledger = gdp_run(BASE.replace("A,disabled,2400", "A,disabled,0"))
    found = ledger.nodes["target_usd"]

    assert value(ledger, "target_usd", "A") is None
    assert value(ledger, "target_usd", "B") is not None
    assert found.reasons == {"0": "member_months[disabled]: 0 is not above zero"}


def test_a_missing_stratum_is_not_calculable_and_not_zero() -> None:
    ledger = gdp_run(BASE.replace("B,disabled,1200,1500000,1.2,1300,1.21,1000000\n", ""))

    assert value(ledger, "target_usd", "B") is None
    assert "gives it" in ledger.nodes["target_usd"].reasons["1"]


def test_strata_add_up_to_the_entity() -> None:
    ledger = gdp_run()
    months = {"aged": 12_500, "disabled": 2_200}
    parts = sum(value(ledger, "target_pmpm_usd", "A", s) * m for s, m in months.items())

    assert value(ledger, "target_usd", "A") == pytest.approx(parts, rel=1e-12)


def test_settlement_shares_from_the_first_dollar_once_the_minimum_is_reached() -> None:
    ledger = gdp_run(settle=True)
    target = value(ledger, "target_usd", "B")
    gross = target - 7_900_000

    assert gross / target > 0.02
    assert value(ledger, "settlement_usd", "B") == pytest.approx(
        min(0.5 * gross, 0.1 * target), abs=0.0051
    )


@pytest.mark.parametrize(
    ("form", "basis", "level", "order"),
    list(itertools.product(FORMS, ("raw", "standardized"), ("stratum", "aggregate"),
                           ("before_risk", "after_risk"))),
)  # fmt: skip
def test_every_combination_replays_from_its_ledger_alone(form, basis, level, order) -> None:
    terms: dict[str, str | None] = {"form": form, "basis": basis, "level": level, "order": order}
    if form == "uncapped":
        terms |= {"index": None, "margin": None}
    if form == "average":
        terms |= {"average_years": "3"}
    record = json.loads(json.dumps(gdp_run(settle=True, **terms).record()))

    assert replay(record) == []


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-0.05, 0.15), min_size=5, max_size=5), st.sampled_from(FORMS[1:4]),
       st.sampled_from(("raw", "standardized")))  # fmt: skip
def test_a_cap_is_monotone_and_idempotent(rates, form, basis) -> None:
    terms = {"form": form, "basis": basis, "risk_growth_cap": "99"}
    terms |= {"average_years": "3"} if form == "average" else {}
    same_risk = BASE.replace(",1.02,", ",1.0,")

    def target(growth) -> float:
        ledger = gdp_run(same_risk, rates=trend(growth), **terms)
        return value(ledger, "target_pmpm_usd", "A", "aged")

    free = gdp_run(same_risk, rates=trend(rates), **terms)
    allowed = [value(free, "allowed_growth", "aged", str(y)) for y in range(2019, 2024)]
    capped = [min(r, a) for r, a in zip(rates, allowed, strict=True)]

    assert target(capped) == pytest.approx(target(rates), abs=0.0101)
    assert target([r + 0.01 for r in rates]) >= target(rates)
