"""Bad input: a clear error or a counted line, nothing lost, nothing silent, no values told."""

import datetime as dt
import gzip
import os
import subprocess
import sys

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riskadj import (
    InputError,
    NotPublishedError,
    OptionError,
    Options,
    load_model,
    score,
    score_member,
)
from riskadj.scoring.programs import plan_payment_year
from riskadj.scoring.scorer import run
from tests.engine.arrivals import (
    FORMS,
    arriving,
    diagnosis_table,
    member_table,
    raw_by_member,
    text_file,
)

PLAN = plan_payment_year("ma", 2026)
RAISE, QUARANTINE = Options(), Options(on_error="quarantine")
SECRET, SECRET_BIRTH, SECRET_CODE = "SECRETID7", "1931-07-23", "C7931"
HEADER = "member_id,age,sex,original_reason_entitlement_code,dual_status_code"
NO_CODES = diagnosis_table()

WOMAN_OF_70, WITH_E1121, WITH_I281_TOO = 0.395, 0.561, 1.033
"""CMS-HCC V28 2026, CNA: F70_74; with HCC37; with HCC226 and the interaction as well."""


def refusal(members, diagnoses=NO_CODES, options=RAISE):
    with pytest.raises(InputError) as refused:
        run(PLAN, members, diagnoses, options)
    return str(refused.value)


def scored(members, diagnoses=NO_CODES, options=RAISE):
    return run(PLAN, members, diagnoses, options)


def assert_tells_no_value(message, capfd, *more):
    seen = capfd.readouterr()
    for secret in (SECRET, SECRET.lower(), SECRET_BIRTH, SECRET_CODE, *more):
        assert secret not in message + seen.out + seen.err


# ---- Members: one fault, five ways to arrive -------------------------------------------------

AGE = "age is not whole years from 0 to 120"
SEX = "sex is not F, M, 1 (male), 2 (female) or the word"
OREC = "original_reason_entitlement_code is not 0, 1, 2 or 3"
DUAL = "dual_status_code is not 00-06, 08-10 or 99 (blank: not dual)"
BIRTH = "birth_date is not a date, is in the future, or gives an age over 120"

FAULTS = [
    pytest.param({"age": [70, -3, 70]}, AGE, id="age below zero"),
    pytest.param({"age": [70, 150, 70]}, AGE, id="age 150"),
    pytest.param({"age": [70, 121, 70]}, AGE, id="age 121"),
    pytest.param({"age": [70.0, 64.9, 70.0]}, AGE, id="age 64.9"),
    pytest.param({"age": [70.0, float("nan"), 70.0]}, AGE, id="age NaN"),
    pytest.param({"age": [70, None, 70]}, AGE, id="age missing"),
    pytest.param({"age": ["70", "old", "70"]}, AGE, id="age in words"),
    pytest.param({"sex": ["F", None, "F"]}, SEX, id="sex missing"),
    pytest.param({"sex": ["F", "X", "F"]}, SEX, id="sex X"),
    pytest.param({"sex": ["F", " ", "F"]}, SEX, id="sex blank"),
    pytest.param({"sex": [2, 3, 2]}, SEX, id="sex 3"),
    pytest.param({"original_reason_entitlement_code": ["0", "9", "0"]}, OREC, id="OREC 9"),
    pytest.param({"original_reason_entitlement_code": [0, None, 0]}, OREC, id="OREC missing"),
    pytest.param({"dual_status_code": ["", "77", ""]}, DUAL, id="dual 77"),
    pytest.param({"dual_status_code": [2, 7, 2]}, DUAL, id="dual 7"),
    pytest.param({"long_term_institutional": ["N", "maybe", "N"]},
                 "long_term_institutional is not yes or no", id="LTI maybe"),
    pytest.param({"new_enrollee": [0, 2, 0]}, "new_enrollee is not yes or no", id="NE 2"),
    pytest.param({"esrd_status": ["none", "graft", "none"]},
                 "months_since_transplant is missing: transplant or graft", id="graft, no months"),
    pytest.param({"esrd_status": ["none", "kidney", "none"]},
                 "esrd_status is not none, dialysis, transplant or graft", id="ESRD kidney"),
    pytest.param({"months_since_transplant": [None, 7, None]},
                 "months_since_transplant without esrd_status transplant or graft", id="no graft"),
    pytest.param({"esrd_status": ["none", "graft", "none"],
                  "months_since_transplant": [None, 0, None]},
                 "months_since_transplant is not whole months from 1 on (blank: none)",
                 id="month 0"),
    pytest.param({"birth_date": ["1955-02-01", "23/07/1931", "1955-02-01"]}, BIRTH,
                 id="birth date day first"),
    pytest.param({"birth_date": ["1955-02-01", "2027-01-01", "1955-02-01"]}, BIRTH,
                 id="birth date in the future"),
    pytest.param({"birth_date": ["1955-02-01", "1905-01-01", "1955-02-01"]}, BIRTH,
                 id="birth date gives 121"),
    pytest.param({"birth_date": ["1955-02-01", None, "1955-02-01"]}, BIRTH,
                 id="birth date missing"),
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("columns", "what"), FAULTS)
def test_a_bad_member_is_refused_with_count_row_and_column(form, columns, what, tmp_path, capfd):
    table = member_table(member_id=["A0", SECRET, "A2"], **columns)

    message = refusal(arriving(form, table, tmp_path))

    assert f"1 rows: {what} (first at row 2)" in message
    assert "of 3 rows" in message
    assert "--on-error quarantine" in message
    assert_tells_no_value(message, capfd, "23/07/1931", "2027-01-01", "1905-01-01")


