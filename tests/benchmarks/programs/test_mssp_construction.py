"""How a Shared Savings Program benchmark comes about, worked by hand; CMS publishes no inputs."""

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

STRATA = ("ESRD", "DISABLED", "AGED_DUAL", "AGED_NON_DUAL")
AFTER = dt.date(2026, 11, 1)
BASE = {"base_expenditure_per_capita_usd": 10_000, "base_risk_score": 1, "base_person_years": 1000,
        "national_trend_factor": 1, "regional_trend_factor": 1}  # fmt: skip
STRATUM = {
    "assignable_share": 0.2, "performance_assignable_share": 0.25,
    "regional_per_capita_usd": 10_000, "national_by3_usd": 10_000,
    "national_performance_usd": 10_600, "regional_by3_usd": 10_000,
    "regional_performance_usd": 10_400, "acpt_growth": 0.049, "risk_score": 1,
    "demographic_ratio": 1, "person_years": 1000,
}  # fmt: skip
ACO = {"agreement_start": "2024-01-01", "agreement_period": 1, "regional_adjustment_time": 1,
       "dual_share": 0, "prior_savings_per_capita_usd": 0, "prior_person_years": 0,
       "low_income_share": 0}  # fmt: skip
SETTLED = {
    "track": "E", "revenue_category": "High Revenue", "assigned_beneficiaries": 10_000,
    "elected_rate": 0.01, "met_quality_standard": 1, "quality_score": 0.9,
    "mid_year_termination": 0, "expenditure_usd": 40_000_000,
}  # fmt: skip


_tables = Aco(STRATA, BASE, STRATUM, ACO).tables


def _run(
    tables: list[Table], year: int = 2024, known: dt.date = AFTER, form: str = "aggregate",
    accept: tuple = (), parts: tuple = ("target",),
) -> Ledger:  # fmt: skip
    terms = {"binding_form": form} if "target" in parts else {}
    ledger = run(load_program("mssp"), tables, Request(year, known, terms, accept, parts))
    assert replay(json.loads(json.dumps(ledger.record()))) == []
    return ledger


def _reason(ledger: Ledger, node: str) -> str:
    return ledger.nodes[node].reasons["0"]


def test_a_benchmark_worked_by_hand_from_base_years_to_dollars() -> None:
    mine = "AGED_NON_DUAL"
    base = {(mine, "BY1"): {"base_expenditure_per_capita_usd": 9000, "base_risk_score": 0.95,
                            "national_trend_factor": 1.10, "regional_trend_factor": 1.08},
            (mine, "BY2"): {"base_expenditure_per_capita_usd": 9500,
                            "national_trend_factor": 1.05, "regional_trend_factor": 1.04},
            (mine, "BY3"): {"base_risk_score": 1.02, "base_person_years": 7000}}  # fmt: skip
    strata = {mine: {"regional_per_capita_usd": 10_800, "risk_score": 1.04, "person_years": 8000}}

    ledger = _run(_tables(base=base, strata=strata))

    trend_1, trend_2 = 0.2 * 1.10 + 0.8 * 1.08, 0.2 * 1.05 + 0.8 * 1.04  # 1.084, 1.042
    historical = (0.1 * 9000 * (1.02 / 0.95) * trend_1 + 0.3 * 9500 * 1.02 * trend_2
                  + 0.6 * 10_000)  # fmt: skip
    adjustment = 0.35 * (10_800 - historical)  # below the limit, 5 percent of 10,000
    benchmark = historical + adjustment
    two_way = 0.25 * 1.06 + 0.75 * 1.04  # 1.045
    acpt = (benchmark + 10_000 * 0.049 * 1.02) / benchmark
    update = 5 / 6 * two_way + 1 / 6 * acpt
    updated = benchmark * (1.04 / 1.02) * update
    others = 10_000 * (5 / 6 * 1.045 + 1 / 6 * 1.049)
    assert value(ledger, "historical_per_capita_usd", "A", mine) == pytest.approx(historical)
    assert value(ledger, "historical_benchmark_usd", "A", mine) == pytest.approx(benchmark)
    assert value(ledger, "regional_adjustment_usd", "A") == pytest.approx(0.7 * adjustment)
    assert value(ledger, "update_factor", "A", mine) == pytest.approx(update, rel=1e-12)
    assert value(ledger, "benchmark_per_capita_usd", "A", mine) == pytest.approx(updated)
    assert value(ledger, "benchmark_pmpm_usd", "A", mine) == pytest.approx(updated / 12)
    assert value(ledger, "updated_benchmark_per_capita_usd", "A") == pytest.approx(
        (8000 * updated + 3 * 1000 * others) / 11_000
    )
    assert value(ledger, "updated_benchmark_usd", "A") == pytest.approx(
        8000 * updated + 3 * 1000 * others, abs=0.51
    )


