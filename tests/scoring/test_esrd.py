"""ESRD V24 and V21 by hand: every segment, each term with CMS's coefficient of 2026 and the sum.

Coefficients are typed in from the CSV tables of CMS's software ESRD_v24_2026_T and ESRD_v21_2026_P
(CE, NE dialysis and NE graft relative factors, graft duration, institutional graft and transplant
scores).
"""

from typing import NamedTuple

import pytest

from riskadj.catalog import resolve_model
from riskadj.scoring.person import MemberScore, score_member

V24, V21 = "esrd-v24/2026", "esrd-v21/2026"
DIALYSIS = {"esrd_status": "dialysis"}
LTI = {"long_term_institutional": True}
NEW = {"new_enrollee": True}


class Worked(NamedTuple):
    """A member worked by hand; ``terms`` are all the factors, the ones worth 0 among them."""

    rule: str
    segment: str
    who: tuple[int, str, int]  # age, sex, original reason for entitlement
    status: dict[str, object]
    codes: str
    conditions: str
    terms: dict[str, float]
    raw: float


def graft(months: int, **status: object) -> dict[str, object]:
    return {"esrd_status": "graft", "months_since_transplant": months, **status}


def transplant(month: int) -> dict[str, object]:
    return {"esrd_status": "transplant", "months_since_transplant": month}


def scored(model: str, who: tuple[int, str, int], codes: str = "", **status: object) -> MemberScore:
    age, sex, orec = who
    return score_member(age=age, sex=sex, original_reason_entitlement_code=orec,
                        diagnoses=codes.split(), model=model, **status)  # fmt: skip


def check(model: str, case: Worked) -> None:
    found = scored(model, case.who, case.codes, **case.status)

    assert found.segment == case.segment
    assert found.conditions == tuple(case.conditions.split())
    assert {f.term: f.coefficient for f in found.factors} == case.terms
    assert len(found.factors) == len(case.terms)
    assert found.raw_score == case.raw == round(sum(case.terms.values()), 3)


