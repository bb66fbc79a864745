"""Diagnoses from FHIR ExplanationOfBenefit files as Blue Button, BCDA and AB2D deliver them."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from riskadj.errors import InputError
from riskadj.sources.accepted_claims import AcceptedClaims, Claim, because
from riskadj.sources.eob import (
    Diagnosis,
    NotFhirError,
    claim_of,
    diagnoses_of,
    other_service_codes,
)
from riskadj.sources.resources import Json, read_resources

OnError = Literal["raise", "quarantine"]

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

_BATCH_ROWS = 65_536


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
    for resource in read_resources(path):
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
        diagnoses = diagnoses_of(content)
        claim = claim_of(content, diagnoses, rule)
        other_codes = other_service_codes(content)
    except NotFhirError as fault:
        tally.counts["EOBs rejected"] += 1
        return str(fault)
    tally.counts["service codes that are not HCPCS or CPT"] += other_codes
    _keep(claim, diagnoses, _outside(claim, years) or because(claim, rule), tally)
    return None


def _outside(claim: Claim, years: Collection[int] | None) -> str | None:
    if years is None or claim.thru_date is None or claim.thru_date.year in years:
        return None
    return f"service is not of {', '.join(map(str, sorted(years)))}"


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
