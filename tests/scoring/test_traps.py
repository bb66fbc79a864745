"""One case for each trap that peers fall into, and the arithmetic of published coefficients."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from riskadj.catalog import resolve_model
from riskadj.scoring.person import PersonScorer, score_member
from riskadj.scoring.scorer import Scorer

MODELS = {"CMS-HCC V24": "cms-hcc-v24", "CMS-HCC V28": "cms-hcc-v28"}
OTHERS = {
    "CMS-HCC ESRD V24 (dialysis)": ("esrd-v24", {"esrd_status": "dialysis"}, "DI"),
    "RxHCC V08 segment T": ("rxhcc-v08-t", {"low_income": False}, "CE_NonLow_Aged"),
}
"""Models whose cases tell the score only: ours, the status the case's name implies, our segment."""


def cases(shared: Path) -> list[dict]:
    found = json.loads((shared / "cases" / "hcc_traps.json").read_text(encoding="utf-8"))["cases"]
    ours = [case for case in found if case["model"] in MODELS]
    assert len(ours) >= 20
    return ours


def key(case: dict) -> str:
    return f"{MODELS[case['model']]}/{case['payment_year']}"


def test_traps_pass_for_one_member(shared: Path) -> None:
    for case in cases(shared):
        given, expected = case["input"], case["expected"]

        score = score_member(
            age=given["age"], sex=given["sex"], original_reason_entitlement_code=given["orec"],
            diagnoses=given["dx"], model=key(case), dual_status_code=given["dual"],
            long_term_institutional=given["lti"], new_enrollee=given["ne"],
            chronic_snp=given["snp"],
        )  # fmt: skip

        priced = {f.term: f.coefficient for f in score.factors if f.coefficient}
        assert round(score.raw_score * 1000) == round(expected["raw_score"] * 1000), case["id"]
        assert score.segment == expected["segment"], case["id"]
        assert sorted(score.conditions) == sorted(expected["hccs"]), case["id"]
        assert priced == expected["nonzero_terms"], case["id"]


def test_traps_of_dialysis_and_drugs_pass_for_one_member(shared: Path) -> None:
    found = json.loads((shared / "cases" / "hcc_traps.json").read_text(encoding="utf-8"))["cases"]
    others = [case for case in found if case["model"] not in MODELS]
    assert {case["model"] for case in others} == set(OTHERS)
    for case in others:
        family, status, segment = OTHERS[case["model"]]
        given = case["input"]

        score = score_member(
            age=given["age"], sex=given["sex"], original_reason_entitlement_code=given["orec"],
            diagnoses=given["dx"], model=f"{family}/{case['payment_year']}",
            dual_status_code=given["dual"], long_term_institutional=given["lti"],
            new_enrollee=given["ne"], **status,
        )  # fmt: skip

        assert score.segment == segment, case["id"]
        assert round(score.raw_score * 1000) == round(case["expected"]["raw_score"] * 1000)


@pytest.mark.parametrize("mce", [True, False])
def test_traps_pass_in_bulk_with_and_without_mce_edits(shared: Path, mce: bool) -> None:
    wanted = "raw_score" if mce else "raw_score_without_mce_edits"
    for model_key in {key(c) for c in cases(shared)}:
        own = [c for c in cases(shared) if key(c) == model_key]
        model = resolve_model(model_key)
        members = pa.table({
            "member_id": [c["id"] for c in own],
            **{name: [c["input"][name] for c in own]
               for name in ("age", "sex", "orec", "dual", "lti", "ne", "snp")},
        })  # fmt: skip
        pairs = [(c["id"], code) for c in own for code in c["input"]["dx"]]
        diagnoses = pa.table({"member_id": [p[0] for p in pairs], "dx": [p[1] for p in pairs]})

        table = Scorer(model if mce else model.without_mce_edits()).score(members, diagnoses).table

        got = dict(zip(*(table[c].to_pylist() for c in ("member_id", "raw_score")), strict=True))
        assert {k: round(v * 1000) for k, v in got.items()} == {
            c["id"]: round(c["expected"][wanted] * 1000) for c in own
        }


def thousandths(model: str, *codes: str, **member: object) -> int:
    given = {"age": 70, "sex": "F", "original_reason_entitlement_code": 0, **member}
    return round(score_member(diagnoses=list(codes), model=model, **given).raw_score * 1000)


def test_a_parent_that_was_outranked_outranks_nothing() -> None:
    # V28115H1: SET0 tests the live HCC. HCC62 drops 63, so 63 does not drop 202.
    assert thousandths("cms-hcc-v28/2026", "T8643", "K7290", "R402211") == 395 + 376 + 543


def test_heart_assist_device_needs_a_companion() -> None:
    # V2823T2M step 3.6: CC223 counts only beside CC221, 222, 224, 225 or 226.
    assert thousandths("cms-hcc-v28/2026", "T82592A") == 395
    assert thousandths("cms-hcc-v28/2026", "T82592A", "I281") == 395 + 2505


def test_breast_cancer_under_50_is_a_graver_condition() -> None:
    # V28I0ED1: age < 50 and C50911 -> CC22; the format has CC23.
    assert (
        thousandths("cms-hcc-v28/2026", "C50911", age=49, original_reason_entitlement_code=1) == 706
    )
    assert thousandths("cms-hcc-v28/2026", "C50911") == 395 + 186


def test_v24_chronic_lung_codes_under_18_are_fibrosis() -> None:
    # V24I0ED1: age < 18 and J410 -> CC112, not CC111
    young = {"age": 17, "sex": "M", "original_reason_entitlement_code": 1}
    scorer = PersonScorer(resolve_model("cms-hcc-v24/2022"))

    score = score_member(diagnoses=["J410"], model="cms-hcc-v24/2022", **young)

    assert score.conditions == ("HCC112",)
    worth = scorer.book.model.coefficients
    assert round(score.raw_score * 1000) == worth["CND", "M0_34"] + worth["CND", "HCC112"]


@pytest.mark.parametrize(
    ("year", "segment", "cell"), [(2020, "CNA", "F65_69"), (2023, "CND", "F60_64")]
)
def test_age_64_entitled_by_age_follows_the_release(year: int, segment: str, cell: str) -> None:
    # V2419P1M (2020) step 3.4: IF AGEF=64 & OREC='0' THEN AGEF=65; V2423P1M has no such line.
    score = score_member(
        age=64, sex="F", original_reason_entitlement_code=0, diagnoses=[],
        model=f"cms-hcc-v24/{year}",
    )  # fmt: skip

    assert (score.segment, score.factors[0].term) == (segment, cell)


def test_new_enrollee_of_64_entitled_by_age_is_in_cell_65() -> None:
    # AGESEXV2: WHEN(&SEX='2' & &AGEF=64 & &OREC='0') NE_AGESEX = 6
    assert thousandths("cms-hcc-v28/2026", age=64, new_enrollee=True) == 532
    assert thousandths(
        "cms-hcc-v28/2026", age=64, new_enrollee=True, original_reason_entitlement_code=1
    ) == 1212  # fmt: skip
