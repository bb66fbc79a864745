"""RxHCC V08, models T and X, by hand: every segment, each term with CMS's coefficient of 2026.

Coefficients are typed in from the CSV tables of CMS's software RxHCC_v8_2026_T and _X: continuing
and new-enrollee relative factors. Each pair is the one of T and the one of X.
"""

from typing import NamedTuple

import pytest

from riskadj.catalog import resolve_model
from riskadj.scoring.person import MemberScore, score_member

MODELS = ("rxhcc-v08-t/2026", "rxhcc-v08-x/2026")
LTI = {"long_term_institutional": True}
NEW = {"new_enrollee": True}
LOW = {"low_income": True}
GRAFT = {"esrd_status": "graft", "months_since_transplant": 20}


class Worked(NamedTuple):
    """A member worked by hand; ``terms`` are all the factors, None where a model has none."""

    rule: str
    segment: str
    who: tuple[int, str, int]  # age, sex, original reason for entitlement
    status: dict[str, object]
    codes: str
    conditions: str
    terms: dict[str, tuple[float | None, float | None]]
    raw: tuple[float, float]


def scored(model: str, who: tuple[int, str, int], codes: str = "", **status: object) -> MemberScore:
    age, sex, orec = who
    return score_member(age=age, sex=sex, original_reason_entitlement_code=orec,
                        diagnoses=codes.split(), model=model, **status)  # fmt: skip


WORKED = [
    Worked("new in an institution at 64 by age is 65", "NE_LTI", (64, "F", 0),
           {**NEW, **LTI, **LOW}, "B20", "RXHCC1",
           {"NESRD_NORIGDIS_X_F65": (2.824, 2.651)}, (2.824, 2.651)),
    Worked("new in an institution at 64 by disability is not", "NE_LTI", (64, "F", 1),
           {**NEW, **LTI}, "", "", {"NESRD_NORIGDIS_X_F60_64": (2.824, 2.490)}, (2.824, 2.490)),
    Worked("new in an institution with concurrent ESRD", "NE_LTI", (38, "M", 2),
           {**NEW, **LTI, "esrd_status": "dialysis"}, "", "",
           {"ESRD_NORIGDIS_X_M35_44": (2.358, 2.316)}, (2.358, 2.316)),
    Worked("new with low income, originally disabled", "NE_Low_Community", (70, "M", 1),
           {**NEW, **LOW}, "", "", {"NESRD_ORIGDIS_X_M70_74": (0.753, 0.672)}, (0.753, 0.672)),
    Worked("new with low income, originally disabled, concurrent ESRD", "NE_Low_Community",
           (70, "M", 1), {**NEW, **LOW, **GRAFT}, "", "",
           {"ESRD_ORIGDIS_X_M70_74": (2.226, 2.183)}, (2.226, 2.183)),
    Worked("new at 64 by age is 65", "NE_NonLow_Community", (64, "F", 0), NEW, "", "",
           {"NESRD_NORIGDIS_X_F65": (0.381, 0.388)}, (0.381, 0.388)),
    Worked("new at 64 by ESRD is not", "NE_NonLow_Community", (64, "F", 2),
           {**NEW, "esrd_status": "dialysis"}, "", "",
           {"ESRD_NORIGDIS_X_F60_64": (1.255, 1.306)}, (1.255, 1.306)),
    Worked("new with concurrent ESRD at 64 by age is 65", "NE_NonLow_Community", (64, "F", 0),
           {**NEW, **GRAFT}, "", "", {"ESRD_NORIGDIS_X_F65": (1.299, 1.019)}, (1.299, 1.019)),
    Worked("OREC 3 is not originally disabled", "NE_NonLow_Community", (72, "M", 3), NEW, "", "",
           {"NESRD_NORIGDIS_X_M70_74": (0.596, 0.599)}, (0.596, 0.599)),
    Worked("an institution has the NONAGED terms, whatever the OREC", "CE_LTI", (40, "F", 0),
           {**LTI, **LOW}, "B20 F200", "RXHCC1 RXHCC130",
           {"F35_44": (2.673, 2.400), "RXHCC1": (6.530, 7.179), "RXHCC130": (0.353, 0.511),
            "NONAGED_RXHCC1": (2.770, 1.491), "NONAGED_RXHCC130": (0.756, 1.054)},
           (13.082, 12.635)),
    Worked("an institution has OD65 and neither F65OD nor M65OD", "CE_LTI", (71, "M", 1), LTI,
           "F200", "RXHCC130",
           {"M70_74": (0.793, 0.698), "OD65": (0.238, 0.298), "RXHCC130": (0.353, 0.511)},
           (1.384, 1.507)),
    Worked("a condition without a price of its own may have a NONAGED one", "CE_LTI", (60, "F", 2),
           LTI, "F411", "RXHCC133",
           {"F60_64": (1.385, 1.098), "RXHCC133": (0.074, None),
            "NONAGED_RXHCC133": (0.015, 0.126)},
           (1.474, 1.224)),
    Worked("low income, aged: F65OD; hypertension under heart failure", "CE_Low_Aged",
           (72, "F", 1), LOW, "I509 I10", "RXHCC186",
           {"F70_74": (0.045, 0.108), "F65OD": (0.314, 0.376), "RXHCC186": (0.195, 0.197)},
           (0.554, 0.681)),
    Worked("low income, aged: M65OD", "CE_Low_Aged", (66, "M", 1), {**LOW, **GRAFT}, "", "",
           {"M65_69": (0.309, 0.329), "M65OD": (0.175, 0.169)}, (0.484, 0.498)),
    Worked("low income, under 65, has no NONAGED term", "CE_Low_NonAged", (50, "M", 2), LOW,
           "G35", "RXHCC159", {"M45_54": (0.585, 0.541), "RXHCC159": (9.464, 5.810)},
           (10.049, 6.351)),
    Worked("not low income, aged: F65OD", "CE_NonLow_Aged", (70, "F", 1), {}, "E1122", "RXHCC30",
           {"F70_74": (0.114, 0.035), "F65OD": (0.064, 0.042), "RXHCC30": (0.495, 0.567)},
           (0.673, 0.644)),
    Worked("not low income, aged: M65OD is blank in CMS's tables", "CE_NonLow_Aged", (66, "M", 1),
           {}, "", "", {"M65_69": (0.168, 0.175)}, (0.168, 0.175)),
    Worked("82 drops 84, which then does not drop 317", "CE_NonLow_Aged", (70, "F", 0), {},
           "M340 M320 L930", "RXHCC82 RXHCC317",
           {"F70_74": (0.114, 0.035), "RXHCC82": (0.975, 1.282), "RXHCC317": (0.113, 0.076)},
           (1.202, 1.393)),
    Worked("84 alone drops 317", "CE_NonLow_Aged", (70, "F", 0), {}, "M320 L930", "RXHCC84",
           {"F70_74": (0.114, 0.035), "RXHCC84": (0.113, 0.136)}, (0.227, 0.171)),
    Worked("at 64 by age one is under 65", "CE_NonLow_NonAged", (64, "F", 0), {}, "G47411",
           "RXHCC355", {"F60_64": (0.248, 0.165), "RXHCC355": (2.410, 2.360)}, (2.658, 2.525)),
    Worked("a condition without a price counts and adds nothing", "CE_NonLow_NonAged",
           (50, "M", 2), {**GRAFT}, "Z940 N184", "RXHCC260", {"M45_54": (0.286, 0.217)},
           (0.286, 0.217)),
]  # fmt: skip


