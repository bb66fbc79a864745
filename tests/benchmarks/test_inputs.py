"""Files as people and agencies write them: an error with its place, or a row that says why."""

import datetime as dt
import re
from pathlib import Path

import pytest

from benchmarks.layouts import layouts, read_files
from benchmarks.program import load_program
from benchmarks.run import run
from benchmarks.tables import Missing, Table, read_date, read_flag, read_number, read_table
from benchmarks.terms import Request
from riskadj.errors import InputError, NotPublishedError, OptionError
from tests.benchmarks.gdp import BASE, gdp_run, table

MSSP = """entity_id,track,agreement_start,revenue_category,assigned_beneficiaries,elected_rate,\
benchmark_usd,expenditure_usd,met_quality_standard,quality_score,mid_year_termination
"""
ACO = "A9,E,2022-01-01,High Revenue,9000,0.01,1000000,900000,1,0.8,0\n"


def _settle(rows: str, year: int = 2023, known: dt.date = dt.date(2026, 11, 1)):
    return run(load_program("mssp"), [table(MSSP + rows, "results.csv")],
               Request(year, known, parts=("settle",)))  # fmt: skip


def _earned(rows: str):
    ledger = _settle(rows)
    node = ledger.nodes["earned_usd"]
    return node.values.ravel().tolist(), dict(node.reasons)


@pytest.mark.parametrize(
    ("raw", "found"),
    [("1,234,567", 1234567.0), ("5.50%", 0.055), ("0.055", 0.055), ("$1,000.50", 1000.5),
     ("(250)", -250.0), ("\N{MINUS SIGN}3", -3.0), (" 7 ", 7.0)],
)  # fmt: skip
def test_a_number_is_read_as_agencies_write_it(raw: str, found: float) -> None:
    assert read_number(raw) == found


@pytest.mark.parametrize("raw", ["*", "-", ".", "", "N/A", "abc", "inf", "nan"])
def test_what_is_no_number_is_missing_and_not_zero(raw: str) -> None:
    assert isinstance(read_number(raw), Missing)
    assert isinstance(read_flag(raw), Missing)
    assert isinstance(read_date(raw), Missing)


def test_a_percentage_without_its_sign_is_read_where_the_layout_says_so() -> None:
    assert read_number("5.5", percent=True) == 0.055
    assert read_number("5.5%", percent=True) == 0.055


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "is empty"), (b"a,b\n", "has no rows"), (b"a,a\n1,2\n", "columns twice: a"),
     (b"a,b\n1,2,3\n", "line 2: 3 cells, the header has 2")],
)  # fmt: skip
def test_a_file_that_is_no_table_is_refused(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)

    with pytest.raises(InputError, match=said):
        read_table(path)


