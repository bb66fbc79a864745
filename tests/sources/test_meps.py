"""MEPS files: canonical tables, reserved codes counted, what the codebook has not refused."""

import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riskadj.errors import InputError, OptionError
from riskadj.sources.meps import read_meps

HEAD = "DUPERSID,AGELAST,SEX,RACETHX,TOTEXP21,PERWT21F,VARSTR,VARPSU"
GOOD = ["2460002101,70,1,2,1497,8123.25,2079,1", "2460002102,85,2,1,0,5000,2001,2"]


@pytest.fixture
def write(tmp_path):
    def to_file(rows, head=HEAD, name="h233.csv"):
        path = tmp_path / name
        path.write_text("\n".join([head, *rows]) + "\n")
        return path

    return to_file


def conditions(write, rows):
    return write(rows, "DUPERSID,CONDIDX,ICD10CDX", "h231.csv")


def test_persons_become_members_and_costs(write) -> None:
    read = read_meps(write(GOOD), None, 2021)

    assert read.members.to_pylist() == [
        {"member_id": "2460002101", "age": 70, "sex": "M", "race_ethnicity": "white",
         "survey_weight": 8123.25, "survey_stratum": 2079, "survey_psu": 1},
        {"member_id": "2460002102", "age": 85, "sex": "F", "race_ethnicity": "hispanic",
         "survey_weight": 5000.0, "survey_stratum": 2001, "survey_psu": 2},
    ]  # fmt: skip
    assert read.costs.to_pylist() == [
        {"member_id": "2460002101", "year": 2021, "months": 12, "paid_cents": 149_700},
        {"member_id": "2460002102", "year": 2021, "months": 12, "paid_cents": 0},
    ]
    assert read.diagnoses.num_rows == 0
    assert read.diagnoses.column_names == ["member_id", "diagnosis_code", "thru_date"]
    assert read.counts == {"persons read": 2, "persons kept": 2}


def test_conditions_become_diagnoses_of_the_year(write) -> None:
    rows = ["2460002101,1,E11", "2460002101,2,I10", "2460002101,3,I10", "2460002102,1,-15",
            "2460002102,2,-8", "2469999999,1,J45"]  # fmt: skip

    read = read_meps(write(GOOD), conditions(write, rows), 2021)

    day = datetime.date(2021, 12, 31)
    assert read.diagnoses.to_pylist() == [
        {"member_id": "2460002101", "diagnosis_code": code, "thru_date": day}
        for code in ("E11", "I10")
    ]
    assert read.counts == {
        "persons read": 2, "persons kept": 2, "conditions read": 6, "conditions kept": 2,
        "conditions left out: ICD10CDX -15 (cannot be computed)": 1,
        "conditions left out: ICD10CDX -8 (not known)": 1,
        "conditions left out: code again of one person": 1,
        "conditions left out: person is not kept": 1,
    }  # fmt: skip


def test_reserved_codes_and_zero_weights_are_left_out_and_counted(write) -> None:
    out = ["3,-1,1,2,10,5,1,1", "4,40,-7,2,10,5,1,1", "5,40,1,-8,10,5,1,1", "6,40,1,2,-15,5,1,1",
           "7,40,1,2,10,0,1,1"]  # fmt: skip

    read = read_meps(write(GOOD + out), None, 2021)

    assert read.counts == {
        "persons read": 7, "persons kept": 2,
        "persons left out: AGELAST -1 (inapplicable)": 1,
        "persons left out: SEX -7 (refused)": 1,
        "persons left out: RACETHX -8 (not known)": 1,
        "persons left out: TOTEXP21 -15 (cannot be computed)": 1,
        "persons left out: PERWT21F 0: not of the survey's population": 1,
    }  # fmt: skip


def test_without_age_last_the_age_of_the_year_is_taken(write) -> None:
    read = read_meps(write(GOOD[:1], HEAD.replace("AGELAST", "AGE21X")), None, 2021)

    assert read.members["age"].to_pylist() == [70]


def test_parquet_with_numbers_reads_the_same(write, tmp_path) -> None:
    columns = zip(*(map(float, row.split(",")) for row in GOOD), strict=True)
    path = tmp_path / "h233.parquet"
    pq.write_table(pa.table(dict(zip(HEAD.split(","), map(list, columns), strict=True))), path)

    read = read_meps(path, None, 2021)

    assert read.members.equals(read_meps(write(GOOD), None, 2021).members)


@pytest.mark.parametrize(("row", "message"), [
    ("3,86,1,2,10,5,1,1", "1 rows with AGELAST outside the codebook"),
    ("3,40.5,1,2,10,5,1,1", "1 rows with AGELAST outside the codebook"),
    ("3,40,3,2,10,5,1,1", "1 rows with SEX outside the codebook"),
    ("3,40,1,6,10,5,1,1", "1 rows with RACETHX outside the codebook"),
    ("3,40,1,2,-2,5,1,1", "1 rows with TOTEXP21 outside the codebook"),
    ("3,40,1,2,,5,1,1", "1 rows with TOTEXP21 outside the codebook"),
    ("3,40,1,2,10,-1,1,1", "1 rows with PERWT21F missing or negative"),
    ("3,40,1,2,10,5,x,1", "1 rows with VARSTR missing or negative"),
    (",40,1,2,10,5,1,1", "1 rows with no DUPERSID"),
    (GOOD[0], "1 rows with a DUPERSID that others have too"),
])  # fmt: skip
def test_values_outside_the_codebook_are_refused_and_counted(write, row, message) -> None:
    with pytest.raises(InputError, match=message) as refused:
        read_meps(write([*GOOD, row]), None, 2021)

    assert "2460002101" not in str(refused.value)


@pytest.mark.parametrize("code", ["-2", "E1", "E119", "", "11E"])
def test_other_condition_codes_are_refused(write, code) -> None:
    with pytest.raises(InputError, match="1 rows with ICD10CDX outside the codebook"):
        read_meps(write(GOOD), conditions(write, [f"2460002101,1,{code}"]), 2021)


def test_missing_files_and_columns_are_named(write, tmp_path) -> None:
    with pytest.raises(InputError, match=r"h233\.csv: no column AGE22X, TOTEXP22, PERWT22F"):
        read_meps(write(GOOD, HEAD.replace("AGELAST", "AGE21X")), None, 2022)
    with pytest.raises(InputError, match=r"c\.csv: no column ICD10CDX"):
        read_meps(write(GOOD), write([], "DUPERSID", "c.csv"), 2021)
    with pytest.raises(InputError, match="no file"):
        read_meps(tmp_path / "nothing.csv", None, 2021)
    with pytest.raises(OptionError, match="from 2018 on, not in 2017"):
        read_meps(write(GOOD), None, 2017)


def test_nobody_left_is_refused(write) -> None:
    with pytest.raises(InputError, match="no person is left"):
        read_meps(write(["7,40,1,2,10,0,1,1"]), None, 2021)


def test_one_command_writes_the_tables(write, tmp_path, monkeypatch, capsys) -> None:
    from riskadj.cli import app

    monkeypatch.setattr("sys.argv", ["riskadj", "import", "meps", str(write(GOOD)), "--year",
                                     "2021", "--out", str(tmp_path / "meps")])  # fmt: skip
    with pytest.raises(SystemExit) as done:
        app.main()

    assert done.value.code == 0
    assert "persons kept" in capsys.readouterr().out
    assert pq.read_table(tmp_path / "meps" / "costs.parquet").num_rows == 2
