"""The draft of LEAD: worked by hand on secondary numbers, every one of them marked."""

import datetime as dt

import pytest

from benchmarks.ledger import Ledger
from benchmarks.policy import list_parameters, load_parameter
from benchmarks.program import load_program
from benchmarks.replay import replay
from benchmarks.run import run
from benchmarks.terms import Request
from riskadj.errors import NotPublishedError
from tests.benchmarks.gdp import table, value

STRATA, BASE_YEARS = ("AD", "ESRD", "HN"), ("BY1", "BY2", "BY3")
AFTER = dt.date(2026, 11, 1)
CELL = {"regional_pbpm_usd": 1100, "prior_savings_pbpm_usd": 0, "national_update": 1.05,
        "regional_update": 1.07, "national_weight": 0.25, "prospective_update": 1.09,
        "risk_score": 1.0, "member_months": 1000}  # fmt: skip
ACO = {"entry": "renewing", "former_mssp": 0, "spending": "lower", "quality_score": 1,
       "arrangement": "Global", "total_cost_usd": 3_000_000}  # fmt: skip


def _run(
    cell: dict | None = None, aco: dict | None = None, base: tuple = (900, 1000, 1100),
    year: int = 2027, parts: tuple = ("target", "settle"),
) -> Ledger:  # fmt: skip
    cells, entity = CELL | (cell or {}), ACO | (aco or {})
    years = "\n".join(f"A,{s},{b},{usd},1,1" for s in STRATA
                      for b, usd in zip(BASE_YEARS, base, strict=True))  # fmt: skip
    tables = [
        table("entity_id,stratum,base_year,base_pbpm_usd,base_risk_score,base_trend\n" + years),
        table(f"entity_id,stratum,{','.join(cells)}\n"
              + "\n".join(f"A,{s},{','.join(map(str, cells.values()))}" for s in STRATA), "s.csv"),
        table(f"entity_id,{','.join(entity)}\nA,{','.join(map(str, entity.values()))}", "a.csv"),
    ]  # fmt: skip
    return run(load_program("lead"), tables, Request(year, AFTER, {}, (), parts))


def _settled(benchmark: float, cost: float, arrangement: str = "Global") -> Ledger:
    aco = {"arrangement": arrangement, "published_benchmark_usd": benchmark,
           "total_cost_usd": cost}  # fmt: skip
    return _run(aco=aco)


def test_the_program_is_a_draft_and_no_value_of_it_is_firm() -> None:
    program = load_program("lead")
    used = [n for n in list_parameters() if n.startswith("lead_")]

    assert program.sheet.status == "draft"
    assert sorted(program.files()) == used
    assert {v.status for n in used for v in load_parameter(n).values} == {"unverified"}
    assert {s.status for s in program.steps(("target", "settle"))} == {"unverified"}


def test_benchmark_by_hand() -> None:
    ledger = _run()

    assert value(ledger, "historical_pbpm_usd", "A", "AD") == pytest.approx(1000)
    assert value(ledger, "adjustment_pbpm_usd", "A", "AD") == pytest.approx(50)  # half of 100
    # Two-way .25 x 1.05 + .75 x 1.07 = 1.065; the prospective 1.09 is kept to 1.068
    assert value(ledger, "two_way_update", "A", "AD") == pytest.approx(1.065)
    assert value(ledger, "guarded_update", "A", "AD") == pytest.approx(1.068)
    assert value(ledger, "three_way_update", "A", "AD") == pytest.approx(1.066)
    assert value(ledger, "benchmark_pbpm_usd", "A", "AD") == pytest.approx(1050 * 1.066)
    before = 3 * 1000 * 1050 * 1.066
    assert value(ledger, "discount_usd", "A") == pytest.approx(0.03 * before)
    assert value(ledger, "final_benchmark_usd", "A") == pytest.approx(0.97 * before, abs=0.005)
    assert replay(ledger.record()) == []


def test_new_acos_weigh_the_last_base_year_most() -> None:
    ledger = _run(aco={"entry": "new"})

    assert value(ledger, "historical_pbpm_usd", "A", "AD") == pytest.approx(90 + 300 + 660)


@pytest.mark.parametrize(("prospective", "kept"), [(1.0, 1.063), (1.066, 1.066), (1.2, 1.068)])
def test_guardrail_keeps_the_prospective_trend_near_the_two_way_blend(prospective, kept) -> None:
    ledger = _run({"prospective_update": prospective})

    assert value(ledger, "guarded_update", "A", "AD") == pytest.approx(kept)