WORKED_V24 = [
    Worked("new on dialysis at 64 by age is 65", "DNE", (64, "F", 0), {**DIALYSIS, **NEW},
           "I509", "HCC85", {"ND_PBD_NORIGDIS_NEF65_69": 0.936}, 0.936),
    Worked("new on dialysis at 64 by ESRD is not", "DNE", (64, "M", 2),
           {**DIALYSIS, **NEW, "dual_status_code": "02"},
           "", "", {"FBD_NORIGDIS_NEM60_64": 0.881}, 0.881),
    Worked("new on dialysis: disabled by OREC 1 at any age", "DNE", (50, "M", 1),
           {**DIALYSIS, **NEW, "dual_status_code": "04"},
           "", "", {"FBD_ORIGDIS_NEM45_54": 1.074}, 1.074),
    Worked("new on dialysis: a partial dual is no full one", "DNE", (66, "F", 1),
           {**DIALYSIS, **NEW, "dual_status_code": "01"},
           "", "", {"ND_PBD_ORIGDIS_NEF65_69": 1.049}, 1.049),
    Worked("dialysis in an institution has LTI_Aged, not the graft's", "DI", (80, "M", 3),
           {**DIALYSIS, **LTI, "dual_status_code": "01"}, "E1122 I509", "HCC18 HCC85",
           {"M80_84": 0.635, "Originally_ESRD_Male": 0.017, "LTI_Aged": 0.02,
            "PBDual_Male_Aged": 0.0, "HCC18": 0.084, "HCC85": 0.063, "DIABETES_CHF": 0.0}, 0.819),
    Worked("originally ESRD by OREC 2, a term below 0", "DI", (68, "F", 2),
           {**DIALYSIS, "dual_status_code": "08"}, "", "",
           {"F65_69": 0.63, "Originally_ESRD_Female": -0.024, "FBDual_Female_Aged": 0.06}, 0.666),
    Worked("under 65 nobody is originally ESRD", "DI", (41, "F", 3), {**DIALYSIS, **LTI}, "", "",
           {"F35_44": 0.63, "LTI_NonAged": 0.098}, 0.728),
    Worked("originally disabled", "DI", (66, "F", 1), DIALYSIS, "", "",
           {"F65_69": 0.63, "OriginallyDisabled_Female": 0.024}, 0.654),
    Worked("NonAged is under 65, whatever the OREC", "DI", (50, "F", 0),
           {**DIALYSIS, "dual_status_code": "02"}, "E840", "HCC110",
           {"F45_54": 0.564, "FBDual_Female_NonAged": 0.082, "HCC110": 0.125,
            "NONAGED_HCC110": 0.657}, 1.428),
    Worked("at 64 by age dialysis is still NonAged", "DI", (64, "M", 0), DIALYSIS, "D46A", "HCC46",
           {"M60_64": 0.569, "HCC46": 0.223, "NONAGED_HCC46": 0.22}, 1.012),
    Worked("no renal condition counts", "DI", (70, "F", 0), DIALYSIS,
           "Z992 N179 N185 N184 N1830 I509", "HCC85", {"F70_74": 0.624, "HCC85": 0.063}, 0.687),
    Worked("transplant, month 1, whoever", "TRANSPLANT_1M", (50, "M", 0), transplant(1),
           "E1122", "HCC18", {"TRANSPLANT_KIDNEY_ONLY_1M": 5.985}, 5.985),
    Worked("transplant, month 2, in an institution too", "TRANSPLANT_2M", (70, "F", 1),
           {**transplant(2), **LTI}, "", "", {"TRANSPLANT_KIDNEY_ONLY_2M": 0.941}, 0.941),
    Worked("transplant, month 3, a new enrollee too", "TRANSPLANT_3M", (64, "M", 0),
           {**transplant(3), **NEW}, "", "", {"TRANSPLANT_KIDNEY_ONLY_3M": 0.941}, 0.941),
    # (0.527 + 2.529) / 0.905 = 3.376796
    Worked("new with a graft at 64 by age is 65, duration too", "GNE_DUR4_9", (64, "F", 0),
           graft(4, **NEW), "", "",
           {"ND_PBD_NORIGDIS_G_NEF65": 0.527, "GE65_DUR4_9_ND_PBD": 2.529,
            "ActAdj_DUR4_9": 0.321}, 3.377),
    # (1.202 + 1.737) / 0.905 = 3.247514; a new enrollee has no PBD flag
    Worked("new with a graft at 64 by disability is under 65", "GNE_DUR4_9", (64, "F", 1),
           graft(9, **NEW, dual_status_code="01"), "E1122", "HCC18",
           {"ND_PBD_NORIGDIS_G_NEF60_64": 1.202, "LT65_DUR4_9_ND_PBD": 1.737,
            "ActAdj_DUR4_9": 0.309}, 3.248),
    # (0.562 + 2.529) / 0.905 = 3.415470
    Worked("a quotient rounded down", "GNE_DUR4_9", (65, "M", 0), graft(6, **NEW), "", "",
           {"ND_PBD_NORIGDIS_G_NEM65": 0.562, "GE65_DUR4_9_ND_PBD": 2.529,
            "ActAdj_DUR4_9": 0.324}, 3.415),
    # (1.942 + 1.279) / 0.698 = 4.614613
    Worked("new with an old graft, originally disabled, full dual", "GNE_DUR10PL", (70, "M", 1),
           graft(10, **NEW, **LTI, dual_status_code="02"), "", "",
           {"FBD_ORIGDIS_G_NEM70_74": 1.942, "GE65_DUR10PL_FBD": 1.279,
            "ActAdj_DUR10PL": 1.394}, 4.615),
    # (0.562 + 0.905) / 0.698 = 2.101719
    Worked("new with an old graft at 64 by age", "GNE_DUR10PL", (64, "M", 0),
           graft(30, **NEW, dual_status_code="06"), "", "",
           {"ND_PBD_NORIGDIS_G_NEM65": 0.562, "GE65_DUR10PL_ND_PBD": 0.905,
            "ActAdj_DUR10PL": 0.635}, 2.102),
    Worked("institutional graft of a partial dual", "GI", (70, "M", 0),
           graft(12, **LTI, dual_status_code="03"), "", "",
           {"M70_74": 1.265, "FGI_GE65_DUR10PL_ND_PBD": 0.905, "FGI_PBD_GE65_flag": 0.162,
            "LTI_GE65": 0.955}, 3.287),
    Worked("institutional graft under 65 of a full dual", "GI", (50, "F", 2),
           graft(5, **LTI, dual_status_code="02"), "I509", "HCC85",
           {"F45_54": 1.199, "FGI_LT65_DUR4_9_FBD": 2.083, "LTI_LT65": 2.146, "HCC85": 0.169,
            "NONAGED_HCC85": 0.491}, 6.088),
    Worked("institutional graft, originally disabled", "GI", (66, "F", 1), graft(7, **LTI), "", "",
           {"F65_69": 1.273, "ORIGDIS": 0.0, "FGI_GE65_DUR4_9_ND_PBD": 2.529,
            "LTI_GE65": 0.955}, 4.757),
    Worked("institutional graft at 64 by age is under 65", "GI", (64, "M", 0),
           graft(11, **LTI, dual_status_code="05"), "", "",
           {"M60_64": 1.074, "FGI_LT65_DUR10PL_ND_PBD": 0.335, "FGI_PBD_LT65_flag": 0.141,
            "LTI_LT65": 2.146}, 3.696),
    Worked("community graft, full dual, aged", "GFA", (71, "M", 1),
           graft(9, dual_status_code="04"), "D46A", "HCC46",
           {"M70_74": 0.57, "OriginallyDisabled_Male": 0.136, "GE65_DUR4_9_FBD": 2.605,
            "HCC46": 1.361}, 4.672),
    Worked("community graft, full dual, under 65", "GFN", (40, "F", 1),
           graft(10, dual_status_code="02"), "F1020 F200", "HCC55 HCC57",
           {"F35_44": 0.291, "LT65_DUR10PL_FBD": 0.648, "HCC55": 0.355, "HCC57": 0.398,
            "gSubUseDs_gPsych_V24": 0.205}, 1.897),
    Worked("community graft, full dual, at 64 by age is under 65", "GFN", (64, "F", 0),
           graft(4, dual_status_code="08"), "", "",
           {"F60_64": 0.423, "LT65_DUR4_9_FBD": 2.083}, 2.506),
    Worked("community graft of a partial dual, aged", "GNPA", (72, "F", 2),
           graft(10, dual_status_code="03"), "E1122 I509", "HCC18 HCC85",
           {"F70_74": 0.359, "GE65_DUR10PL_ND_PBD": 0.905, "PBD_GE65_flag": 0.162,
            "HCC18": 0.219, "HCC85": 0.251, "DIABETES_CHF": 0.132}, 2.028),
    Worked("community graft of a partial dual, at 64 by age is under 65", "GNPN", (64, "F", 0),
           graft(9, dual_status_code="05"), "", "",
           {"F60_64": 0.373, "LT65_DUR4_9_ND_PBD": 1.737, "PBD_LT65_flag": 0.141}, 2.251),
]  # fmt: skip