@pytest.mark.parametrize("form", ["pandas", "csv"])
@pytest.mark.parametrize(("columns", "what"), FAULTS)
def test_quarantine_scores_the_others_and_lists_the_bad_row(form, columns, what, tmp_path):
    table = member_table(member_id=["A0", SECRET, "A2"], **columns)

    scores = scored(arriving(form, table, tmp_path), options=QUARANTINE)

    assert set(raw_by_member(scores)) == {"A0", "A2"}
    assert scores.rejected.to_pylist() == [{"table": "members", "row": 2, "why": what}]
    assert scores.quality.members_rejected == {what: 1}
    assert (scores.quality.members, scores.quality.members_scored) == (3, 2)


@pytest.mark.parametrize("form", FORMS)
def test_repeated_member_ids_are_all_refused(form, tmp_path, capfd):
    table = member_table(4, member_id=["A0", SECRET, "A2", SECRET])

    message = refusal(arriving(form, table, tmp_path))

    assert "2 rows: member_id stands more than once (first at row 2)" in message
    assert_tells_no_value(message, capfd)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("blank", [None, "", "  "])
def test_a_blank_member_id_is_refused(form, blank, tmp_path):
    table = member_table(member_id=["A0", blank, "A2"])

    message = refusal(arriving(form, table, tmp_path))

    assert "1 rows: member_id is empty (first at row 2)" in message


def test_ids_that_differ_in_blanks_around_them_are_one_member():
    message = refusal(member_table(member_id=["A0", " A0 ", "A2"]))

    assert "2 rows: member_id stands more than once (first at row 1)" in message


@pytest.mark.parametrize("form", FORMS)
def test_all_faults_of_a_table_are_told_at_once(form, tmp_path):
    table = member_table(5, age=[70, 150, 70, 150, 70], sex=["F", "F", "X", "F", "X"])

    message = refusal(arriving(form, table, tmp_path))

    assert f"2 rows: {AGE} (first at row 2)" in message
    assert f"2 rows: {SEX} (first at row 3)" in message


