"""Read diagnoses from FHIR ExplanationOfBenefit files as Blue Button, BCDA and AB2D deliver them.

FHIR R4 is what is expected. STU3 differs in three paths only (``item.service``, ``information``
and codings of the claim's type), so it is read too.
"""

import gzip
import json
import re
import zlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from io import BufferedReader
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from riskadj.errors import InputError
from riskadj.sources.accepted_claims import AcceptedClaims, Claim, because, claim_kind

OnError = Literal["raise", "quarantine"]
Json = Mapping[str, Any]

DIAGNOSES = pa.schema(
    [
        ("member_id", pa.string()),
        ("diagnosis_code", pa.string()),
        ("thru_date", pa.date32()),
        ("claim_id", pa.string()),
        ("claim_type", pa.string()),
        ("bill_type_code", pa.string()),
        ("accepted", pa.bool_()),
        ("because", pa.string()),
    ]
)
"""Columns of the diagnoses table."""

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

_DAMAGED = "is not valid JSON (the file may be truncated)"
_CUT = "is where the gzip data break off (the file may be truncated)"
_BATCH_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of a file, or the reason why there is none.

    Attributes
    ----------
    place : int
        Line of the file, or entry of the Bundle that is the file, counted from 1.
    unit : {"line", "entry"}
        What ``place`` counts.
    content : mapping
        The resource as JSON; empty when it could not be read.
    because : str or None
        Why it could not be read; None when it could.
    """

    place: int
    unit: Literal["line", "entry"]
    content: Json
    because: str | None = None


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


@dataclass(frozen=True, slots=True)
class EobDiagnoses:
    """The diagnoses of a file of ExplanationOfBenefit resources.

    Attributes
    ----------
    table : pyarrow.Table
        One row per diagnosis entry of every claim, those set aside included: ``member_id``,
        ``diagnosis_code``, ``thru_date`` (date32), ``claim_id``, ``claim_type``,
        ``bill_type_code``, ``accepted`` (bool) and ``because`` (null when accepted).
    quality : dict of str to int
        What was read, accepted and set aside, by reason. Read is always the sum of the rest.
    rejected : list of (int, str)
        Line of the file (or entry of the Bundle) and reason of each resource that was
        quarantined.
    """

    table: pa.Table
    quality: dict[str, int]
    rejected: list[tuple[int, str]]


class _NotFhirError(Exception):
    """A resource that does not have the shape FHIR gives it; the text says where."""


@dataclass(slots=True)
class _Tally:
    """Rows and counts while a file is read."""

    columns: list[list[Any]] = field(default_factory=lambda: [[] for _ in DIAGNOSES])
    batches: list[pa.RecordBatch] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    rejected: list[tuple[int, str]] = field(default_factory=list)
    claim_ids: set[str] = field(default_factory=set)


def diagnoses_from_eob(
    path: Path,
    rule: AcceptedClaims,
    *,
    service_years: Collection[int] | None = None,
    on_error: OnError = "raise",
) -> EobDiagnoses:
    """Read every diagnosis of a file and say which ones risk adjustment accepts.

    Parameters
    ----------
    path : Path
        NDJSON, gzipped or not, one JSON resource, or a Bundle.
    rule : AcceptedClaims
        Which claims are accepted.
    service_years : collection of int, optional
        Years wanted; claims of other years are set aside. Without it, every claim that must be
        looked up has to be of a year with a list.
    on_error : {"raise", "quarantine"}
        Whether a resource that cannot be read stops the reading or is kept aside.

    Returns
    -------
    EobDiagnoses
        The diagnoses, the counts and what was quarantined.

    Raises
    ------
    InputError
        If the file is absent, empty or holds no ExplanationOfBenefit; with ``on_error="raise"``
        also if a line is not JSON or a claim names no patient.
    NotPublishedError
        If a claim's service year has no list of eligible CPT/HCPCS.
    """
    tally = _Tally()
    for resource in read_eob(path):
        tally.counts["resources read"] += 1
        reason = resource.because or _take(resource.content, rule, service_years, tally)
        if reason is None:
            continue
        if on_error == "raise":
            raise InputError(f"{path.name}: {resource.unit} {resource.place} {reason}")
        tally.counts["resources rejected"] += 1
        tally.rejected.append((resource.place, reason))
    _require_claims(path, tally)
    _flush(tally)
    table = pa.Table.from_batches(tally.batches, DIAGNOSES)
    return EobDiagnoses(table, _quality(tally.counts), tally.rejected)


def read_eob(path: Path) -> Iterator[Resource]:
    """Read the resources of a file one by one, whatever their type.

    Parameters
    ----------
    path : Path
        NDJSON, gzipped or not (told by content, not name), one JSON resource, or a Bundle.

    Yields
    ------
    Resource
        Each resource in file order; a damaged line comes as a resource without content.

    Raises
    ------
    InputError
        If the file is absent or empty.
    """
    if not path.is_file():
        raise InputError(f"{path.name}: no such file.")
    found = False
    for resource in _lines(path) if _is_ndjson(path) else _document(path):
        found = True
        yield resource
    if not found:
        raise InputError(f"{path.name} is empty.")


def _open(path: Path) -> gzip.GzipFile | BufferedReader:
    with path.open("rb") as start:
        is_gzip = start.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if is_gzip else path.open("rb")


def _is_ndjson(path: Path) -> bool:
    """Whether each line is a resource: by name, else because the first of several lines is one."""
    if {".ndjson", ".jsonl"} & set(path.suffixes):
        return True
    with _open(path) as lines:
        try:
            first = list(islice((line for line in lines if line.strip()), 2))
        except (EOFError, OSError, zlib.error):
            return True
    return len(first) > 1 and isinstance(_parse(first[0]), dict)


def _parse(text: bytes) -> object:
    """JSON value, or None when the text is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _lines(path: Path) -> Iterator[Resource]:
    place = 0
    with _open(path) as lines:
        try:
            for place, line in enumerate(lines, start=1):
                if line.strip():
                    yield from _resources(_parse(line), place, "line")
        except (EOFError, OSError, zlib.error):
            yield Resource(place + 1, "line", {}, _CUT)