WORKED_V21 = [
    Worked("new on dialysis at 64 by age is 65", "DNE", (64, "M", 0),
           {**DIALYSIS, **NEW, "dual_status_code": "03"}, "I509", "HCC85",
           {"MCAID_NORIGDIS_NEM65_69": 1.249}, 1.249),
    Worked("new on dialysis: disabled by OREC 1 at any age", "DNE", (62, "F", 1),
           {**DIALYSIS, **NEW}, "", "", {"NMCAID_ORIGDIS_NEF60_64": 1.181}, 1.181),
    Worked("under 65 with OREC 0 is not disabled, so Aged, and no NONAGED term", "DI",
           (50, "F", 0), {**DIALYSIS, "dual_status_code": "02"}, "E840", "HCC110",
           {"F45_54": 0.522, "MCAID_Female_Aged": 0.067, "HCC110": 0.072}, 0.661),
    Worked("under 65 with OREC 1 is disabled, so NonAged", "DI",
           (50, "F", 1), {**DIALYSIS, "dual_status_code": "02"}, "E840", "HCC110",
           {"F45_54": 0.522, "MCAID_Female_NonAged": 0.065, "HCC110": 0.072,
            "NONAGED_HCC110": 0.298}, 0.957),
    Worked("originally ESRD by OREC 3; V21 has no term for institutions", "DI", (70, "M", 3),
           {**DIALYSIS, **LTI}, "", "", {"M70_74": 0.611, "Originally_ESRD_Male": -0.049}, 0.562),
    Worked("originally ESRD by OREC 2", "DI", (86, "F", 2), DIALYSIS, "", "",
           {"F85_89": 0.671, "Originally_ESRD_Female": -0.078}, 0.593),
    Worked("originally disabled", "DI", (72, "F", 1), DIALYSIS, "", "",
           {"F70_74": 0.653, "OriginallyDisabled_Female": 0.0}, 0.653),
    Worked("dialysis status counts for nothing and outranks nothing", "DI", (70, "F", 0),
           DIALYSIS, "Z992 N1830", "HCC138", {"F70_74": 0.653, "HCC138": 0.0}, 0.653),
    Worked("transplant, month 1", "TRANSPLANT_1M", (50, "M", 0), transplant(1), "E840", "HCC110",
           {"TRANSPLANT_KIDNEY_ONLY_1M": 6.03}, 6.03),
    Worked("transplant, month 2", "TRANSPLANT_2M", (70, "F", 1), {**transplant(2), **LTI}, "", "",
           {"TRANSPLANT_KIDNEY_ONLY_2M": 0.895}, 0.895),
    Worked("transplant, month 3", "TRANSPLANT_3M", (64, "M", 0), {**transplant(3), **NEW}, "", "",
           {"TRANSPLANT_KIDNEY_ONLY_3M": 0.895}, 0.895),
    Worked("new with a graft at 64 by age is 65, duration too; no divisor", "GNE", (64, "F", 0),
           graft(9, **NEW, dual_status_code="01"), "", "",
           {"MCAID_NORIGDIS_G_NEF65": 0.993, "DUR4_9_GE65": 2.562}, 3.555),
    Worked("new with a graft at 64 by disability is under 65", "GNE", (64, "F", 1),
           graft(12, **NEW), "", "",
           {"NMCAID_NORIGDIS_G_NEF60_64": 1.133, "DUR10PL_LT65": 0.84}, 1.973),
    Worked("new with a graft, originally disabled", "GNE", (70, "M", 1),
           graft(4, **NEW, **LTI, dual_status_code="02"), "", "",
           {"MCAID_ORIGDIS_G_NEM70_74": 2.198, "DUR4_9_GE65": 2.562}, 4.76),
    Worked("institutional graft with Medicaid", "GI", (40, "M", 0),
           graft(12, **LTI, dual_status_code="01"), "", "",
           {"M35_44": 0.956, "MCAID": 0.074, "DUR10PL_LT65": 0.84}, 1.87),
    Worked("institutional graft, disabled", "GI", (50, "F", 1), graft(4, **LTI), "L89154",
           "HCC157", {"F45_54": 0.992, "DUR4_9_LT65": 2.174, "HCC157": 0.968,
                      "NONAGED_PRESSURE_ULCER": 0.528}, 4.662),
    Worked("institutional graft, originally disabled", "GI", (66, "M", 1), graft(6, **LTI), "", "",
           {"M65_69": 1.267, "ORIGDIS": 0.0, "DUR4_9_GE65": 2.562}, 3.829),
    Worked("institutional graft at 64 by age is under 65", "GI", (64, "F", 0), graft(10, **LTI),
           "", "", {"F60_64": 1.017, "DUR10PL_LT65": 0.84}, 1.857),
    Worked("community graft at 64 by age: duration under 65, Medicaid as not disabled", "GC",
           (64, "M", 0), graft(9, dual_status_code="02"), "", "",
           {"M60_64": 0.297, "MCAID_Male_Aged": 0.367, "DUR4_9_LT65": 2.174}, 2.838),
    Worked("community graft, originally disabled", "GC", (67, "F", 1),
           graft(10, dual_status_code="05"), "D801 C770", "HCC8 HCC47",
           {"F65_69": 0.291, "OriginallyDisabled_Female": 0.184, "MCAID_Female_Aged": 0.275,
            "DUR10PL_GE65": 1.121, "HCC8": 2.627, "HCC47": 0.688, "CANCER_IMMUNE": 0.773}, 5.959),
    Worked("heart failure with renal disease, both worth naming", "GC", (70, "F", 0), graft(11),
           "I509 N1830 Z992", "HCC85 HCC138",
           {"F70_74": 0.35, "DUR10PL_GE65": 1.121, "HCC85": 0.336, "HCC138": 0.0,
            "CHF_RENAL": 0.0}, 1.807),
]  # fmt: skip


