"""The waterfall between two ledgers adds up to their difference, to the last bit that matters."""

import datetime as dt

import pytest

from benchmarks.diff import waterfall
from riskadj.errors import InputError
from tests.benchmarks.gdp import BASE, TREND, gdp_run, trend


def test_parts_add_up_between_two_policies() -> None:
    a, b = (
        gdp_run().record(),
        gdp_run(form="same_year_floor_0", basis="raw", margin="0.005").record(),
    )

    found = waterfall(a, b, "target_usd")

    assert found.first + sum(p.change for p in found.parts) == pytest.approx(found.last, rel=1e-12)
    assert {p.id for p in found.parts} == {"form", "basis", "margin"}
    assert (found.compared, found.not_calculable) == (2, 0)


def test_one_change_is_one_part() -> None:
    found = waterfall(gdp_run().record(), gdp_run(risk_growth_cap="1.01").record(), "target_usd")

    assert [p.id for p in found.parts] == ["risk_growth_cap"]


def test_between_two_years_the_path_goes_as_one() -> None:
    longer = trend((*TREND, 0.04))
    a, b = gdp_run(rates=longer).record(), gdp_run(year=2024, rates=longer).record()

    found = waterfall(a, b, "target_usd")

    assert [p.about for p in found.parts] == ["other year labels"]
    assert found.first + found.parts[0].change == pytest.approx(found.last)


def test_a_term_that_needs_another_term_is_one_part_with_it() -> None:
    a, b = gdp_run().record(), gdp_run(form="average", average_years="5").record()
    free = gdp_run(form="uncapped", index=None, margin=None).record()

    found, capped = waterfall(a, b, "target_usd"), waterfall(free, a, "target_usd")

    assert [p.id for p in found.parts] == ["form, average_years, index_average"]
    assert found.first + found.parts[0].change == pytest.approx(found.last)
    assert (found.compared, capped.compared) == (2, 2)
    assert capped.first + sum(p.change for p in capped.parts) == pytest.approx(capped.last)
    assert capped.first > capped.last


def test_data_and_vintage_are_told_apart() -> None:
    terms = {"index": "medicare_outlays_fiscal", "baseline_year": "2019"}
    rates = trend([0.5, 0.5], first=2020)
    dearer = BASE.replace("5200000", "5300000")
    a = gdp_run(year=2021, rates=rates, known=dt.date(2019, 12, 1), **terms).record()
    b = gdp_run(dearer, year=2021, rates=rates, known=dt.date(2026, 3, 1), **terms).record()

    found = waterfall(a, b, "target_usd")

    assert {p.id for p in found.parts} == {"index_growth", "spending_usd"}
    assert found.first + sum(p.change for p in found.parts) == pytest.approx(found.last, rel=1e-12)


def test_entities_of_one_ledger_alone_are_counted_apart() -> None:
    without = "\n".join(line for line in BASE.splitlines() if not line.startswith("B,"))
    found = waterfall(gdp_run().record(), gdp_run(without).record(), "target_usd")

    assert (found.compared, found.only_first, found.only_second) == (1, 1, 0)
    assert found.parts == ()
    assert found.only_first_total > 0


def test_an_entity_that_cannot_be_calculated_is_left_out_and_counted() -> None:
    broken = BASE.replace("A,disabled,2400", "A,disabled,0")
    found = waterfall(gdp_run().record(), gdp_run(broken).record(), "target_usd")

    assert (found.compared, found.not_calculable) == (1, 1)


def test_a_settlement_without_its_target_is_split_too() -> None:
    """Columns of text, columns that no file has, and steps that only the target computes."""
    from tests.benchmarks.test_inputs import ACO, _settle

    a = _settle(ACO).record()
    b = _settle(ACO.replace(",E,", ",EN,").replace("900000", "800000")).record()

    found = waterfall(a, b, "earned_usd")

    assert [(p.id, p.change) for p in found.parts] == [
        ("track", 100_000 * 0.98 * 0.25), ("expenditure_usd", 100_000 * 0.75 * 0.98),
    ]  # fmt: skip
    assert found.compared == 1


def test_two_programs_or_an_unknown_node_are_refused() -> None:
    record = gdp_run().record()

    with pytest.raises(InputError, match="are of gdp-cap and mssp"):
        waterfall(record, {**record, "program": "mssp"}, "target_usd")
    with pytest.raises(InputError, match="has no step 'nothing'"):
        waterfall(record, record, "nothing")