def test_the_waterfall_leads_from_base_years_to_the_benchmark() -> None:
    ledger = _run(_tables(regional_per_capita_usd=10_400, risk_score=1.02))
    levels = [value(ledger, b.id, "A") for b in load_program("mssp").sheet.waterfall["target"]]

    update = 5 / 6 * 1.045 + 1 / 6 * (10_140 + 490) / 10_140
    assert levels == pytest.approx(
        [40_000_000, 40_560_000, 40_560_000 * 1.02, round(40_560_000 * 1.02 * update)]
    )


@pytest.mark.parametrize(("period", "expected"), [(1, 0.1 * 9000 + 0.3 * 9600 + 0.6 * 10_200),
                                                  (2, (9000 + 9600 + 10_200) / 3)])  # fmt: skip
def test_first_agreements_weigh_the_last_year_most_and_later_ones_all_alike(
    period, expected
) -> None:
    spent = {"BY1": 9000, "BY2": 9600, "BY3": 10_200}
    base = {(s, b): {"base_expenditure_per_capita_usd": v} for s in STRATA
            for b, v in spent.items()}  # fmt: skip

    ledger = _run(_tables({"agreement_period": period}, base=base))

    assert value(ledger, "historical_per_capita_usd", "A", "ESRD") == pytest.approx(expected)


@pytest.mark.parametrize("period", ["first", "later"])
def test_weights_of_base_years_sum_to_1(period) -> None:
    for held in load_parameter("mssp_base_year_weight").values:
        assert sum(held.value[period].values()) == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize(
    ("aco", "start", "regional", "prior", "selected", "category"),
    [("A5355", "2024-01-01", -51, 0, 0, "none"), ("A5358", "2024-01-01", -129, 0, 0, "none"),
     ("A5375", "2024-01-01", -20, 0, 0, "none"),
     ("A2266", "2024-01-01", 144, 227, 227, "prior savings"),
     ("A2490", "2024-01-01", 471, 187, 471, "regional"),
     ("A2366", "2022-01-01", -563, 0, -563, "regional")],
)  # fmt: skip
def test_the_adjustment_that_cms_published_is_the_one_selected(
    aco, start, regional, prior, selected, category
) -> None:
    # RegAdj, PriorSavAdj and FinalAdjCat of the PY2024 public use file. At weight 50 percent, and
    # half of prior savings, inputs twice as large lead to the published amounts.
    tables = _tables({"agreement_start": start, "regional_adjustment_time": 4,
                      "prior_savings_per_capita_usd": 2 * prior, "prior_person_years": 4000},
                     regional_per_capita_usd=10_000 + 2 * regional,
                     national_by3_usd=20_000)  # fmt: skip

    ledger = _run(tables)

    assert value(ledger, "regional_adjustment_usd", "A") == pytest.approx(regional), aco
    assert value(ledger, "selected_adjustment_usd", "A") == pytest.approx(selected), aco
    assert value(ledger, "adjustment_category", "A") == category
    assert value(ledger, "historical_benchmark_usd", "A", "ESRD") == pytest.approx(
        10_000 + selected
    )