@pytest.mark.parametrize("form", FORMS)
def test_members_are_scored_plus_rejected(form, tmp_path):
    table = member_table(
        6, member_id=["A", "B", "B", "C", None, "D"], age=[70, 70, 70, -3, 70, 70],
        sex=["F", "F", "F", "F", "F", "X"],
    )  # fmt: skip

    scores = scored(arriving(form, table, tmp_path), options=QUARANTINE)

    quality = scores.quality
    assert quality.members == 6
    assert quality.members_scored == 1
    assert quality.members_rejected == {
        "member_id stands more than once": 2, AGE: 1, "member_id is empty": 1, SEX: 1
    }  # fmt: skip
    assert [row["row"] for row in scores.rejected.to_pylist()] == [2, 3, 4, 5, 6]


def test_quarantine_with_nobody_left_is_refused():
    assert refusal(member_table(age=[-3, 150, 121]), options=QUARANTINE) == (
        f"members: no row is left to score\n  3 rows: {AGE}"
    )


def test_esrd_members_are_scored_when_a_segment_is_forced():
    members = member_table(1, esrd_status=["dialysis"])

    scores = load_model("cms-hcc-v28/2026").score(members, NO_CODES, segment="CNA")

    assert raw_by_member(scores) == {"A0": WOMAN_OF_70}


@pytest.mark.parametrize("word", ["infinity", "-infinity", "epoch"])
def test_a_birth_date_in_words_is_refused(word):
    message = refusal(
        member_table(birth_date=["1955-02-01", word, "1955-02-01"]).drop_columns("age")
    )

    assert f"1 rows: {BIRTH} (first at row 2)" in message


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
def test_a_birth_date_with_a_time_zone_does_not_depend_on_the_machine(zone):
    script = (
        "import datetime as dt, pyarrow as pa\n"
        "from riskadj import InputError, score\n"
        "born = dt.datetime(1956, 2, 2, tzinfo=dt.timezone.utc)\n"
        "members = pa.table({'member_id': ['A'], 'birth_date': [born], 'sex': ['F'],"
        " 'original_reason_entitlement_code': [0]})\n"
        "none = pa.table({'member_id': pa.array([], 'string'),"
        " 'diagnosis_code': pa.array([], 'string')})\n"
        "try:\n"
        "    print(score(members, none, payment_year=2026).table['raw_score'][0])\n"
        "except InputError as error:\n"
        "    print('time zone' if 'time zone' in str(error) else error)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "TZ": zone},
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert done.stdout.strip() in ("time zone", "0.33")  # F65_69: 69 until 2 February


# ---- Columns ---------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("column", "asked"),
    [
        ("member_id", "member_id"), ("age", "birth_date"), ("sex", "sex"),
        ("original_reason_entitlement_code", "original_reason_entitlement_code"),
    ],
)  # fmt: skip
def test_a_missing_column_is_named_with_those_there_are(form, column, asked, tmp_path):
    table = member_table().drop_columns(column).append_column("note", pa.array(["", "", ""]))

    message = refusal(arriving(form, table, tmp_path))

    assert message.startswith(f"members: no column {asked!r}. There are: ")
    assert "note" in message


@pytest.mark.parametrize("form", FORMS)
def test_a_misspelled_column_gets_a_hint(form, tmp_path):
    table = member_table().rename_columns(
        ["member_ID", "age", "sexx", "original_reason_entitlement_code"]
    )

    message = refusal(arriving(form, table, tmp_path))

    assert "no column 'sex'" in message
    assert "Did you mean 'sexx'? Rename it." in message


@pytest.mark.parametrize("form", FORMS)
def test_a_missing_diagnosis_column_is_named(form, tmp_path):
    table = diagnosis_table(("A0", "E1121")).rename_columns(["member_id", "condition"])

    message = refusal(member_table(), arriving(form, table, tmp_path))

    assert message.startswith("diagnoses: no column 'diagnosis_code'. There are: ")


@pytest.mark.parametrize("second", ["age", "AGE"])
def test_a_column_named_twice_is_refused_in_a_csv_file(second, tmp_path):
    path = text_file(tmp_path, "m.csv", f"{HEADER},{second}", "A,70,F,0,,80")

    assert "two columns have the same name" in refusal(path)


