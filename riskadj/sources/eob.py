"""What one ExplanationOfBenefit says: its claim and its diagnoses.

FHIR R4 is what is expected. STU3 differs in three paths only (``item.service``, ``information``
and codings of the claim's type), so it is read too.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from riskadj.sources.accepted_claims import AcceptedClaims, Claim, claim_kind
from riskadj.sources.resources import Json

# Last part of each code system's URL, or its OID, in lower case.
_ICD_10_CM = {"icd-10-cm", "icd-10", "urn:oid:2.16.840.1.113883.6.90"}
_ICD_9_CM = {"icd-9-cm", "icd-9", "urn:oid:2.16.840.1.113883.6.103"}
_HCPCS = {
    "hcpcs",
    "hcpcs_cd",
    "hcpcsreleasecodesets",
    "cpt",
    "urn:oid:2.16.840.1.113883.6.12",
    "urn:oid:2.16.840.1.113883.6.285",
}
_FACILITY = ("clm_fac_type_cd", "clm-bill-fac-type-cd")
_CLASSIFICATION = ("clm_srvc_clsfctn_type_cd", "clm-bill-clsfctn-cd")
_FREQUENCY = ("clm_freq_cd", "clm-bill-freq-cd")
_BILL_TYPE = re.compile(r"0?([1-9][0-9][0-9A-Z]?)")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One diagnosis entry of a claim.

    Attributes
    ----------
    code : str or None
        Upper case, without the dot; None when the entry has no code.
    because : str or None
        Why it is no ICD-10-CM diagnosis; None when it is one.
    """

    code: str | None
    because: str | None


class NotFhirError(Exception):
    """A resource that does not have the shape FHIR gives it; the text says where."""


def claim_of(eob: Json, diagnoses: list[Diagnosis], rule: AcceptedClaims) -> Claim:
    """Return the claim that an EOB tells of; raise NotFhirError when its shape is not FHIR's."""
    codes = _claim_codes(eob)
    kind, claim_type = claim_kind(codes, rule)
    use = _text(eob, "use")
    if use not in (None, "claim"):  # a preauthorization or a predetermination: nothing was done
        kind, claim_type = "other", use
    found = (entry.code for entry in diagnoses if entry.because is None and entry.code is not None)
    return Claim(
        member_id=_member_id(eob),
        claim_id=_text(eob, "id"),
        kind=kind,
        claim_type=claim_type,
        status=_text(eob, "status"),
        bill_type_code=_bill_type_code(codes),
        thru_date=_thru_date(eob),
        hcpcs_codes=tuple(code for system, code in _services(eob) if system in _HCPCS),
        diagnosis_codes=tuple(found),
    )


def _member_id(eob: Json) -> str:
    reference = _text(_object(eob, "patient"), "reference") or ""
    member_id = reference.partition("/_history/")[0].rpartition("/")[2]
    if not member_id or member_id.startswith("#"):
        raise NotFhirError("has no patient reference")
    return member_id


def _claim_codes(eob: Json) -> dict[str, str]:
    """Codes that describe the whole claim, by code system; the first of a system stays."""
    kind = _object(eob, "type")
    codes: dict[str, str] = dict(_codings(kind))
    for place in (_object(eob, "facility"), eob, kind):
        for extension in _objects(place, "extension"):
            coding = {"system": extension.get("url"), **_object(extension, "valueCoding")}
            _add(codes, _codings({"coding": [coding]}))
    for name in ("supportingInfo", "information"):
        for row in _objects(eob, name):
            _add(codes, _codings(_object(row, "code")))
    return codes


def _add(codes: dict[str, str], more: list[tuple[str, str]]) -> None:
    for system, code in more:
        codes.setdefault(system, code)


def _bill_type_code(codes: Mapping[str, str]) -> str | None:
    """Bill type from CMS's separate digits, else from the UB-04 code (``0131`` or ``131``)."""
    facility, classification, frequency = (
        next((codes[name] for name in names if name in codes), "")
        for names in (_FACILITY, _CLASSIFICATION, _FREQUENCY)
    )
    digits = facility + classification + frequency if facility and classification else ""
    match = _BILL_TYPE.fullmatch(digits or codes.get("typeofbill", ""))
    return match[1] if match else None


def _thru_date(eob: Json) -> date | None:
    """Last day of service: the claim's, else the latest of its lines."""
    if day := _day(_object(eob, "billablePeriod").get("end")):
        return day
    lines = _objects(eob, "item")
    ends = (_object(line, "servicedPeriod").get("end") for line in lines)
    days = (_day(end) for end in (*ends, *(line.get("servicedDate") for line in lines)))
    return max((day for day in days if day), default=None)


def _day(value: object) -> date | None:
    """Day of a FHIR date or dateTime as written; None for a month or a year alone."""
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None


def _services(eob: Json) -> Iterator[tuple[str, str]]:
    """Code system and code of every line's service."""
    for line in _objects(eob, "item"):
        for name in ("productOrService", "service"):
            yield from _codings(_object(line, name))


def other_service_codes(eob: Json) -> int:
    """Count the lines' service codes that are neither HCPCS nor CPT."""
    return sum(system not in _HCPCS for system, _ in _services(eob))


def diagnoses_of(eob: Json) -> list[Diagnosis]:
    """Return every diagnosis entry, with the reason where it holds no ICD-10-CM code."""
    return [
        found
        for entry in _objects(eob, "diagnosis")
        for found in _diagnosis(_codings(_object(entry, "diagnosisCodeableConcept")))
    ]


def _diagnosis(codings: list[tuple[str, str]]) -> list[Diagnosis]:
    """ICD-10-CM codes of one entry, each once; else the entry with its reason."""
    codes = dict.fromkeys(_plain(code) for system, code in codings if system in _ICD_10_CM)
    if codes:
        return [Diagnosis(code, None) for code in codes]
    if not codings:  # a DRG package or a reference to a Condition
        return [Diagnosis(None, "diagnosis entry has no code")]
    old = next((code for system, code in codings if system in _ICD_9_CM), None)
    if old is not None:
        return [Diagnosis(_plain(old), "ICD-9")]
    return [Diagnosis(_plain(codings[0][1]), "code system of the diagnosis is not known")]


def _plain(code: str) -> str:
    return code.replace(".", "").strip().upper()


def _codings(concept: Json) -> list[tuple[str, str]]:
    """Code system (last part of its URL, lower case) and code of each coding that has a code."""
    return [
        ((_text(coding, "system") or "").rstrip("/").rpartition("/")[2].lower(), code.strip())
        for coding in _objects(concept, "coding")
        if (code := _text(coding, "code"))
    ]


def _text(parent: Json, name: str) -> str | None:
    value = parent.get(name)
    if value is None or isinstance(value, str):
        return value
    raise NotFhirError(f"is not FHIR: {name} is not text")


def _object(parent: Json, name: str) -> Json:
    value = parent.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise NotFhirError(f"is not FHIR: {name} is not an object")
    return value


def _objects(parent: Json, name: str) -> list[Json]:
    value = parent.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise NotFhirError(f"is not FHIR: {name} is not a list of objects")
    return value