@pytest.mark.parametrize("case", WORKED_V24, ids=lambda c: f"{c.segment}: {c.rule}")
def test_v24_by_hand(case: Worked) -> None:
    check(V24, case)


@pytest.mark.parametrize("case", WORKED_V21, ids=lambda c: f"{c.segment}: {c.rule}")
def test_v21_by_hand(case: Worked) -> None:
    check(V21, case)


@pytest.mark.parametrize(("model", "cases"), [(V24, WORKED_V24), (V21, WORKED_V21)])
def test_every_segment_is_worked(model: str, cases: list[Worked]) -> None:
    assert {c.segment for c in cases} == {s.key for s in resolve_model(model).segments}


@pytest.mark.parametrize("divisor", [905, 698])
def test_no_quotient_lies_halfway_between_thousandths(divisor: int) -> None:
    # 1000 x / d ends in one half only if 2000 x leaves d on division by 2 d: even is never odd,
    # nor 1000 x ever 349 more than a multiple of 698. So half up and half even are one here.
    assert all(2000 * x % (2 * divisor) != divisor for x in range(2 * divisor))


@pytest.mark.parametrize(("model", "new"), [(V24, True), (V24, False), (V21, True), (V21, False)])
def test_a_graft_has_one_duration_at_every_age(model: str, new: bool) -> None:
    for age in (0, 63, 64, 65, 110):
        for orec in range(4):
            found = scored(model, (age, "F", orec), **graft(8, new_enrollee=new))

            durations = [
                f.term for f in found.factors if "DUR4_9" in f.term and "Act" not in f.term
            ]
            older = age >= 65 or (new and age == 64 and orec == 0)
            assert len(durations) == 1, (age, orec)
            assert ("GE65" in durations[0]) == older, (age, orec)
