"""How an ACO REACH benchmark comes about, worked by hand; CMS publishes no inputs of it."""

import datetime as dt
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.ledger import Ledger, unverified
from benchmarks.policy import load_parameter
from benchmarks.program import load_program
from benchmarks.replay import replay
from benchmarks.run import run
from benchmarks.tables import Table
from benchmarks.terms import Request
from tests.benchmarks.gdp import value
from tests.benchmarks.programs.aco import Aco

STRATA = ("AD", "ESRD")
AFTER = dt.date(2026, 11, 1)
BASE = {"base_pbpm_usd": 1000, "base_risk_score": 1, "base_gaf": 1, "base_uspcc_usd": 900}
STRATUM = {
    "performance_uspcc_usd": 900, "performance_gaf": 1, "regional_rate_usd": 1000,
    "raw_risk_score": 1, "normalization_factor": 1, "reference_risk_score": 1,
    "demographic_ratio": 1, "coding_intensity_factor": 1, "member_months": 12_000,
    "reference_member_months": 12_000,
}  # fmt: skip
ACO = {"arrangement": "Global", "aco_type": "Standard", "quality_score": 1,
       "equity_top_months": 0, "equity_second_months": 0, "equity_third_months": 0,
       "equity_bottom_months": 0}  # fmt: skip


_tables = Aco(STRATA, BASE, STRATUM, ACO).tables


def _run(
    tables: list[Table], year: int = 2025, known: dt.date = AFTER, form: str = "ratio",
    parts: tuple = ("target",),
) -> Ledger:  # fmt: skip
    terms = {"demographic_form": form} if "target" in parts else {}
    ledger = run(load_program("reach"), tables, Request(year, known, terms, (), parts))
    assert replay(json.loads(json.dumps(ledger.record()))) == []
    return ledger


def test_a_benchmark_worked_by_hand_from_base_years_to_dollars() -> None:
    base = {("AD", "BY1"): {"base_pbpm_usd": 900, "base_risk_score": 0.96, "base_gaf": 1.02,
                            "base_uspcc_usd": 850},
            ("AD", "BY2"): {"base_pbpm_usd": 950, "base_uspcc_usd": 880},
            ("AD", "BY3"): {"base_pbpm_usd": 1010, "base_risk_score": 1.01}}  # fmt: skip
    strata = {"AD": {"performance_uspcc_usd": 1100, "performance_gaf": 1.01,
                     "regional_rate_usd": 1300, "raw_risk_score": 1.12,
                     "normalization_factor": 1.08, "reference_risk_score": 1.02,
                     "demographic_ratio": 1.005, "coding_intensity_factor": 1.008,
                     "member_months": 60_000, "reference_member_months": 50_000}}  # fmt: skip
    aco = {"quality_score": 0.9, "equity_top_months": 1000, "equity_second_months": 2000,
           "equity_third_months": 3000, "equity_bottom_months": 30_000}  # fmt: skip

    ledger = _run(_tables(aco, strata, base))

    historical = (0.1 * 900 * (1100 / 850) * (1.01 / 1.02) / 0.96
                  + 0.3 * 950 * (1100 / 880) * 1.01 / 1
                  + 0.6 * 1010 * (1100 / 900) * 1.01 / 1.01)  # fmt: skip
    effect = min(0.45 * (1300 - historical), 0.03 * 1100)  # 33.00 binds
    score = 1.12 / 1.08 / 1.008  # growth of 1.7 percent is below the cap
    pbpm = (historical + effect) * score
    before = 60_000 * pbpm + 12_000 * 1000
    discounted = before * (1 - 0.04)
    final = discounted * (1 - 0.02 * (1 - 0.9))
    assert effect == 0.03 * 1100
    assert value(ledger, "historical_rate_usd", "A", "AD") == pytest.approx(historical)
    assert value(ledger, "payment_risk_score", "A", "AD") == pytest.approx(score)
    assert value(ledger, "benchmark_pbpm_usd", "A", "AD") == pytest.approx(pbpm)
    assert value(ledger, "discounted_usd", "A") == pytest.approx(discounted)
    assert value(ledger, "final_benchmark_usd", "A") == pytest.approx(final, abs=0.0051)
    assert value(ledger, "equity_adjustment_usd", "A") == (
        30 * 1000 + 20 * 2000 + 10 * 3000 - 6 * 30_000
    )


def test_weights_of_base_years_sum_to_1() -> None:
    for held in load_parameter("reach_base_year_weight").values:
        assert sum(held.value.values()) == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize(("year", "share"), [(2021, 0.35), (2022, 0.35), (2023, 0.40),
                                             (2024, 0.45), (2025, 0.45), (2026, 0.40)])  # fmt: skip