def _document(path: Path) -> Iterator[Resource]:
    with _open(path) as file:
        try:
            text = file.read()
        except (EOFError, OSError, zlib.error):
            yield Resource(1, "line", {}, _CUT)
            return
    try:
        value = json.loads(text)
    except json.JSONDecodeError as fault:
        if text.strip():
            yield Resource(fault.lineno, "line", {}, _DAMAGED)
        return
    except (ValueError, RecursionError):
        value = None
    yield from _resources(value, 1, "entry")


def _resources(value: object, place: int, unit: Literal["line", "entry"]) -> Iterator[Resource]:
    """Resources of one JSON value: those of a Bundle, else the value itself."""
    if not isinstance(value, dict):
        reason = _DAMAGED if value is None else "is not a JSON object"
        yield Resource(place, unit, {}, reason)
    elif value.get("resourceType") != "Bundle":
        yield Resource(place, "line", value)
    elif not isinstance(value.get("entry", []), list):
        yield Resource(place, unit, {}, "is a Bundle whose entry is not a list")
    else:
        for number, entry in enumerate(value.get("entry", []), start=1):
            inner = entry.get("resource") if isinstance(entry, dict) else None
            at = number if unit == "entry" else place
            if isinstance(inner, dict):
                yield Resource(at, unit, inner)
            else:
                yield Resource(at, unit, {}, "is a Bundle entry without a resource")


def _take(
    content: Json, rule: AcceptedClaims, years: Collection[int] | None, tally: _Tally
) -> str | None:
    """Count one resource and keep its diagnoses; give the reason when it cannot be read."""
    kind = content.get("resourceType")
    if not isinstance(kind, str) or not kind.isalnum():
        return "has no resourceType"
    if kind != "ExplanationOfBenefit":
        tally.counts[f"resources skipped: {kind}"] += 1
        return None
    tally.counts["EOBs read"] += 1
    try:
        diagnoses = _diagnoses(content)
        claim = _claim(content, diagnoses, rule)
        other_codes = _other_service_codes(content)
    except _NotFhirError as fault:
        tally.counts["EOBs rejected"] += 1
        return str(fault)
    tally.counts["service codes that are not HCPCS or CPT"] += other_codes
    _keep(claim, diagnoses, _outside(claim, years) or because(claim, rule), tally)
    return None


