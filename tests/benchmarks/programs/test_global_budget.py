"""A contract's global budget worked by hand: two strata, every term switched on, then settled."""

import datetime as dt

import pytest

from benchmarks.ledger import Ledger
from benchmarks.program import load_program
from benchmarks.replay import replay
from benchmarks.run import run
from benchmarks.terms import Request
from riskadj.errors import OptionError
from tests.benchmarks.gdp import table, value

BASE = {
    "adult": {"member_months": 10_000, "incurred_claims_usd": 5_000_000, "carve_out_usd": 400_000,
              "pooled_claims_usd": 600_000, "risk_score": 1.0, "performance_risk_score": 1.05,
              "manual_pmpm_usd": 420, "performance_member_months": 12_000,
              "performance_claims_usd": 5_800_000, "performance_carve_out_usd": 500_000,
              "performance_pooled_usd": 500_000, "unit_cost_trend": 0.04,
              "utilization_trend": 0.01, "mix_trend": 0.005},
    "child": {"member_months": 2_500, "incurred_claims_usd": 500_000, "carve_out_usd": 0,
              "pooled_claims_usd": 100_000, "risk_score": 0.5, "performance_risk_score": 0.5,
              "manual_pmpm_usd": 300, "performance_member_months": 2_000,
              "performance_claims_usd": 300_000, "performance_carve_out_usd": 0,
              "performance_pooled_usd": 0, "unit_cost_trend": 0.0, "utilization_trend": 0.0,
              "mix_trend": 0.0},
}  # fmt: skip
TERMS = {
    "carve_outs": "excluded", "pooling": "pooled", "pooling_charge_pmpm_usd": "50",
    "population": "risk", "population_growth_cap": "1.03", "trend_months": "24",
    "credibility": "limited_fluctuation", "full_credibility_member_months": "40000",
    "discount": "0.02", "administration": "percent", "administration_rate": "0.1",
}  # fmt: skip
SHARING = {"arrangement": "sharing", "minimum_rate": "0.02", "sharing_rate": "0.5",
           "loss_rate": "0.3", "gain_limit": "0.1", "loss_limit": "0.05"}  # fmt: skip
BANDS = {"arrangement": "corridor", "first_band": "0.03", "first_share": "1",
         "second_band": "0.08", "second_share": "0.5", "above_share": "0.1", "gain_limit": "1",
         "loss_limit": "1"}  # fmt: skip
# By hand. Adult: base 4,000,000 / 10,000 = 400; trend (1.04 x 1.01 x 1.005)^2; Z = sqrt(1/4) = .5;
# population 1.03, not 1.05. Child: base 400,000 / 2,500 = 160, 320 at a factor of 1; no trend;
# Z = sqrt(1/16) = .25; population .5.
ADULT_TREND = (1.04 * 1.01 * 1.005) ** 2
ADULT = ((0.5 * 400 * ADULT_TREND + 0.5 * 420) * 1.03 + 50) * 0.98
CHILD = ((0.25 * 320 + 0.75 * 300) * 0.5 + 50) * 0.98
BUDGET = 12_000 * round(ADULT, 2) + 2_000 * round(CHILD, 2)
ACTUAL = 5_800_000 - 500_000 - 500_000 + 300_000 + 14_000 * 50


def _run(
    changes: dict | None = None, settle: dict | None = None, adult: dict | None = None,
    **terms: str | None,
) -> Ledger:  # fmt: skip
    """Run the contract with changes to both strata, and to adults alone."""
    columns = list(BASE["adult"])
    own = {"adult": adult or {}, "child": {}}
    rows = [f"P,{s}," + ",".join(map(str, (held | (changes or {}) | own[s]).values()))
            for s, held in BASE.items()]  # fmt: skip
    asked = {k: v for k, v in {**TERMS, **(settle or {}), **terms}.items() if v is not None}
    parts = ("target", "settle") if settle else ("target",)
    known = dt.date(2026, 1, 1)
    text = "\n".join([f"entity_id,stratum,{','.join(columns)}", *rows])
    by_entity = "entity_id,revenue_usd\nP,7000000\n"
    tables = [table(text), table(by_entity, "revenue.csv")]
    return run(load_program("global-budget"), tables, Request(2026, known, asked, (), parts))


def test_budget_by_hand() -> None:
    ledger = _run()

    assert value(ledger, "base_pmpm_usd", "P", "adult") == 400
    assert value(ledger, "normalized_pmpm_usd", "P", "child") == 320
    assert value(ledger, "trend_factor", "adult") == pytest.approx(1.1144011)
    assert value(ledger, "credibility_z", "P", "adult") == 0.5
    assert value(ledger, "credibility_z", "P", "child") == 0.25
    assert value(ledger, "budget_pmpm_usd", "P", "adult") == 485.95
    assert value(ledger, "budget_pmpm_usd", "P", "child") == 198.45
    assert value(ledger, "budget_usd", "P") == 6_228_300.00
    assert value(ledger, "budget_usd", "P") == pytest.approx(BUDGET)
    assert value(ledger, "capitation_pmpm_usd", "P", "adult") == 539.94  # 485.95 / .9
    assert value(ledger, "capitation_usd", "P") == 6_920_280.00  # 539.94 and 220.50 a month
    assert replay(ledger.record()) == []


def test_levels_of_the_waterfall_add_up_from_base_to_budget() -> None:
    ledger = _run()
    expected = {
        "base_usd": 4_400_000, "members_usd": 12_000 * 400 + 2_000 * 160,
        "trended_usd": 12_000 * 400 * ADULT_TREND + 2_000 * 160,
        "blended_usd": 12_000 * (200 * ADULT_TREND + 210) + 2_000 * 305 * 0.5,
        "population_usd": 12_000 * (200 * ADULT_TREND + 210) * 1.03 + 2_000 * 152.5,
    }  # fmt: skip

    for step, usd in expected.items():
        assert value(ledger, step, "P") == pytest.approx(usd), step
    added = expected["population_usd"] + 14_000 * 50
    assert value(ledger, "charged_usd", "P") == pytest.approx(added)