def test_the_regional_rate_counts_for_more_each_year_until_cms_held_and_lowered_it(
    year, share
) -> None:
    ledger = _run(_tables(regional_rate_usd=1010), year=year)

    assert value(ledger, "blended_rate_usd", "A", "AD") == pytest.approx(1000 + share * 10)


def test_the_schedule_known_before_july_2024_is_kept_for_runs_of_that_time() -> None:
    before = _run(_tables(regional_rate_usd=1010), known=dt.date(2024, 7, 30))
    after = _run(_tables(regional_rate_usd=1010), known=dt.date(2024, 7, 31))

    assert value(before, "regional_share", "A") == 0.50
    assert value(after, "regional_share", "A") == 0.45
    assert value(before, "discount_usd", "A") == pytest.approx(0.035 * 1005 * 24_000)
    assert value(after, "discount_usd", "A") == pytest.approx(0.04 * 1004.5 * 24_000)


@pytest.mark.parametrize(
    ("year", "regional", "effect"),
    [(2024, 1500, 0.05 * 900), (2025, 1500, 0.03 * 900), (2025, 700, -0.02 * 900),
     (2025, 1020, 0.45 * 20), (2025, 980, -0.45 * 20)],
)  # fmt: skip
def test_the_regional_effect_is_limited_by_the_uspcc(year, regional, effect) -> None:
    ledger = _run(_tables(regional_rate_usd=regional), year=year)

    assert value(ledger, "limited_effect_usd", "A", "AD") == pytest.approx(effect)


@settings(max_examples=15, deadline=None)
@given(st.floats(500, 2000), st.sampled_from((2022, 2024, 2026)))
def test_a_blend_of_equals_is_that(rate, year) -> None:
    base = {(s, b): {"base_pbpm_usd": rate} for s in STRATA for b in ("BY1", "BY2", "BY3")}
    ledger = _run(_tables(base=base, regional_rate_usd=rate), year=year)

    assert value(ledger, "blended_rate_usd", "A", "AD") == pytest.approx(rate, rel=1e-12)


@pytest.mark.parametrize(
    ("year", "form", "demographic", "score", "expected"),
    [(2023, "ratio", 1.02, 1.10, 1.03), (2023, "ratio", 1.02, 0.90, 0.97),
     (2025, "ratio", 1.02, 1.10, 1.03 * 1.02), (2025, "points", 1.02, 1.10, 1.05),
     (2025, "ratio", 0.98, 0.90, 0.97 * 0.98), (2025, "points", 0.98, 0.90, 0.95),
     (2025, "ratio", 1.02, 1.04, 1.04)],
)  # fmt: skip
def test_risk_grows_and_falls_3_percent_at_most_beyond_demographics_from_2024(
    year, form, demographic, score, expected
) -> None:
    tables = _tables(demographic_ratio=demographic, raw_risk_score=score * 1.1,
                     normalization_factor=1.1)  # fmt: skip
    ledger = _run(tables, year=year, form=form)

    assert value(ledger, "capped_risk_score", "A", "AD") == pytest.approx(expected)


@settings(max_examples=15, deadline=None)
@given(st.floats(0.7, 1.4), st.floats(0.95, 1.05), st.sampled_from(("ratio", "points")))
def test_the_cap_on_risk_is_monotone_and_idempotent(score, demographic, form) -> None:
    def capped(held: float) -> float:
        ledger = _run(_tables(raw_risk_score=held, demographic_ratio=demographic), form=form)
        return value(ledger, "capped_risk_score", "A", "AD")

    once = capped(score)

    assert capped(once) == pytest.approx(once, rel=1e-12)
    assert capped(score + 0.01) >= once


def test_an_aco_three_times_its_reference_size_is_exempt_from_the_cap() -> None:
    just = _run(_tables(raw_risk_score=1.2, reference_member_months=4000))
    below = _run(_tables(raw_risk_score=1.2, reference_member_months=4001))

    assert value(just, "capped_risk_score", "A", "AD") == 1.2
    assert value(below, "capped_risk_score", "A", "AD") == pytest.approx(1.03)


@pytest.mark.parametrize(
    ("kind", "year", "factor", "expected"),
    [("Standard", 2025, 1.004, 1.004), ("Standard", 2025, 1.03, 1.01),
     ("High Needs", 2025, 1.03, 1.01), ("High Needs", 2026, 1.03, 1.02),
     ("Standard", 2026, 1.03, 1.01)],
)  # fmt: skip
def test_the_coding_factor_lowers_scores_by_1_percent_at_most(kind, year, factor, expected) -> None:
    ledger = _run(_tables({"aco_type": kind}, coding_intensity_factor=factor), year=year)

    assert value(ledger, "coded_risk_score", "A", "AD") == pytest.approx(1 / expected)