def _outside(claim: Claim, years: Collection[int] | None) -> str | None:
    if years is None or claim.thru_date is None or claim.thru_date.year in years:
        return None
    return f"service year {claim.thru_date.year} was not asked for"


def _keep(claim: Claim, diagnoses: list[Diagnosis], reason: str | None, tally: _Tally) -> None:
    """Add the rows of one claim and count it."""
    counts = tally.counts
    counts["claims accepted" if reason is None else f"claims set aside: {reason}"] += 1
    counts["claims without a status"] += claim.status is None
    counts["claims without diagnoses"] += not diagnoses
    counts["claims whose id came before"] += claim.claim_id in tally.claim_ids
    if claim.claim_id is not None:
        tally.claim_ids.add(claim.claim_id)
    counts["diagnoses read"] += len(diagnoses)
    for diagnosis in diagnoses:
        why = reason or diagnosis.because
        counts["diagnoses accepted" if why is None else f"diagnoses set aside: {why}"] += 1
        row: tuple[object, ...] = (
            claim.member_id,
            diagnosis.code,
            claim.thru_date,
            claim.claim_id,
            claim.claim_type,
            claim.bill_type_code,
            why is None,
            why,
        )
        for column, value in zip(tally.columns, row, strict=True):
            column.append(value)
    if len(tally.columns[0]) >= _BATCH_ROWS:
        _flush(tally)


def _flush(tally: _Tally) -> None:
    """Turn the rows gathered so far into a batch, which takes a fraction of their memory."""
    arrays = [
        pa.array(column, kind.type) for column, kind in zip(tally.columns, DIAGNOSES, strict=True)
    ]
    tally.batches.append(pa.RecordBatch.from_arrays(arrays, schema=DIAGNOSES))
    for column in tally.columns:
        column.clear()


def _require_claims(path: Path, tally: _Tally) -> None:
    if tally.counts["EOBs read"] or tally.rejected:
        return
    held = [name.partition(": ")[2] for name in sorted(tally.counts) if ": " in name]
    hint = ""
    if any(name == "Beneficiary" or name.endswith("Base") for name in held):
        hint = " These are CMS's internal mapping samples (IDR), which are not FHIR."
    raise InputError(
        f"{path.name} holds {', '.join(held) or 'an empty Bundle'}, "
        f"but FHIR R4 ExplanationOfBenefit resources are expected.{hint}"
    )


def _quality(counts: Counter[str]) -> dict[str, int]:
    """Counts in a fixed order: the totals first, then the reasons by name."""
    totals = (
        "resources read",
        "resources rejected",
        "EOBs read",
        "EOBs rejected",
        "claims accepted",
        "claims without a status",
        "claims without diagnoses",
        "claims whose id came before",
        "service codes that are not HCPCS or CPT",
        "diagnoses read",
        "diagnoses accepted",
    )
    reasons = sorted(name for name in counts if name not in totals)
    return {name: counts[name] for name in (*totals, *reasons)}


def _claim(eob: Json, diagnoses: list[Diagnosis], rule: AcceptedClaims) -> Claim:
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
        raise _NotFhirError("has no patient reference")
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


def _other_service_codes(eob: Json) -> int:
    return sum(system not in _HCPCS for system, _ in _services(eob))


def _diagnoses(eob: Json) -> list[Diagnosis]:
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
    raise _NotFhirError(f"is not FHIR: {name} is not text")


def _object(parent: Json, name: str) -> Json:
    value = parent.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _NotFhirError(f"is not FHIR: {name} is not an object")
    return value


def _objects(parent: Json, name: str) -> list[Json]:
    value = parent.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise _NotFhirError(f"is not FHIR: {name} is not a list of objects")
    return value