def test_buhlmann_credibility_is_n_over_n_and_k() -> None:
    ledger = _run(credibility="buhlmann", full_credibility_member_months=None, buhlmann_k="7500")

    assert value(ledger, "credibility_z", "P", "adult") == pytest.approx(10 / 17.5)
    assert value(ledger, "credibility_z", "P", "child") == 0.25


def test_credibility_is_at_most_one() -> None:
    ledger = _run(full_credibility_member_months="2500")

    assert value(ledger, "credibility_z", "P", "adult") == 1


def test_full_credibility_needs_no_manual_rate() -> None:
    ledger = _run({"manual_pmpm_usd": ""}, credibility="full", full_credibility_member_months=None)

    blended = value(ledger, "blended_pmpm_usd", "P", "adult")
    assert blended == pytest.approx(400 * ADULT_TREND)
    assert replay(ledger.record()) == []


def test_without_pool_carve_out_and_population_the_base_is_all_claims() -> None:
    ledger = _run({"pooled_claims_usd": "", "carve_out_usd": "", "risk_score": ""},
                  carve_outs="included", pooling="none", pooling_charge_pmpm_usd=None,
                  population="none", credibility="full", full_credibility_member_months=None,
                  discount="0", administration="none", administration_rate=None)  # fmt: skip

    assert value(ledger, "budget_pmpm_usd", "P", "adult") == round(500 * ADULT_TREND, 2)
    assert value(ledger, "capitation_usd", "P") == value(ledger, "budget_usd", "P")


def test_administration_per_member_month_is_added() -> None:
    ledger = _run(administration="pmpm", administration_rate=None, administration_pmpm_usd="30")

    assert value(ledger, "capitation_pmpm_usd", "P", "adult") == 515.95


@pytest.mark.parametrize("name", ["trend_months", "discount", "credibility", "pooling"])
def test_no_term_has_a_default(name: str) -> None:
    with pytest.raises(OptionError, match=name):
        _run(**{name: None})


def test_a_term_is_asked_for_only_where_another_calls_for_it() -> None:
    with pytest.raises(OptionError, match="buhlmann_k"):
        _run(credibility="buhlmann", full_credibility_member_months=None)


def test_sharing_by_hand() -> None:
    ledger = _run(settle=SHARING)
    gap = BUDGET - ACTUAL  # 6,228,300 - 5,800,000 = 428,300, 6.9 percent

    assert value(ledger, "actual_usd", "P") == ACTUAL == 5_800_000
    assert value(ledger, "gross_usd", "P") == pytest.approx(gap)
    assert value(ledger, "settlement_usd", "P") == 214_150.00
    assert replay(ledger.record()) == []


def test_savings_below_the_minimum_are_not_shared() -> None:
    assert value(_run(settle=SHARING | {"minimum_rate": "0.07"}), "settlement_usd", "P") == 0


def test_full_capitation_keeps_all_within_the_limits() -> None:
    full = {"arrangement": "full", "gain_limit": "1", "loss_limit": "1"}

    assert value(_run(settle=full), "settlement_usd", "P") == 428_300.00
    capped = _run(settle=full | {"gain_limit": "0.05"})
    assert value(capped, "settlement_usd", "P") == 311_415.00  # 5 percent of 6,228,300
    lost = _run({"performance_claims_usd": 7_000_000}, full | {"loss_limit": "0.05"})
    assert value(lost, "settlement_usd", "P") == -311_415.00


def test_corridor_is_marginal_and_turns_its_sign_for_losses() -> None:
    gained = _run(settle=BANDS)
    rate = 428_300 / 6_228_300  # 6.88 percent: 3 points whole, the rest half
    kept = 0.03 + 0.5 * (rate - 0.03)
    assert value(gained, "settlement_usd", "P") == pytest.approx(kept * BUDGET, abs=0.01)

    # Twice 428,300 more of cost: a loss of the size of the gain
    lost = _run(settle=BANDS, adult={"performance_claims_usd": 5_800_000 + 2 * 428_300})
    assert value(lost, "settlement_usd", "P") == -value(gained, "settlement_usd", "P")
    assert replay(lost.record()) == []


def test_corridor_above_the_second_band() -> None:
    ledger = _run({"performance_claims_usd": 500_000, "performance_pooled_usd": 0,
                   "performance_carve_out_usd": 0}, BANDS)  # fmt: skip
    rate = 1 - (1_000_000 + 700_000) / BUDGET

    kept = 0.03 + 0.5 * 0.05 + 0.1 * (rate - 0.08)
    assert value(ledger, "settlement_usd", "P") == pytest.approx(kept * BUDGET, abs=0.01)


def test_medical_loss_ratio_shares_what_it_is_under_its_target() -> None:
    # 5,800,000 / 7,000,000 = 82.857 percent against 85: 2.143 points of 7,000,000 = 150,000
    ledger = _run(settle={"arrangement": "medical_loss_ratio", "target_loss_ratio": "0.85",
                          "sharing_rate": "0.5", "loss_rate": "0.5", "gain_limit": "1",
                          "loss_limit": "1"})  # fmt: skip

    assert value(ledger, "loss_ratio", "P") == pytest.approx(5.8 / 7)
    assert value(ledger, "gross_usd", "P") == pytest.approx(150_000)
    assert value(ledger, "settlement_usd", "P") == 75_000.00
    assert replay(ledger.record()) == []
