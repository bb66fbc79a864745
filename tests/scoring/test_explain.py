"""Every diagnosis has a status and a reason."""

import pyarrow as pa
import pytest

import riskadj
from riskadj.catalog import resolve_model
from tests.people import random_members, tables

MEMBERS = pa.table({
    "member_id": ["a", "b", "c"], "age": [70, 10, 70], "sex": ["F", "M", "M"], "orec": [0, 1, 0]
})  # fmt: skip


def status(member: str, code: str, **columns: list) -> tuple[str | None, str, str]:
    diagnoses = pa.table({"member_id": [member], "diagnosis_code": [code], **columns})
    row = riskadj.score(MEMBERS, diagnoses, payment_year=2026).diagnosis_status().to_pylist()[0]
    return row["condition"], row["status"], row["because"]


@pytest.mark.parametrize(
    ("member", "code", "expected"),
    [
        ("a", "E11.21", ("HCC37", "counted", "")),
        ("a", "F53.1", ("HCC152", "invalid_age", "valid for ages 9-64 only")),
        ("b", "J410", ("HCC280", "invalid_age", "valid for ages 18-120 only")),
        ("a", "I10", (None, "unmapped", "no payment condition")),
        ("a", "E11", (None, "unmapped", "not a complete code: longer codes are mapped")),
        ("a", "25000", (None, "unmapped", "looks like ICD-9")),
        ("a", "?", (None, "unmapped", "not an ICD-10-CM code")),
        (
            "a",
            "G20",
            (None, "not_valid_in_year", "the model maps this code in another payment year only"),
        ),
        (
            "a",
            "T82592A",
            (
                "HCC223",
                "superseded",
                "HCC223 counts only together with one of HCC221, HCC222, HCC224, HCC225, HCC226",
            ),
        ),
    ],
)
def test_status_and_reason(member: str, code: str, expected: tuple) -> None:
    assert status(member, code) == expected


def test_the_condition_that_outranks_is_named() -> None:
    diagnoses = pa.table({"member_id": ["a"] * 3, "diagnosis_code": ["T8643", "K7290", "R402211"]})

    rows = riskadj.score(MEMBERS, diagnoses, payment_year=2026).diagnosis_status().to_pylist()

    assert {r["diagnosis_code"]: (r["status"], r["because"]) for r in rows} == {
        "T8643": ("counted", ""),
        "K7290": ("superseded", "HCC62 outranks HCC63"),
        "R402211": ("counted", ""),
    }


def test_dates_claims_and_sources_that_do_not_count_are_named() -> None:
    assert status("a", "E1121", thru_date=["2024-12-31"]) == (
        None, "outside_dates", "service is not of 2025",
    )  # fmt: skip
    assert status("a", "E1121", data_source=["chart_review"]) == (
        None, "not_accepted_claim", "data_source is not encounter, ffs",
    )  # fmt: skip
    assert status("a", "E1121", accepted=[False], because=["bill type 32X is not accepted"]) == (
        None, "not_accepted_claim", "bill type 32X is not accepted",
    )  # fmt: skip


def test_every_distinct_diagnosis_is_there_and_counted_ones_are_the_conditions() -> None:
    people, diagnoses = tables(random_members(300, 8, resolve_model("cms-hcc-v28/2026")))
    scores = riskadj.load_model("cms-hcc-v28/2026").score(people, diagnoses)

    rows = scores.diagnosis_status().to_pylist()

    given = {tuple(r.values()) for r in diagnoses.to_pylist()}
    assert {(r["member_id"], r["diagnosis_code"]) for r in rows} == given
    counted: dict[int, set] = {}
    for r in rows:
        if r["status"] == "counted":
            counted.setdefault(r["member_id"], set()).add(r["condition"])
    assert counted == {
        r["member_id"]: set(r["conditions"]) for r in scores.table.to_pylist() if r["conditions"]
    }