@pytest.mark.parametrize("form", ["pyarrow", "pandas"])
@pytest.mark.parametrize("second", ["age", "AGE"])
def test_a_column_named_twice_is_refused_in_a_frame(form, second, tmp_path):
    names = [*member_table().column_names, second]
    table = pa.Table.from_arrays([*member_table().columns, pa.array([1, 2, 3])], names=names)
    frame = table if form == "pyarrow" else pd.concat(
        [member_table().to_pandas(), pd.DataFrame({second: [1, 2, 3]})], axis=1
    )  # fmt: skip

    assert "two columns have the same name" in refusal(frame)


@pytest.mark.parametrize("ids", [[True, False, None], [1.0, 2.0, 3.5], [dt.date(1931, 7, 23)] * 3])
def test_ids_that_are_neither_text_nor_whole_numbers_are_refused(ids, capfd):
    message = refusal(member_table(member_id=ids))

    assert message.startswith("members: member_id is ")
    assert "expected text or whole numbers" in message
    assert_tells_no_value(message, capfd)


def test_ids_beyond_63_bits_are_refused_by_name():
    message = refusal(member_table(1, member_id=pa.array([2**64 - 1], pa.uint64())))

    assert "member_id" in message
    assert str(2**64 - 1) not in message


@pytest.mark.parametrize(("members", "diagnoses"), [([1, 2, 3], ["1"]), (["1", "2", "3"], [1])])
def test_whole_number_ids_do_not_match_text_ids_silently(members, diagnoses):
    message = refusal(
        member_table(member_id=members),
        pa.table({"member_id": diagnoses, "diagnosis_code": ["E1121"]}),
    )

    assert "member_id is " in message
    assert "store both the same way" in message


@pytest.mark.parametrize(
    "ids", [["A0", 7, "A2"], [7, SECRET, "A2"]], ids=["text first", "number first"]
)
def test_ids_of_two_kinds_in_a_pandas_column_are_refused_by_column(ids, capfd):
    frame = member_table().to_pandas().assign(member_id=pd.Series(ids, dtype=object))

    message = refusal(frame)

    assert "member_id" in message
    assert "neither a path nor a frame" not in message
    assert_tells_no_value(message, capfd)


def test_numbers_among_the_codes_of_a_pandas_column_are_refused_by_column(capfd):
    codes = pd.Series(["E11.21", None, float("nan"), 25000, SECRET_CODE], dtype=object)
    diagnoses = pd.DataFrame({"member_id": ["A0"] * 5, "diagnosis_code": codes})

    message = refusal(member_table().to_pandas(), diagnoses)

    assert "diagnosis_code" in message
    assert "neither a path nor a frame" not in message
    assert_tells_no_value(message, capfd)


@pytest.mark.parametrize("odd", [{"a": 1}, [1], None, pd.Series([1]), 7])
def test_what_is_neither_path_nor_frame_is_refused(odd):
    assert "is neither a path nor a frame" in refusal(odd)


# ---- Files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["m.csv", "m.tsv", "m.parquet", "m.ndjson"])
def test_an_empty_file_is_refused(name, tmp_path):
    (tmp_path / name).touch()

    assert refusal(tmp_path / name).endswith(f"{name} is empty")


@pytest.mark.parametrize("name", ["m.csv", "m.xlsx"])
def test_a_missing_file_is_refused(name, tmp_path):
    assert "members: no file " in refusal(tmp_path / name)


def test_a_folder_is_refused(tmp_path):
    assert "members: no file " in refusal(tmp_path)


def test_an_unknown_suffix_is_refused_with_those_known(tmp_path):
    path = text_file(tmp_path, "m.xlsx", "x")

    assert refusal(path) == "members: m.xlsx is not .parquet, .csv, .tsv, .txt or .ndjson"