@pytest.mark.parametrize("case", WORKED, ids=lambda c: f"{c.segment}: {c.rule}")
@pytest.mark.parametrize("model", MODELS)
def test_by_hand(model: str, case: Worked) -> None:
    which = MODELS.index(model)
    terms = {n: pair[which] for n, pair in case.terms.items() if pair[which] is not None}

    found = scored(model, case.who, case.codes, **case.status)

    assert found.segment == case.segment
    assert found.conditions == tuple(case.conditions.split())
    assert {f.term: f.coefficient for f in found.factors} == terms
    assert len(found.factors) == len(terms)
    assert found.raw_score == case.raw[which] == round(sum(terms.values()), 3)


@pytest.mark.parametrize("model", MODELS)
def test_every_segment_is_worked(model: str) -> None:
    assert {c.segment for c in WORKED} == {s.key for s in resolve_model(model).segments}


@pytest.mark.parametrize("model", MODELS)
def test_a_blank_of_cms_is_a_price_left_out_on_purpose(model: str) -> None:
    # CMS's T_CE and X_CE tables: RXHCC260, Kidney Transplant Status, CE_NonLow_NonAged is empty
    known = resolve_model(model)

    assert ("CE_NonLow_NonAged", "RXHCC260") in known.unpriced
    assert ("CE_NonLow_NonAged", "RXHCC260") not in known.coefficients


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("codes", "conditions"),
    [
        ("L4050 M320 L930", "RXHCC81 RXHCC317"),
        ("M340 M320 L930", "RXHCC82 RXHCC317"),
        ("I7782 M320 L930", "RXHCC83 RXHCC317"),
        ("M340 L930", "RXHCC82 RXHCC317"),
        ("M320 L930", "RXHCC84"),
    ],
)
def test_a_parent_that_was_outranked_outranks_nothing(
    model: str, codes: str, conditions: str
) -> None:
    # CMS's HCC_Hierarchies.csv: 81, 82 and 83 are over 84, 84 over 317, and none of them over 317
    assert scored(model, (70, "F", 0), codes).conditions == tuple(conditions.split())
