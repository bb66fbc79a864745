"""A projection is the single run, many times."""

import datetime as dt

import numpy as np
import pytest

from benchmarks.program import load_program
from benchmarks.scenarios import Range, Scenarios, paths, project, read_scenarios
from benchmarks.terms import Request
from riskadj.errors import InputError, OptionError
from tests.benchmarks.gdp import BASE, KNOWN, TERMS, gdp_run, table, value

NOTHING = Range(low=0.04, high=0.04, steps=1, yearly_sd=0)
TERMS_2018 = {**TERMS, "risk_growth_cap": "99"}


def _scenarios(**changes) -> Scenarios:
    plan = {"trend": Range(low=0.02, high=0.08, steps=3, yearly_sd=0.01),
            "index": Range(low=0.01, high=0.05, steps=2, yearly_sd=0.02),
            "risk_growth": 0.01, "years": 4, "seed": 3}  # fmt: skip
    return Scenarios(**{**plan, **changes})


def _project(scenarios: Scenarios, workers: int = 2, **terms: str):
    request = Request(2030, KNOWN, {**TERMS_2018, **terms})
    return project(load_program("gdp-cap"), [table(BASE)], request, scenarios, workers=workers)


@pytest.mark.parametrize("basis", ["raw", "standardized"])
@pytest.mark.parametrize("level", ["stratum", "aggregate"])
def test_each_form_is_what_a_plain_loop_over_the_years_says(basis: str, level: str) -> None:
    scenarios = _scenarios(trend_of_stratum={"disabled": 0.01})
    found = _project(scenarios, basis=basis, level=level)
    trend, index = paths(scenarios)

    for form in ("uncapped", "same_year", "same_year_floor_0", "cumulative"):
        f = found.forms.index(form)
        for s, stratum in enumerate(("aged", "disabled")):
            capped = free = 0.0
            for path, growth in zip(trend, index, strict=True):
                plain = _plain(form, basis, level, path, growth)
                capped += sum(plain[e][stratum][0] for e in "AB")
                free += sum(plain[e][stratum][1] for e in "AB")
            assert found.kept[f, s, -1] == pytest.approx(capped / free, rel=1e-10)


MONTHS = {"A": {"aged": (12000, 11e6, 12500), "disabled": (2400, 2.88e6, 2200)},
          "B": {"aged": (6000, 5.2e6, 6100), "disabled": (1200, 1.5e6, 1300)}}  # fmt: skip


def _plain(form, basis, level, path, growth):
    """Return target and uncapped dollars by entity and stratum after four years, year by year."""
    made = {}
    for entity, strata in MONTHS.items():
        risk = 1.01 if basis == "raw" else 1.0
        steps = {s: [(1 + g + (0.01 if s == "disabled" else 0)) * risk for g in path]
                 for s in strata}  # fmt: skip
        if level == "aggregate":
            dollars = {s: spent for s, (_, spent, _) in strata.items()}
            together = []
            for y in range(len(path)):
                after = {s: dollars[s] * steps[s][y] for s in strata}
                together.append(sum(after.values()) / sum(dollars.values()))
                dollars = after
            measured = dict.fromkeys(strata, together)
        else:
            measured = steps
        made[entity] = {}
        for s, (base_months, spent, months) in strata.items():
            left = _left(form, measured[s], growth)
            apart = 0.01 if s == "disabled" else 0
            free = spent / base_months * months * np.prod([1 + g + apart for g in path]) * 1.01**4
            made[entity][s] = (free * left, free)
    return made


def _left(form, measured, growth) -> float:
    if form == "uncapped":
        return 1.0
    if form == "cumulative":
        return min(np.prod(measured), np.prod(1 + growth)) / np.prod(measured)
    floor = 0 if form == "same_year_floor_0" else -1
    capped = [min(m, 1 + max(g, floor)) for m, g in zip(measured, growth, strict=True)]
    return float(np.prod(capped) / np.prod(measured))


def test_one_certain_scenario_is_the_run_of_a_single_year() -> None:
    certain = _scenarios(trend=NOTHING, index=Range(low=0.5, high=0.5, steps=1, yearly_sd=0),
                         years=5, risk_growth=0.0)  # fmt: skip
    found = _project(certain)
    same_risk = BASE.replace(",1.02,", ",1.0,").replace(",1.25,", ",1.1,")
    same_risk = same_risk.replace(",0.94,", ",0.95,").replace(",1.21,", ",1.2,")
    flat = table(
        "stratum,year,trend\n"
        + "\n".join(f"{s},{y},0.04" for s in ("aged", "disabled") for y in range(2019, 2024)),
        "trend.csv",
    )
    single = gdp_run(same_risk, rates=flat, form="uncapped", index=None, margin=None)

    total = sum(value(single, "risk_usd", e) for e in "AB")

    assert found.target_usd[-1] == pytest.approx([total] * 5, rel=1e-12)


def test_the_numbers_do_not_rest_on_how_many_work() -> None:
    one, two = _project(_scenarios(), workers=1), _project(_scenarios(), workers=2)

    np.testing.assert_array_equal(one.target_usd, two.target_usd)
    np.testing.assert_array_equal(one.kept, two.kept)


def test_rebasing_starts_the_path_again_from_actual_spending() -> None:
    certain = _scenarios(trend=NOTHING, index=Range(low=0.01, high=0.01, steps=1, yearly_sd=0),
                         risk_growth=0.0)  # fmt: skip
    kept, renewed = _project(certain), _project(certain, rebasing_years="2")
    f = kept.forms.index("same_year")

    assert kept.kept[f, 0, -1] == pytest.approx((1.01 / 1.04) ** 4)
    assert renewed.kept[f, 0, -1] == pytest.approx((1.01 / 1.04) ** 2)


def test_a_form_whose_terms_are_not_given_is_left_out() -> None:
    assert "average" not in _project(_scenarios()).forms
    assert "average" in _project(_scenarios(), average_years="3").forms


def test_a_group_given_less_than_it_needs_keeps_the_gap() -> None:
    found = _project(_scenarios(unmet_need={"disabled": 0.2, "aged": 0.0}))
    uncapped = found.forms.index("uncapped")

    assert found.of_need[uncapped].tolist() == pytest.approx([1.0, 0.8])
    assert (found.of_need[1:, 1] < 0.8).all()


def test_entities_that_lack_a_number_are_left_out_of_a_projection() -> None:
    broken = table(BASE.replace("A,disabled,2400", "A,disabled,0"))
    request = Request(2030, dt.date(2026, 1, 1), TERMS_2018)

    found = project(load_program("gdp-cap"), [broken], request, _scenarios())

    assert (found.entities, found.left_out) == (("B",), ("A",))
    assert np.isfinite(found.target_usd).all()


def test_scenarios_name_strata_of_the_baseline() -> None:
    with pytest.raises(OptionError, match="no stratum 'children'"):
        _project(_scenarios(unmet_need={"children": 0.1}))


def test_a_scenario_file_is_read_whole_and_percentages_are_refused(tmp_path) -> None:
    path = tmp_path / "s.toml"
    path.write_text("years = 2\nseed = 1\nrisk_growth = 0\n[trend]\nlow = 5\nhigh = 6\nsteps = 2\n"
                    "yearly_sd = 0\n[index]\nlow = 0\nhigh = 0\nsteps = 1\n"
                    "yearly_sd = 0\n")  # fmt: skip

    with pytest.raises(InputError, match=r"trend\.low: Input should be less than or equal to 1"):
        read_scenarios(path)