def test_guardrail_after_2027_is_not_known_and_the_benchmark_is_refused() -> None:
    with pytest.raises(NotPublishedError, match="lead_acpt_below_two_way has no value for 2028"):
        _run(year=2028, parts=("target",))


@pytest.mark.parametrize(("score", "capped"), [(1.2, (1.03, 1.03, 1.04)), (1.02, (1.02,) * 3),
                                               (0.8, (0.97, 0.97, 0.96))])  # fmt: skip
def test_risk_growth_is_capped_at_3_percent_and_4_for_high_needs(score, capped) -> None:
    ledger = _run({"risk_score": score})

    for stratum, growth in zip(STRATA, capped, strict=True):
        assert value(ledger, "capped_risk_growth", "A", stratum) == pytest.approx(growth)


@pytest.mark.parametrize(("aco", "cell", "adjustment"), [
    ({}, {"regional_pbpm_usd": 1400}, 50),  # half of 400, at most 5 percent
    ({"former_mssp": 1}, {"regional_pbpm_usd": 1400}, 30),  # at most 3 percent
    ({}, {"regional_pbpm_usd": 900}, 0),
    ({"spending": "higher"}, {"regional_pbpm_usd": 1400}, 0),
    ({"arrangement": "Professional"}, {"regional_pbpm_usd": 1400}, 0),
    ({"former_mssp": 1}, {"prior_savings_pbpm_usd": 80}, 40),  # the higher of 30 and 40, not both
])  # fmt: skip
def test_higher_of_regional_and_prior_savings_adjustment(aco, cell, adjustment) -> None:
    ledger = _run(cell, aco)

    assert value(ledger, "adjustment_pbpm_usd", "A", "AD") == pytest.approx(adjustment)


@pytest.mark.parametrize(("aco", "discount", "add_on"), [
    ({"spending": "lower"}, 0.03, 0), ({"spending": "higher"}, 0.0175, 0.015),
    ({"spending": "higher", "arrangement": "Professional"}, 0, 0.015),
])  # fmt: skip
def test_discount_and_add_on_by_spending(aco, discount, add_on) -> None:
    ledger = _run(aco=aco)
    before = value(ledger, "benchmark_usd_before_discount", "A")

    assert value(ledger, "discount_usd", "A") == pytest.approx(discount * before)
    assert value(ledger, "add_on_usd", "A") == pytest.approx(add_on * before)


def test_quality_earns_the_withhold_back() -> None:
    half = _run(aco={"quality_score": 0.5})
    after = value(half, "discounted_usd", "A")

    assert value(half, "final_benchmark_usd", "A") == pytest.approx(0.985 * after, abs=0.0051)


@pytest.mark.parametrize(("rate", "kept"), [
    # Global: .15 whole, to .35 half, to .50 a quarter, above a tenth
    (0.10, 0.10), (0.15, 0.15), (0.35, 0.25), (0.50, 0.2875), (1.0, 0.3375),
])  # fmt: skip
def test_global_corridors_share_33_75_percent_of_a_loss_of_the_whole_benchmark(rate, kept) -> None:
    lost = _settled(1_000_000, 1_000_000 * (1 + rate))
    saved = _settled(1_000_000, 1_000_000 * (1 - rate))

    assert value(lost, "shared_usd", "A") == pytest.approx(-kept * 1e6)
    assert value(lost, "paid_usd", "A") == pytest.approx(-kept * 1e6)
    assert value(saved, "shared_usd", "A") == pytest.approx(kept * 1e6)
    assert value(saved, "paid_usd", "A") == pytest.approx(0.98 * kept * 1e6)
    assert replay(lost.record()) == []


@pytest.mark.parametrize(("rate", "saved", "lost"), [
    # Professional: .10 at .60 of savings and .50 of losses, to .15 .35, to .20 .15, above .05
    (0.10, 0.06, 0.05), (0.15, 0.0775, 0.0675), (0.20, 0.085, 0.075), (0.40, 0.095, 0.085),
])  # fmt: skip
def test_professional_corridors_share_savings_and_losses_differently(rate, saved, lost) -> None:
    gain = _settled(1_000_000, 1_000_000 * (1 - rate), "Professional")
    loss = _settled(1_000_000, 1_000_000 * (1 + rate), "Professional")

    assert value(gain, "shared_usd", "A") == pytest.approx(saved * 1e6)
    assert value(loss, "shared_usd", "A") == pytest.approx(-lost * 1e6)


def test_the_computed_benchmark_is_settled_on_where_none_is_published() -> None:
    ledger = _run()

    final = value(ledger, "final_benchmark_usd", "A")
    assert value(ledger, "gross_usd", "A") == pytest.approx(final - 3_000_000)
    assert replay(ledger.record()) == []
