"""Growth comes from levels of one vintage, as it was known on a day."""

import datetime as dt

import pytest

from benchmarks.series import list_series, load_series
from riskadj.errors import InputError, NotPublishedError

LATE = dt.date(2026, 11, 1)


def test_gdp_fell_in_2020_and_not_in_2019_as_a_shifted_column_says() -> None:
    gdp = load_series("gdp_nominal_calendar")

    assert gdp.growth(2020, LATE).value == pytest.approx(21354.1 / 21540.0 - 1)
    assert gdp.growth(2019, LATE).value == pytest.approx(0.04277, abs=5e-6)


def test_a_projection_is_the_one_of_the_day() -> None:
    """CBO, Medicare outlays of fiscal 2021: January 2019, March 2020, and actual."""
    outlays = load_series("medicare_outlays_fiscal")
    early, later, final = (outlays.growth(2021, dt.date(*day))
                           for day in ((2019, 2, 1), (2020, 4, 1), (2026, 3, 1)))  # fmt: skip

    assert (early.status, later.status, final.status) == ("projected", "projected", "observed")
    assert early.points[0].vintage == early.points[1].vintage == dt.date(2019, 1, 1)
    assert later.points[1].vintage == dt.date(2020, 3, 1)
    assert final.value == pytest.approx(688.826 / 768.924 - 1)


def test_gdp_of_2020_was_expected_to_grow_and_fell() -> None:
    """CBO's outlook of January 2020, and BEA's levels as known in 2025."""
    cbo, bea = load_series("gdp_nominal_calendar_cbo"), load_series("gdp_nominal_calendar")

    expected = cbo.growth(2020, dt.date(2020, 3, 1))

    assert (expected.status, expected.points[1].vintage) == ("projected", dt.date(2020, 1, 31))
    assert expected.value > 0.03
    assert bea.growth(2020, LATE).value < 0


def test_a_growth_rate_printed_twice_is_the_one_known_on_the_day() -> None:
    nhe = load_series("nhe_growth_as_published")

    assert nhe.growth(2022, dt.date(2024, 1, 1)).value == pytest.approx(0.041)
    assert nhe.growth(2022, LATE).value == pytest.approx(0.046)


@pytest.mark.parametrize("name", list_series())
def test_a_later_vintage_never_changes_an_earlier_result(name: str, tmp_path) -> None:
    series = load_series(name)
    for day in sorted(series.vintages):
        known = {d: v for d, v in series.vintages.items() if d <= day}
        for period in series.vintages[day]:
            then = _growth(series, period, day)
            assert then == _growth(type(series)(series.name, series.about, known), period, day)


def _growth(series, period, day):
    try:
        return series.growth(period, day)
    except NotPublishedError:
        return None


def test_growth_is_never_taken_across_two_vintages(tmp_path) -> None:
    _write(tmp_path, "2020,100,2021-01-01,observed,A\n2021,110,2022-01-01,observed,A\n")

    with pytest.raises(NotPublishedError, match="no 2020 and 2021 together in a vintage known on"):
        load_series("s", tmp_path).growth(2021, LATE)


def test_a_vintage_not_yet_known_is_refused() -> None:
    with pytest.raises(NotPublishedError, match="was not known on 2001-01-01"):
        load_series("gdp_nominal_calendar").growth(2000, dt.date(2001, 1, 1))


@pytest.mark.parametrize(
    "row", ["x,100,2021-01-01,observed,A", "2020,100,soon,observed,A",
            "2020,,2021-01-01,observed,A", "2020,100,2021-01-01,guessed,A",
            "2020,100,2021-01-01,observed,"]
)  # fmt: skip
def test_a_row_that_is_not_whole_is_refused_with_its_line(row: str, tmp_path) -> None:
    _write(tmp_path, row + "\n")

    with pytest.raises(InputError, match=r"s\.csv, line 2"):
        load_series("s", tmp_path)


def test_the_same_period_and_vintage_twice_is_refused(tmp_path) -> None:
    _write(tmp_path, "2020,100,2021-01-01,observed,A\n" * 2)

    with pytest.raises(InputError, match="stand twice"):
        load_series("s", tmp_path)


def _write(folder, rows: str) -> None:
    load_series.cache_clear()
    (folder / "s.csv").write_text("period,value,vintage,status,source\n" + rows, encoding="utf-8")
    (folder / "index.toml").write_text(
        '[s]\ntitle = "S"\nunit = "usd"\nkind = "level"\nprices = "nominal"\nper = "total"\n'
        'year = "calendar"\npublisher = "P"\nrights = "public domain"\n', encoding="utf-8",
    )  # fmt: skip