@pytest.mark.parametrize(("kind", "year", "expected"), [
    ("Standard", 2025, 1.08 * 1.03), ("Standard", 2026, 1.03), ("High Needs", 2026, 1.08 * 1.05),
])  # fmt: skip
def test_in_2026_a_second_cap_looks_back_to_2019(kind, year, expected) -> None:
    # 8 percent from 2019 to the reference year, which no cap limited, and 5 percent since.
    tables = _tables({"aco_type": kind}, reference_risk_score=1.08, raw_risk_score=1.08 * 1.05)
    ledger = _run(tables, year=year)

    assert value(ledger, "payment_risk_score", "A", "AD") == pytest.approx(expected)


@pytest.mark.parametrize(
    ("arrangement", "year", "discount"),
    [("Global", 2021, 0.02), ("Global", 2022, 0.02), ("Global", 2023, 0.03), ("Global", 2024, 0.03),
     ("Global", 2025, 0.04), ("Professional", 2025, 0)],
)  # fmt: skip
def test_only_global_is_discounted(arrangement, year, discount) -> None:
    ledger = _run(_tables({"arrangement": arrangement}), year=year)

    assert value(ledger, "discount_usd", "A") == pytest.approx(24_000_000 * discount)


@pytest.mark.parametrize(
    ("year", "score", "improved", "lost"),
    [(2022, 1, "", 0), (2022, 0.8, "", 0.05 * 0.2), (2025, 0.8, 1, 0.02 * 0.2),
     (2025, 0.8, 0, 0.02 * 0.6), (2026, 0, 1, 0.05)],
)  # fmt: skip
def test_the_withhold_is_earned_back_by_score_and_halved_where_improvement_is_missed(
    year, score, improved, lost
) -> None:
    aco = {"arrangement": "Professional", "quality_score": score, "met_improvement": improved}
    ledger = _run(_tables(aco), year=year)

    assert value(ledger, "final_benchmark_usd", "A") == pytest.approx(24_000_000 * (1 - lost))


@pytest.mark.parametrize(
    ("year", "expected"),
    [(2022, 0), (2023, 30_000 - 12_000), (2024, 30_000 + 20_000 + 10_000 - 12_000)],
)
def test_equity_pays_by_decile_from_2023_and_finer_from_2024(year, expected) -> None:
    aco = {f"equity_{d}_months": m for d, m in
           (("top", 1000), ("second", 1000), ("third", 1000), ("bottom", 2000))}  # fmt: skip

    assert value(_run(_tables(aco), year=year), "equity_adjustment_usd", "A") == expected


def test_target_and_settlement_run_together_on_the_computed_benchmark() -> None:
    aco = {"total_cost_usd": 22_000_000, "equity_top_months": 1000, "benchmark_usd": 99_000_000}
    both = _run(_tables(aco), year=2025, parts=("target", "settle"))
    alone = _run(_tables(aco), year=2025, parts=("settle",))

    gross = 24_000_000 * 0.96 - 22_000_000 + 30_000  # 1,070,000, in the first band
    assert value(both, "gross_usd", "A") == pytest.approx(gross, abs=0.01)
    assert value(both, "paid_usd", "A") == pytest.approx(gross * 0.98, abs=0.01)
    assert value(alone, "gross_usd", "A") == 77_000_000


def test_a_missing_category_is_not_calculable_and_not_zero() -> None:
    base, strata, aco = _tables()
    ledger = _run([base, Table(strata.name, strata.columns, strata.rows[:1]), aco])

    assert value(ledger, "blended_rate_usd", "A", "AD") == 1000
    assert value(ledger, "final_benchmark_usd", "A") is None
    assert "gives it" in ledger.nodes["final_benchmark_usd"].reasons["0"]


def test_no_member_months_are_not_calculable_with_the_reason() -> None:
    ledger = _run(_tables(strata={"ESRD": {"member_months": 0}}))

    assert ledger.nodes["final_benchmark_usd"].reasons == {
        "0": "member_months[ESRD]: 0 is not above zero"
    }


def test_a_type_of_aco_whose_blend_was_not_established_is_not_calculable() -> None:
    ledger = _run(_tables({"aco_type": "High Needs"}), year=2022)

    assert value(ledger, "final_benchmark_usd", "A") is None
    assert "has no 'High Needs'" in ledger.nodes["final_benchmark_usd"].reasons["0"]


def test_what_rests_on_memory_says_so() -> None:
    found = {name for name, _, _ in unverified(_run(_tables()).record())}

    assert {"trend_factor", "capped_growth", "withhold_usd", "reach_equity_pbpm", "reach_discount",
            "reach_regional_limit", "reach_improvement_missed"} <= found  # fmt: skip
    assert not {"reach_base_year_weight", "reach_regional_share", "reach_quality_withhold"} & found