@pytest.mark.parametrize(
    ("start", "regional", "expected"),
    [("2024-01-01", 12_000, 500), ("2024-01-01", 5000, -150), ("2023-01-01", 5000, -500),
     ("2024-01-01", 10_800, 0.35 * 800), ("2023-01-01", 9200, -0.15 * 800)],
)  # fmt: skip
def test_regional_adjustment_is_limited_by_national_spending(start, regional, expected) -> None:
    ledger = _run(_tables({"agreement_start": start}, regional_per_capita_usd=regional))

    assert value(ledger, "capped_regional_usd", "A", "ESRD") == pytest.approx(expected)


@pytest.mark.parametrize(
    ("time", "lower", "higher"), [(1, 0.35, 0.15), (2, 0.5, 0.25), (3, 0.5, 0.35), (7, 0.5, 0.5)]
)
def test_regional_weight_grows_with_the_times_it_was_applied(time, lower, higher) -> None:
    aco = {"regional_adjustment_time": time}
    cheap = _run(_tables(aco, regional_per_capita_usd=10_100))
    dear = _run(_tables(aco, regional_per_capita_usd=9900))

    assert value(cheap, "regional_weight", "A") == lower
    assert value(dear, "regional_weight", "A") == higher


def test_a_negative_regional_adjustment_shrinks_with_dual_share_and_risk() -> None:
    base = {(s, "BY3"): {"base_risk_score": 1.1} for s in STRATA}
    mixed = {"ESRD": {"regional_per_capita_usd": 9000}}
    ledger = _run(_tables({"dual_share": 0.3}, mixed, base))
    plain = _run(_tables({"dual_share": 0.3, "agreement_start": "2023-01-01"}, mixed, base))

    limit = 0.015 * 10_000  # and 15 percent of the difference is more
    assert value(ledger, "offset", "A") == pytest.approx(0.3 + 1.1 - 1)
    assert value(ledger, "regional_by_type_usd", "A", "ESRD") == pytest.approx(-limit * 0.6)
    assert value(plain, "offset", "A") == 0


def test_prior_savings_are_halved_prorated_and_limited() -> None:
    half = _run(_tables({"prior_savings_per_capita_usd": 400, "prior_person_years": 2000}))
    large = _run(_tables({"prior_savings_per_capita_usd": 4000, "prior_person_years": 9000}))
    lost = _run(_tables({"prior_savings_per_capita_usd": -300, "prior_person_years": 4000}))

    assert value(half, "prior_savings_adjustment_usd", "A") == 0.5 * 400 * 2000 / 4000
    assert value(large, "prior_savings_adjustment_usd", "A") == 0.05 * 10_000
    assert value(lost, "selected_adjustment_usd", "A") == 0


@pytest.mark.parametrize(
    ("start", "share", "regional", "selected", "category"),
    [("2025-01-01", 0.20, 40, 0.20 * (500 - 40), "population"),
     ("2025-01-01", 0.20, 100, 100, "regional"),  # 0.20 x 400 is less
     ("2025-01-01", 0.149, 0, 0, "none"), ("2025-01-01", 0.15, 0, 75, "population"),
     ("2024-01-01", 0.20, 40, 40, "regional")],
)  # fmt: skip
def test_population_adjustment_from_2025_at_15_percent_low_income(
    start, share, regional, selected, category
) -> None:
    aco = {"agreement_start": start, "low_income_share": share, "regional_adjustment_time": 4}
    ledger = _run(_tables(aco, regional_per_capita_usd=10_000 + 2 * regional), year=2025)

    assert value(ledger, "selected_adjustment_usd", "A") == pytest.approx(selected)
    assert value(ledger, "adjustment_category", "A") == category