def test_a_table_with_a_header_alone_has_no_members(tmp_path):
    assert refusal(text_file(tmp_path, "m.csv", HEADER)) == "members: the table has no rows"


def test_a_file_without_header_does_not_tell_its_first_row(tmp_path, capfd):
    path = text_file(tmp_path, "m.csv", f"{SECRET},{SECRET_BIRTH},F,0,", "B,1950-01-01,F,0,02")

    message = refusal(path)

    assert "no column 'member_id'" in message
    assert_tells_no_value(message, capfd)


def test_diagnoses_without_header_do_not_tell_their_first_row(tmp_path, capfd):
    path = text_file(tmp_path, "d.csv", f"{SECRET},{SECRET_CODE}", "B,E1121")

    message = refusal(member_table(), path)

    assert "no column 'member_id'" in message
    assert_tells_no_value(message, capfd, SECRET_CODE.lower())


@pytest.mark.parametrize("row", [f"{SECRET},71,M", f"{SECRET},71,M,0,02,9,9"])
def test_a_csv_row_of_another_length_is_refused_with_its_line(row, tmp_path, capfd):
    path = text_file(tmp_path, "m.csv", HEADER, "A,70,F,0,", row, "C,70,F,0,")

    message = refusal(path)

    assert message == "members: a row has another number of columns than the header at line 3"
    assert_tells_no_value(message, capfd)


@pytest.mark.parametrize("row", ["B,71,M", "B,71,M,0,02,9,9"])
def test_a_csv_row_of_another_length_is_counted_in_quarantine(row, tmp_path):
    path = text_file(tmp_path, "m.csv", HEADER, "A,70,F,0,", row, "C,70,F,0,")

    scores = scored(path, options=QUARANTINE)

    assert set(raw_by_member(scores)) == {"A", "C"}
    assert sum(scores.quality.unread_rows.values()) == 1


def test_bad_rows_on_the_same_line_of_both_tables_are_two(tmp_path):
    members = text_file(tmp_path, "m.csv", HEADER, "A,70,F,0,", "B,71,M", "C,70,F,0,")
    diagnoses = text_file(tmp_path, "d.csv", "member_id,diagnosis_code", "A,E1121", "A", "C,I281")

    scores = scored(members, diagnoses, QUARANTINE)

    assert sum(scores.quality.unread_rows.values()) == 2
    assert raw_by_member(scores) == {"A": WITH_E1121, "C": 0.755}


def test_a_short_row_far_down_is_refused_with_its_line(tmp_path, capfd):
    rows = [f"A{i},70,F,0," for i in range(30_000)]
    path = text_file(tmp_path, "m.csv", HEADER, *rows, f"{SECRET},70")

    message = refusal(path)

    assert message == "members: a row has another number of columns than the header at line 30002"
    assert_tells_no_value(message, capfd)


def test_a_quote_that_is_not_closed_is_refused(tmp_path, capfd):
    path = text_file(tmp_path, "m.csv", HEADER, "A,70,F,0,", f'"{SECRET},71,M,0,02', "C,70,F,0,")

    message = refusal(path)

    assert message == "members: a quote is not closed at line 3"
    assert_tells_no_value(message, capfd)


def test_a_row_that_is_not_utf8_is_refused_with_its_line(tmp_path, capfd):
    path = tmp_path / "m.csv"
    path.write_bytes(f"{HEADER}\nA,70,F,0,\n{SECRET}".encode() + b"\xe9,70,F,0,\n")

    message = refusal(path)

    assert message == "members: a row is not UTF-8 at line 3"
    assert_tells_no_value(message, capfd)


def test_a_title_above_the_header_is_refused(tmp_path):
    path = text_file(tmp_path, "m.csv", "Members of 2026", HEADER, "A,70,F,0,", "B,71,M,0,02")

    assert refusal(path).startswith("members: ")


