"""What must never be lost or priced by another rule without a word."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

import riskadj
from riskadj import InputError, OptionError, Options
from riskadj.catalog import resolve_model
from riskadj.scoring.sql import model_sql

HEADER = "member_id,age,sex,orec"
MEMBERS = pa.table({"member_id": ["A"], "age": [70], "sex": ["F"], "orec": [0]})
QUARANTINE = Options(on_error="quarantine")


def csv(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def score(members: object, diagnoses: object, **more: object) -> riskadj.Scores:
    return riskadj.score(members, diagnoses, payment_year=2026, **more)


@pytest.mark.parametrize("options", [Options(), QUARANTINE])
def test_a_quote_that_is_never_closed_is_refused_not_skipped(tmp_path, options) -> None:
    rows = [f"A,E112{n}" for n in range(3)] + ['A,"E119'] + ["A,I281"] * 4
    path = csv(tmp_path / "d.csv", "member_id,diagnosis_code", *rows)

    with pytest.raises(InputError, match="quote is not closed"):
        score(MEMBERS, path, options=options)


@pytest.mark.parametrize("options", [Options(), QUARANTINE])
def test_two_stray_quotes_do_not_merge_rows(tmp_path, options) -> None:
    rows = ["A,E1121", 'A,"E119', "A,I281", 'A,I4819"', "A,J449"]
    path = csv(tmp_path / "d.csv", "member_id,diagnosis_code", *rows)

    with pytest.raises(InputError, match="row 2"):
        score(MEMBERS, path, options=options)


def test_rejected_rows_are_numbered_as_in_the_file(tmp_path) -> None:
    good = [f"M{n},70,F,0" for n in range(9)]
    rows = [good[0], "M,70", *good[1:7], "X,-3,F,0", "M,1,2,3,4,5", "Y,200,F,0"]
    path = csv(tmp_path / "m.csv", HEADER, *rows)

    rejected = score(path, MEMBERS.select(["member_id"]).append_column(
        "diagnosis_code", pa.array(["E119"])), options=QUARANTINE).rejected  # fmt: skip

    assert [(r["table"], r["row"]) for r in rejected.to_pylist()] == [
        ("members", 2), ("members", 9), ("members", 10), ("members", 11)
    ]  # fmt: skip
    assert rejected.schema.field("row").type == pa.int64()


@pytest.mark.parametrize("blank", ["\u00a0", "\x0b", "\x1f", "\u2003", "\t", "\u3000"])
def test_every_kind_of_blank_around_a_code_means_nothing(blank) -> None:
    diagnoses = pa.table({"member_id": ["A"], "diagnosis_code": [f"E11.21{blank}"]})
    connection = duckdb.connect()
    connection.register("given", MEMBERS)
    connection.execute(
        "create table members as select member_id, age, sex, "
        "orec as original_reason_entitlement_code, null as dual_status_code, "
        "false as long_term_institutional, false as new_enrollee, false as chronic_snp from given"
    )
    connection.register("diagnoses", diagnoses)

    scores = score(MEMBERS, diagnoses)

    assert scores.table["raw_score"].to_pylist() == [0.561]
    assert [r["status"] for r in scores.diagnosis_status().to_pylist()] == ["counted"]
    selected = connection.sql(model_sql(resolve_model("cms-hcc-v28/2026"))).fetchall()
    assert selected[0][2] == 0.561


@pytest.mark.parametrize("model", ["cms-hcc-v28/2024", "cms-hcc-v24/2025"])
def test_a_year_is_not_priced_by_a_model_of_another_year_or_family(model) -> None:
    with pytest.raises(OptionError, match="ma/2026 pays by cms-hcc-v28/2026"):
        score(MEMBERS, MEMBERS.select(["member_id"]).append_column(
            "diagnosis_code", pa.array(["E119"])), models={"cms-hcc-v28/2026": model})  # fmt: skip


def test_spellings_of_one_code_have_one_status() -> None:
    diagnoses = pa.table({
        "member_id": ["A"] * 4, "diagnosis_code": ["E11.9", "E119", " e11.9", "I281"],
        "accepted": [True, False, True, True],
    })  # fmt: skip

    rows = score(MEMBERS, diagnoses).diagnosis_status().to_pylist()

    assert [(r["diagnosis_code"], r["status"]) for r in rows] == [
        ("E119", "counted"), ("I281", "counted")
    ]  # fmt: skip


def test_diagnoses_of_a_new_enrollee_say_that_the_segment_does_not_price_them() -> None:
    members = MEMBERS.append_column("new_enrollee", pa.array([True]))
    diagnoses = pa.table({"member_id": ["A"], "diagnosis_code": ["E119"]})

    row = score(members, diagnoses).diagnosis_status().to_pylist()[0]

    assert row["because"] == "segment NE does not price diagnoses"


def test_reasons_of_ones_own_stay_out_of_the_counts() -> None:
    diagnoses = pa.table({"member_id": ["A"], "diagnosis_code": ["E119"], "accepted": [False],
                          "because": ["JOHN DOE was not enrolled"]})  # fmt: skip

    scores = score(MEMBERS, diagnoses)

    assert scores.quality.diagnoses_set_aside == {"not_accepted_claim": 1}
    assert "JOHN DOE" in scores.diagnosis_status().to_pylist()[0]["because"]


def test_values_on_a_single_source_are_said() -> None:
    diagnoses = pa.table({"member_id": ["A"], "diagnosis_code": ["E119"]})

    caveats = riskadj.score(MEMBERS, diagnoses, payment_year=2025).caveats

    assert any("normalization factor 1.045 of cms-hcc-v28/2025" in c for c in caveats)


@pytest.mark.parametrize(
    ("column", "value"),
    [("sex", "X"), ("sex", None), ("age", None), ("age", 130), ("age", -1),
     ("original_reason_entitlement_code", None), ("original_reason_entitlement_code", 7),
     ("dual_status_code", "77")],
)  # fmt: skip
def test_the_select_refuses_what_the_engine_refuses(column, value) -> None:
    row = {"member_id": "A", "age": 70, "sex": "F", "original_reason_entitlement_code": 0,
           "dual_status_code": "02", "long_term_institutional": False, "new_enrollee": False,
           "chronic_snp": False, column: value}  # fmt: skip
    connection = duckdb.connect()
    connection.register("members", pa.table({k: pa.array([v]) for k, v in row.items()}))
    connection.register("diagnoses", pa.table({"member_id": ["A"], "diagnosis_code": ["E119"]}))

    with pytest.raises(duckdb.Error, match=column):
        connection.sql(model_sql(resolve_model("cms-hcc-v28/2026"))).fetchall()