def test_py2024_before_and_after_the_weight_of_the_prospective_trend_was_cut() -> None:
    before = _run(_tables(), known=dt.date(2025, 8, 27))
    after = _run(_tables(), known=dt.date(2025, 8, 28))

    third, sixth = 2 / 3 * 1.045 + 1 / 3 * 1.049, 5 / 6 * 1.045 + 1 / 6 * 1.049
    assert value(before, "updated_benchmark_usd", "A") == round(40_000_000 * third)  # 41,853,333
    assert value(after, "updated_benchmark_usd", "A") == round(40_000_000 * sixth)  # 41,826,667
    assert before.nodes["mssp_acpt_weight"].status == "final"
    assert after.nodes["mssp_acpt_weight"].status == "administrative"


@pytest.mark.parametrize("known", [dt.date(2023, 12, 31), dt.date(2024, 11, 1),
                                   dt.date(2025, 8, 27)])  # fmt: skip
def test_a_later_decision_changes_no_run_that_knows_less(known) -> None:
    ledger = _run(_tables(), known=known)

    assert value(ledger, "update_factor", "A", "ESRD") == pytest.approx(
        2 / 3 * 1.045 + 1 / 3 * 1.049, rel=1e-12
    )


def test_the_cut_was_for_one_year() -> None:
    ledger = _run(_tables(acpt_growth=0.094), year=2025)

    assert value(ledger, "mssp_acpt_weight") == pytest.approx(1 / 3)


def test_older_agreements_have_no_prospective_trend_and_need_none() -> None:
    tables = _tables({"agreement_start": "2022-01-01"})
    for name in ("acpt_growth", "demographic_ratio"):
        tables[1] = Table(tables[1].name, tuple(c for c in tables[1].columns if c != name),
                          tuple({k: v for k, v in r.items() if k != name}
                                for r in tables[1].rows))  # fmt: skip

    ledger = _run(tables)

    assert value(ledger, "update_factor", "A", "ESRD") == pytest.approx(1.045, rel=1e-12)
    assert value(ledger, "updated_benchmark_usd", "A") == 41_800_000


@settings(max_examples=15, deadline=None)
@given(st.floats(0, 1), st.floats(-0.05, 0.15))
def test_a_blend_of_equals_is_that(share, growth) -> None:
    grown = 10_000 * (1 + growth)
    ledger = _run(_tables(assignable_share=share, performance_assignable_share=share,
                          national_performance_usd=grown, regional_performance_usd=grown,
                          acpt_growth=growth))  # fmt: skip

    assert value(ledger, "update_factor", "A", "ESRD") == pytest.approx(1 + growth, rel=1e-12)


@pytest.mark.parametrize(
    ("year", "acpt", "accept", "expected"),
    [(2027, 0.02, ("proposed",), 1.05), (2027, 0.09, ("proposed",), 1.075),
     (2027, 0.055, ("proposed",), 1.055), (2027, 0.02, (), 1.02), (2027, 0.09, (), 1.09),
     (2025, 0.02, ("proposed",), 1.05), (2025, 0.09, ("proposed",), 1.09),
     (2024, 0.02, ("proposed",), 1.02)],
)  # fmt: skip
def test_proposed_limits_of_the_prospective_trend_only_where_accepted(
    year, acpt, accept, expected
) -> None:
    # National growth is 6 percent: from 1.0 points below it, back to 2025, to 1.5 points above it.
    ledger = _run(_tables(acpt_growth=acpt), year=year, accept=accept)

    assert value(ledger, "acpt_factor", "A", "ESRD") == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("spent", "expected"),
    [(10_250, 41_000_000),  # losses of 2.5 percent, at the minimum: two-way, 1.045, saves: no loss
     (10_600, 41_800_000),  # losses stay under the two-way update: smaller ones
     (10_100, 40_000_000),  # losses of 1 percent are below the minimum: three-way, 1.00
     (9000, 40_000_000)],
)  # fmt: skip
def test_guardrail_turns_to_the_two_way_update_without_savings_from_it(spent, expected) -> None:
    # National and regional growth of 4.5 percent; at a weight of 1/3 a trend of -9 percent makes 1.
    ledger = _run(_tables({"minimum_loss_rate": 0.02}, national_performance_usd=10_450,
                          regional_performance_usd=10_450, acpt_growth=-0.09,
                          expenditure_per_capita_usd=spent), year=2025)  # fmt: skip

    assert value(ledger, "three_way_benchmark_usd", "A") == pytest.approx(40_000_000)
    assert value(ledger, "updated_benchmark_usd", "A") == expected