def test_a_member_whose_id_starts_with_a_hash_is_not_a_comment(tmp_path):
    path = text_file(tmp_path, "m.csv", HEADER, "A,70,F,0,", "#B,71,M,0,02")

    assert raw_by_member(scored(path)) == {"A": WOMAN_OF_70, "#B": 0.626}  # CFA: M70_74


@pytest.mark.parametrize(
    "content",
    [b"PAR1" + b"x" * 50, b"hello", b"PAR1"],
    ids=["cut", "not Parquet", "magic alone"],
)
def test_a_truncated_parquet_file_is_refused(content, tmp_path):
    (tmp_path / "m.parquet").write_bytes(content)

    assert refusal(tmp_path / "m.parquet") == ("members: not a whole Parquet file (truncated?)")


def test_a_parquet_file_cut_short_is_refused(tmp_path, capfd):
    path = tmp_path / "m.parquet"
    pq.write_table(member_table(member_id=[SECRET, "B", "C"]), path)
    path.write_bytes(path.read_bytes()[:-20])

    message = refusal(path)

    assert message.startswith("members: ")
    assert_tells_no_value(message, capfd)


@pytest.mark.parametrize("options", [RAISE, QUARANTINE])
def test_a_truncated_ndjson_line_is_refused(options, tmp_path, capfd):
    path = tmp_path / "m.ndjson"
    path.write_text(
        f'{{"member_id":"A","age":70,"sex":"F","orec":0}}\n{{"member_id":"{SECRET}","age":7'
    )

    message = refusal(path, options=options)

    assert message == "members: line 2 of m.ndjson is not valid JSON (truncated?)"
    assert_tells_no_value(message, capfd)


def test_a_truncated_gzip_file_is_refused(tmp_path):
    rows = "".join(f"A{i},70,F,0,\n" for i in range(5000))
    (tmp_path / "m.csv.gz").write_bytes(gzip.compress(f"{HEADER}\n{rows}".encode())[:-4000])

    assert refusal(tmp_path / "m.csv.gz").startswith("members: ")


# ---- Codes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_every_diagnosis_row_is_mapped_or_set_aside_by_reason(form, tmp_path):
    table = diagnosis_table(
        ("A0", "E11.21"), ("A0", " e1121 "), ("A0", "I281"), ("A1", "I10"), ("A1", "E11"),
        ("A1", "25000"), ("A1", "ZZZ"), ("A1", ""), ("A1", None), ("A1", "nan"),
        ("A2", "E11.9 "), ("GONE", "E119"), ("GONE", "I281"),
    )  # fmt: skip

    scores = scored(arriving(form, member_table(), tmp_path), arriving(form, table, tmp_path, "dx"))

    quality = scores.quality
    assert quality.diagnoses == 13
    assert quality.diagnoses_mapped == 6
    assert quality.diagnoses_set_aside == {
        "blank": 3, "header_only": 1, "icd9_like": 1, "malformed": 1, "unmapped": 1
    }  # fmt: skip
    assert quality.diagnoses_of_unknown_members == 2
    assert raw_by_member(scores) == {"A0": WITH_I281_TOO, "A1": WOMAN_OF_70, "A2": WITH_E1121}


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64()])
def test_a_column_of_numbers_is_counted_as_icd9(kind):
    diagnoses = pa.table(
        {"member_id": ["A0", "A0"], "diagnosis_code": pa.array([25000, 250], kind)}
    )

    quality = scored(member_table(), diagnoses).quality

    assert (quality.diagnoses, quality.diagnoses_mapped) == (2, 0)
    assert sum(quality.diagnoses_set_aside.values()) == 2


@pytest.mark.parametrize("codes", [[["E1121", "I281"]], [b"E1121"], [{"code": "E1121"}]])
def test_codes_that_are_lists_bytes_or_structs_are_refused_by_column(codes):
    message = refusal(member_table(), pa.table({"member_id": ["A0"], "diagnosis_code": codes}))

    assert "diagnosis_code" in message