def test_a_byte_order_mark_and_latin_letters_are_read(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("\ufeffENTITY_ID,x\nPe\u00f1asco,1\n".encode())
    latin = tmp_path / "l.csv"
    latin.write_bytes("entity_id,x\nPe\u00f1asco,1\n".encode("latin-1"))

    assert read_table(path).columns == ("entity_id", "x")
    assert read_table(latin).rows == read_table(path).rows


def test_a_settlement_worked_by_hand() -> None:
    values, _ = _earned(ACO)

    assert values == [round(100_000 * 0.5 * 0.98)]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [(",E,", ",Z,", "'Z' is none of A, B, C, D, E, EN"), (",0.8,", ",,", None),
     (",1,0.8", ",,0.8", "met_quality_standard"), ("1000000,", "0,", "0 is not above zero"),
     (",900000,", ",*,", "expenditure_usd: suppressed in the file"),
     (",9000,", ",400,", "400 is below the first band, 500"),
     (",1,0.8", ",*,0.8", "met_quality_standard: suppressed in the file")],
)  # fmt: skip
def test_what_a_settlement_lacks_is_said_and_never_read_as_zero(old, new, said) -> None:
    values, reasons = _earned(ACO.replace(old, new))

    if said is None:  # not needed for this ACO's number
        assert values == [49_000]
    else:
        assert values[0] != values[0]
        assert said in reasons["0"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [("2022-01-01", "soon", "line 2: agreement_start cannot be read as a date"),
     (",1,0.8", ",perhaps,0.8", "line 2: met_quality_standard cannot be read as yes or no"),
     (",900000,", ",9 00 000,", "line 2: expenditure_usd cannot be read as a number"),
     (",0.01,", ",1.00,", "elected_rate is 1, and lies between 0 and 0.15")],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_its_line(old: str, new: str, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        _settle(ACO.replace(old, new))


def test_an_optional_cell_that_is_suppressed_is_not_read_as_not_given() -> None:
    head = MSSP.replace("quality_score,", "quality_score,met_alternative_standard,")
    failed = ACO.replace(",1,0.8,", ",0,0.8,{},")

    def earned(cell: str) -> list[float]:
        ledger = run(load_program("mssp"), [table(head + failed.format(cell))],
                     Request(2023, dt.date(2026, 11, 1), parts=("settle",)))  # fmt: skip
        return ledger.nodes["earned_usd"].values.ravel().tolist()

    assert earned("1.0") == [round(100_000 * 0.5 * 0.8 * 0.98)]
    assert earned("") == [0]
    assert earned("*")[0] != earned("*")[0]


def test_a_value_whose_row_lacks_its_stratum_is_refused() -> None:
    lost = "A,,1000,99000000,1.0,1000,1.0,5000000\n"

    with pytest.raises(InputError, match=r"line 6: member_months needs stratum beside it"):
        gdp_run(BASE + lost, settle=True)


@pytest.mark.parametrize(
    "raw", ["0,001", "1,5", "0,05", "1.234,5", "(-5%)", "5)", "((5", "1_000", "\u0665", "5%%", "$"]
)  # fmt: skip
def test_a_number_that_could_be_two_is_read_as_neither(raw: str) -> None:
    assert read_number(raw) == Missing("unreadable")


def test_a_score_that_is_missing_matters_only_where_it_is_used() -> None:
    loss = ACO.replace(",E,", ",EN,").replace("900000", "1100000").replace(",0.8,", ",,")
    values, reasons = _earned(loss)

    assert values[0] != values[0]
    assert reasons["0"] == "quality_score: no row of results.csv gives it"


def test_a_size_below_the_first_band_has_no_table_rate() -> None:
    values, reasons = _earned(ACO.replace(",9000,0.01,", ",400,0.03,"))

    assert values[0] != values[0]
    assert reasons["0"] == "400 is below the first band, 500"


def test_advance_payments_are_recouped_from_what_is_earned_and_no_more() -> None:
    head = MSSP.replace("mid_year_termination", "mid_year_termination,advance_payments_usd")
    rows = f"{ACO.strip()},30000\n{ACO.strip().replace('A9', 'A8')},60000\n"
    ledger = run(load_program("mssp"), [table(head + rows, "results.csv")],
                 Request(2023, dt.date(2026, 11, 1), parts=("settle",)))  # fmt: skip

    assert ledger.nodes["net_payment_usd"].values.ravel().tolist() == [19_000, 0]


def test_the_same_entity_twice_is_refused_with_both_lines() -> None:
    with pytest.raises(InputError, match="lines 2 and 3 are of the same entity"):
        _settle(ACO + ACO)


def test_two_values_for_one_entity_are_refused() -> None:
    columns = ("entity_id", "track")
    more = Table("tracks.csv", columns, (dict(zip(columns, ("A9", "A"), strict=True)),))

    with pytest.raises(InputError, match=r"tracks\.csv, line 2: track differs from results\.csv"):
        run(load_program("mssp"), [table(MSSP + ACO, "results.csv"), more],
            Request(2023, dt.date(2026, 11, 1), parts=("settle",)))  # fmt: skip


def test_a_missing_column_is_refused_with_what_there_is() -> None:
    with pytest.raises(InputError, match=r"No column risk_score .*The files have: entity_id"):
        gdp_run(BASE.replace("risk_score,perf", "score,perf"))


def test_a_stratum_that_the_program_does_not_have_is_refused() -> None:
    with pytest.raises(InputError, match="mssp has no stratum 'CHILDREN'"):
        _run_with_stratum("CHILDREN")


def _run_with_stratum(stratum: str):
    from dataclasses import replace

    program = load_program("mssp")
    rows = table("entity_id,stratum,person_years\nA9," + stratum + ",5\n", "strata.csv")
    sheet = program.sheet
    axes = {**program.axes, "earned_usd": ("entity", "stratum")}
    return run(replace(program, axes=axes, sheet=sheet), [table(MSSP + ACO), rows],
               Request(2023, dt.date(2026, 11, 1), parts=("settle",)))  # fmt: skip


def test_medicare_advantage_payment_scores_are_refused() -> None:
    scores = table("entity_id,stratum,payment_score\nA,aged,1.1\n", "scores.csv")
    head = ("spending_usd,risk_score,", "spending_usd,risk_score,risk_score_basis,")
    wrong = table(BASE.replace(*head)
                  .replace(",1.0,12500", ",1.0,ma_payment,12500")
                  .replace(",1.1,2200", ",1.1,raw,2200").replace(",0.95,", ",0.95,raw,")
                  .replace(",1.2,1300", ",1.2,raw,1300"))  # fmt: skip
    from tests.benchmarks.gdp import KNOWN, TERMS, trend

    for tables in ([table(BASE), scores, trend()], [wrong, trend()]):
        with pytest.raises(
            InputError, match=r"payment_score, Medicare Adv|'ma_payment' is refused"
        ):
            run(load_program("gdp-cap"), tables, Request(2023, KNOWN, TERMS))


def test_a_year_that_the_program_does_not_cover_is_refused() -> None:
    with pytest.raises(InputError, match="mssp covers the years 2021 to"):
        _settle(ACO, year=2012)


def test_a_rule_that_was_not_known_yet_is_refused_with_its_file() -> None:
    with pytest.raises(NotPublishedError, match=re.escape("mssp_sequestration.toml")):
        _settle(ACO, year=2023, known=dt.date(2019, 6, 1))


def test_an_unknown_program_is_refused_with_those_there_are() -> None:
    with pytest.raises(NotPublishedError, match=r"No program 'mspp'. There are: .*mssp"):
        load_program("mspp")


def test_a_baseline_after_the_year_is_refused() -> None:
    with pytest.raises(OptionError, match="baseline_year 2018 is not before the year 2018"):
        gdp_run(year=2018)


@pytest.mark.parametrize("layout", layouts(), ids=lambda layout: layout.title)
def test_a_layout_reads_its_kind_of_file(layout, tmp_path: Path) -> None:
    columns = {*layout.detect, *layout.columns.values(),
               *(t for theirs in layout.joined.values() for t in theirs),
               *(t for held in layout.strata.values() for t in held.values())}  # fmt: skip
    path = tmp_path / "f.csv"
    path.write_text(",".join(sorted(columns)) + "\n" + ",".join("1" for _ in columns) + "\n")

    found = read_files([path])[0]

    assert len(found.rows) == 1 + len(layout.strata)
    assert {*layout.columns, *layout.joined} <= set(found.columns)
    assert len(layout.source) > 20