def test_guardrail_without_the_minimum_loss_rate_is_not_calculable() -> None:
    ledger = _run(_tables(acpt_growth=-0.09, expenditure_per_capita_usd=12_000))

    assert value(ledger, "updated_benchmark_usd", "A") is None
    assert _reason(ledger, "updated_benchmark_usd") == "minimum_loss_rate: no file has the column"


def test_before_2024_a_type_s_risk_may_grow_3_percent_and_fall_without_a_floor() -> None:
    strata = {"ESRD": {"risk_score": 1.10}, "DISABLED": {"risk_score": 0.90}}
    ledger = _run(_tables({"agreement_start": "2023-01-01"}, strata))

    found = [value(ledger, "risk_ratio", "A", s) for s in STRATA]
    assert found == pytest.approx([1.03, 0.90, 1, 1])


def test_from_2024_no_type_is_capped_while_the_aggregate_is_below_its_cap() -> None:
    ledger = _run(_tables(strata={"ESRD": {"risk_score": 1.11}}))  # 2.75 percent in aggregate

    assert value(ledger, "aggregate_risk_ratio", "A") == pytest.approx(1.0275)
    assert value(ledger, "aggregate_risk_cap", "A") == pytest.approx(1.03)
    assert value(ledger, "risk_ratio", "A", "ESRD") == pytest.approx(1.11)


@pytest.mark.parametrize(("form", "esrd", "disabled"), [("aggregate", 1.04, 1.04),
                                                        ("type", 1.07, 1.03)])  # fmt: skip
def test_when_it_binds_the_form_says_how_a_type_is_capped(form, esrd, disabled) -> None:
    strata = {"ESRD": {"risk_score": 1.13, "demographic_ratio": 1.04},
              "DISABLED": {"risk_score": 1.06}}  # fmt: skip
    ledger = _run(_tables(strata=strata), form=form)  # 4.75 percent over 1 + 3 points

    assert value(ledger, "aggregate_risk_cap", "A") == pytest.approx(1.04)
    assert value(ledger, "risk_ratio", "A", "ESRD") == pytest.approx(esrd)
    assert value(ledger, "risk_ratio", "A", "DISABLED") == pytest.approx(disabled)
    assert value(ledger, "risk_ratio", "A", "AGED_DUAL") == 1
    assert ledger.nodes["risk_cap"].status == "unverified"


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(0.85, 1.3), min_size=4, max_size=4), st.sampled_from(("2023", "2024")),
       st.sampled_from(("aggregate", "type")))  # fmt: skip
def test_the_cap_on_risk_is_idempotent_and_never_raises(scores, start, form) -> None:
    def ratios(held) -> list[float]:
        strata = {s: {"risk_score": r} for s, r in zip(STRATA, held, strict=True)}
        ledger = _run(_tables({"agreement_start": f"{start}-01-01"}, strata), form=form)
        return [value(ledger, "risk_ratio", "A", s) for s in STRATA]

    once = ratios(scores)

    assert all(r <= s for r, s in zip(once, scores, strict=True))
    assert ratios(once) == pytest.approx(once, rel=1e-12)