def test_diagnoses_whose_id_has_blanks_around_it_are_of_the_member():
    scores = scored(member_table(1), diagnosis_table((" A0 ", "E1121"), ("A0", "I281")))

    assert raw_by_member(scores) == {"A0": WITH_I281_TOO}
    assert scores.quality.diagnoses_of_unknown_members == 0


def test_diagnoses_of_rejected_members_are_not_of_unknown_ones():
    members = member_table(age=[70, -3, 70])

    scores = scored(members, diagnosis_table(("A1", "E1121"), ("GONE", "E1121")), QUARANTINE)

    assert scores.quality.diagnoses_of_unknown_members == 1


def with_status(**columns):
    diagnoses = diagnosis_table(("A0", "E1121"), ("A0", "I281"), **columns)
    return scored(member_table(1), diagnoses)


@pytest.mark.parametrize(
    "accepted", [[True, False], [1, 0], ["yes", "no"], ["TRUE", "FALSE"], ["Y", "N"], ["1", "0"]]
)
def test_codes_of_claims_that_are_not_accepted_do_not_count(accepted):
    scores = with_status(accepted=accepted, because=[None, "claim is void"])

    assert raw_by_member(scores) == {"A0": WITH_E1121}
    assert scores.quality.diagnoses_mapped == 1
    assert scores.quality.diagnoses_set_aside == {"not_accepted_claim": 1}


@pytest.mark.parametrize(
    "accepted", [[True, None], ["true", ""], ["true", None], [1.0, float("nan")]]
)
def test_codes_that_nobody_accepted_do_not_count(accepted):
    scores = with_status(accepted=accepted)

    assert raw_by_member(scores) == {"A0": WITH_E1121}
    assert sum(scores.quality.diagnoses_set_aside.values()) == 1


def test_an_accepted_column_of_other_words_is_not_read_as_yes(capfd):
    diagnoses = diagnosis_table(("A0", "E1121"), ("A0", "I281"), accepted=["true", SECRET])

    try:
        found = raw_by_member(scored(member_table(1), diagnoses))
    except InputError as error:
        assert_tells_no_value(str(error), capfd)
        found = {"A0": WITH_E1121}

    assert found == {"A0": WITH_E1121}


@pytest.mark.parametrize(
    ("dates", "why"),
    [
        ([dt.date(2025, 12, 31), dt.date(2026, 1, 1)], "service is not of 2025"),
        ([dt.date(2025, 1, 1), dt.date(2024, 12, 31)], "service is not of 2025"),
        ([dt.date(2025, 1, 1), None], "no date of service"),
        (["2025-01-01", "01/01/2025"], "thru_date is not a date"),
        (["20250101", "20260101"], "service is not of 2025"),
    ],
)
def test_services_outside_the_year_do_not_count(dates, why):
    scores = with_status(thru_date=dates)

    assert raw_by_member(scores) == {"A0": WITH_E1121}
    assert scores.quality.diagnoses_set_aside == {f"outside_dates: {why}": 1}


@pytest.mark.parametrize("other", ["RAPS", None, ""])
def test_diagnoses_of_other_sources_do_not_count(other):
    scores = with_status(data_source=["Encounter ", other])

    assert raw_by_member(scores) == {"A0": WITH_E1121}
    assert scores.quality.diagnoses_set_aside == {
        "not_accepted_claim: data_source is not encounter, ffs": 1
    }


# ---- Options and models ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [{"memory_limit": "banana"}, {"memory_limit": "1"}, {"threads": 0}, {"threads": -1}],
)
def test_an_engine_option_that_cannot_be_is_refused(options):
    with pytest.raises(OptionError):
        scored(member_table(), options=Options(**options))


def test_an_unknown_way_with_errors_is_refused():
    with pytest.raises(OptionError, match="expected 'raise' or 'quarantine'"):
        Options(on_error="ignore")


def test_esrd_members_are_refused_in_a_year_whose_esrd_model_is_not_published():
    with pytest.raises(InputError, match="no model asked for here pays ESRD months"):
        score(member_table(esrd_status=["none", "dialysis", "none"]), NO_CODES, payment_year=2025)


@pytest.mark.parametrize("year", [1999, 2016, 2027, 0])
def test_a_year_that_is_not_published_is_refused(year):
    with pytest.raises(NotPublishedError, match="Known: 2017"):
        score(member_table(), NO_CODES, payment_year=year)


def test_an_unknown_model_is_refused_with_those_there_are():
    with pytest.raises(NotPublishedError, match=r"No model 'nope'\. Published: cms-hcc-v22/2017"):
        load_model("nope")


def test_an_unknown_segment_is_refused_with_those_there_are():
    with pytest.raises(OptionError, match=r"segment 'XX': expected one of .*CNA"):
        load_model("cms-hcc-v28/2026").score(member_table(), NO_CODES, segment="XX")


# ---- One member ------------------------------------------------------------------------------


def one(**changes):
    asked = {
        "age": 70, "sex": "F", "original_reason_entitlement_code": 0, "diagnoses": ["E11.21"],
        "model": "cms-hcc-v28/2026",
    }  # fmt: skip
    return score_member(**(asked | changes))


@pytest.mark.parametrize(
    "age", [True, None, 64.9, -3, 150, 121, float("nan"), float("inf"), "70", "old", [70]]
)
def test_an_age_that_is_no_whole_number_of_years_is_refused(age):
    with pytest.raises(InputError, match="age: expected whole years from 0 to 120"):
        one(age=age)


@pytest.mark.parametrize("diagnoses", [SECRET_CODE, None, 7, b"C7931"])
def test_one_value_where_a_list_of_codes_is_wanted_is_refused(diagnoses):
    with pytest.raises(InputError, match="diagnoses: ") as refused:
        one(diagnoses=diagnoses)

    assert SECRET_CODE not in str(refused.value)


def test_values_among_the_codes_that_are_not_text_are_counted():
    codes = [SECRET_CODE, None, float("nan"), 25000]

    with pytest.raises(InputError, match="diagnoses: 3 of 4 values are not text") as refused:
        one(diagnoses=codes)

    assert SECRET_CODE not in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"sex": None}, "sex"), ({"sex": "X"}, "sex"), ({"sex": ""}, "sex"),
        ({"original_reason_entitlement_code": "9"}, "original_reason_entitlement_code"),
        ({"original_reason_entitlement_code": None}, "original_reason_entitlement_code"),
        ({"dual_status_code": "77"}, "dual_status_code"),
        ({"long_term_institutional": "maybe"}, "long_term_institutional"),
        ({"long_term_institutional": None}, "long_term_institutional"),
        ({"new_enrollee": 2}, "new_enrollee"), ({"chronic_snp": float("nan")}, "chronic_snp"),
        ({"segment": "XX"}, "segment 'XX' is not one of"),
    ],
)  # fmt: skip
def test_a_value_outside_its_list_is_refused_by_name(changes, name):
    with pytest.raises((InputError, OptionError), match=name):
        one(**changes)


@pytest.mark.parametrize("model", ["nope", "cms-hcc-v28/2031", "", None])
def test_one_member_of_an_unknown_model_is_refused(model):
    with pytest.raises(NotPublishedError):
        one(model=model)


@pytest.mark.parametrize(
    "changes",
    [
        {"sex": "f"}, {"sex": "female"}, {"sex": 2}, {"sex": "2"}, {"sex": 2.0},
        {"original_reason_entitlement_code": "0"}, {"original_reason_entitlement_code": 0.0},
        {"dual_status_code": ""}, {"dual_status_code": "00"}, {"dual_status_code": 0},
        {"age": 70.0}, {"diagnoses": [" e11.21 "]}, {"diagnoses": ("E1121", "E11", "", "250")},
    ],
)  # fmt: skip
def test_other_spellings_of_the_same_member_score_the_same(changes):
    assert one(**changes).raw_score == WITH_E1121