@pytest.mark.parametrize("start", ["2023-01-01", "2024-01-01"])
def test_the_cap_on_risk_is_monotone_where_all_types_grow_alike(start) -> None:
    found = [value(_run(_tables({"agreement_start": start}, risk_score=score)),
                   "updated_benchmark_usd", "A")
             for score in (0.9, 1.0, 1.02, 1.0299, 1.03, 1.0301, 1.1)]  # fmt: skip

    assert found == sorted(found)
    assert found[-1] == found[-3]


def test_target_and_settlement_run_together_on_the_computed_benchmark() -> None:
    tables = _tables(SETTLED)
    ledger = _run(tables, parts=("target", "settle"))

    benchmark = 41_826_667  # 40,000,000 x (5/6 x 1.045 + 1/6 x 1.049)
    assert value(ledger, "settled_benchmark_usd", "A") == benchmark
    assert value(ledger, "gross_usd", "A") == 1_826_667
    assert value(ledger, "earned_usd", "A") == round(1_826_667 * 0.5 * 0.98)  # 895,067


def test_the_computed_benchmark_goes_before_that_of_the_file() -> None:
    tables = _tables(SETTLED | {"benchmark_usd": 50_000_000})
    both = _run(tables, parts=("target", "settle"))
    alone = _run(tables, parts=("settle",))

    assert value(both, "settled_benchmark_usd", "A") == 41_826_667
    assert value(alone, "settled_benchmark_usd", "A") == 50_000_000
    assert value(alone, "gross_usd", "A") == 10_000_000


def test_a_settlement_without_any_benchmark_is_not_calculable() -> None:
    ledger = _run(_tables(SETTLED), parts=("settle",))

    assert value(ledger, "earned_usd", "A") is None
    assert _reason(ledger, "gross_usd") == "benchmark_usd: no file has the column"


def test_a_missing_stratum_is_not_calculable_and_not_zero() -> None:
    base, strata, aco = _tables()
    ledger = _run([base, Table(strata.name, strata.columns, strata.rows[1:]), aco])

    assert value(ledger, "updated_benchmark_usd", "A") is None
    assert "gives it" in _reason(ledger, "updated_benchmark_usd")


@pytest.mark.parametrize("column", ["person_years", "base_person_years"])
def test_no_person_years_are_not_calculable_with_the_reason(column) -> None:
    none = {"ESRD": {column: 0}} if column == "person_years" else {}
    base = {("ESRD", "BY3"): {column: 0}} if column != "person_years" else {}
    ledger = _run(_tables(strata=none, base=base))

    assert value(ledger, "updated_benchmark_usd", "A") is None
    reason = _reason(ledger, "updated_benchmark_usd")
    assert reason.startswith(f"{column}[ESRD")
    assert reason.endswith(": 0 is not above zero")


def test_a_base_year_that_no_file_has_is_not_left_out_of_the_weights() -> None:
    base, *others = _tables()
    late = Table(base.name, base.columns,
                 tuple(r for r in base.rows if r["base_year"] != "BY1"))  # fmt: skip
    ledger = _run([late, *others])

    assert value(ledger, "updated_benchmark_usd", "A") is None
    assert "base_years_complete is 0" in _reason(ledger, "updated_benchmark_usd")


def test_agreements_before_july_2019_are_under_other_rules() -> None:
    ledger = _run(_tables({"agreement_start": "2018-01-01"}), year=2021)

    assert value(ledger, "updated_benchmark_usd", "A") is None
    assert "no 'before 2019-07'" in _reason(ledger, "updated_benchmark_usd")


def test_what_rests_on_memory_says_so() -> None:
    found = {name for name, _, _ in unverified(_run(_tables()).record())}

    assert {"offset", "prior_savings_adjustment_usd", "population_adjustment_usd", "risk_cap",
            "acpt_amount_usd", "guarded", "mssp_regional_weight"} <= found  # fmt: skip
    assert not {"trend_factor", "two_way_growth", "mssp_acpt_weight", "mssp_regional_limit"} & found
