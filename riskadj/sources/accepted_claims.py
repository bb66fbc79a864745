"""CMS's record-level filter: which claims give diagnoses to risk adjustment, and why others do not.

The rule itself is data, in ``models/accepted_claims/``.
"""

import csv
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal, get_args

from riskadj.errors import ModelFolderError, NotPublishedError

Kind = Literal["professional", "institutional", "other"]


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim, from any source.

    Attributes
    ----------
    member_id : str
        The member, as the source names them.
    claim_id : str or None
        The source's id of the claim.
    kind : {"professional", "institutional", "other"}
        What the rule takes the claim for.
    claim_type : str or None
        The source's own code, such as ``CARRIER``; None when the source gives no known one.
    status : str or None
        The record's status, such as ``active``; None when the source gives none.
    bill_type_code : str or None
        Two or three characters: facility, classification and, if known, frequency.
    thru_date : date or None
        Last day of service; its year is the service year.
    hcpcs_codes : tuple of str
        CPT/HCPCS codes of all lines.
    diagnosis_codes : tuple of str
        ICD-10-CM codes without the dot.
    """

    member_id: str
    claim_id: str | None
    kind: Kind
    claim_type: str | None
    status: str | None
    bill_type_code: str | None
    thru_date: date | None
    hcpcs_codes: tuple[str, ...]
    diagnosis_codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AcceptedClaims:
    """The rule of accepted claims.

    Attributes
    ----------
    claim_type_systems : tuple of str
        Code systems of claim types, the one to trust first in front.
    kinds : mapping of (str, str) to kind
        Kind of claim by code system and code.
    professional_needs_hcpcs : bool
        Whether a professional claim must have an eligible CPT/HCPCS.
    bill_types : mapping of str to bool
        Accepted bill types by their first two digits; True where an eligible CPT/HCPCS is needed.
    statuses : frozenset of str
        Record statuses that count.
    void_frequency_codes : frozenset of str
        Third characters of a bill type that withdraw an earlier bill.
    hcpcs : mapping of int to frozenset of str
        Eligible CPT/HCPCS by service year.
    """

    claim_type_systems: tuple[str, ...]
    kinds: Mapping[tuple[str, str], Kind]
    professional_needs_hcpcs: bool
    bill_types: Mapping[str, bool]
    statuses: frozenset[str]
    void_frequency_codes: frozenset[str]
    hcpcs: Mapping[int, frozenset[str]]


def load_rule(root: Path) -> AcceptedClaims:
    """Load the rule and its yearly lists.

    Parameters
    ----------
    root : Path
        The ``models`` folder.

    Returns
    -------
    AcceptedClaims
        The rule of Medicare Advantage encounter data.

    Raises
    ------
    NotPublishedError
        If the rule or a list it names is not there.
    ModelFolderError
        If the rule lacks a value, contradicts itself, or a list has another number of codes.
    """
    path = root / "accepted_claims" / "ma.toml"
    if not path.is_file():
        raise NotPublishedError(f"No rule of accepted claims: {path} is not there.")
    try:
        return _rule(tomllib.loads(path.read_text("utf-8")), path.parent / "hcpcs")
    except tomllib.TOMLDecodeError as fault:
        raise ModelFolderError(f"{path} is not valid TOML: {fault}") from fault
    except KeyError as fault:
        raise ModelFolderError(f"{path} lacks the value {fault}.") from fault


def claim_kind(codes: Mapping[str, str], rule: AcceptedClaims) -> tuple[Kind, str | None]:
    """Tell what kind of claim a source's type codes describe.

    Parameters
    ----------
    codes : mapping of str to str
        The claim's type codes by code system; systems the rule does not know are ignored.
    rule : AcceptedClaims
        The rule, whose most trusted system decides.

    Returns
    -------
    tuple of kind and str or None
        The kind and the code that decided; ``("other", None)`` if no code is known.
    """
    for system in rule.claim_type_systems:
        code = codes.get(system)
        if code is not None and (system, code) in rule.kinds:
            return rule.kinds[system, code], code
    return "other", None


def because(claim: Claim, rule: AcceptedClaims) -> str | None:
    """Say why a claim's diagnoses do not count.

    Parameters
    ----------
    claim : Claim
        The claim.
    rule : AcceptedClaims
        The rule.

    Returns
    -------
    str or None
        A reason that stays the same from release to release; None when the claim is accepted.

    Raises
    ------
    NotPublishedError
        If the claim must be looked up in the list of a service year that has none.

    References
    ----------
    Final Encounter Data Diagnosis Filtering Logic, CMS HPMS memo of 22 December 2015;
    ``models/accepted_claims/ma.toml`` says how much of it was seen.
    """
    if reason := _record_reason(claim, rule):
        return reason
    if claim.thru_date is None:
        return "claim has no service date"
    if not _needs_hcpcs(claim, rule):
        return None
    eligible = eligible_hcpcs(claim.thru_date.year, rule)
    return None if eligible.intersection(claim.hcpcs_codes) else "no eligible HCPCS on the claim"


def eligible_hcpcs(service_year: int, rule: AcceptedClaims) -> frozenset[str]:
    """Look up the eligible CPT/HCPCS of a service year.

    Parameters
    ----------
    service_year : int
        Calendar year of the last day of service.
    rule : AcceptedClaims
        The rule.

    Returns
    -------
    frozenset of str
        The year's codes.

    Raises
    ------
    NotPublishedError
        If the year has no list.
    """
    if service_year in rule.hcpcs:
        return rule.hcpcs[service_year]
    years = ", ".join(str(year) for year in sorted(rule.hcpcs))
    raise NotPublishedError(
        f"No list of eligible HCPCS for service year {service_year}. Published: {years}. "
        f"Leave that year out of the service years, or add "
        f"models/accepted_claims/hcpcs/{service_year}.csv and its evidence to "
        f"models/accepted_claims/ma.toml."
    )


def _record_reason(claim: Claim, rule: AcceptedClaims) -> str | None:
    """Reason that needs neither the service date nor the lines."""
    if claim.status is not None and claim.status not in rule.statuses:
        return f"claim status is {claim.status}"
    if claim.kind == "other":
        return f"claim type {claim.claim_type or 'unknown'} is not accepted"
    if claim.kind == "professional":
        return None
    if claim.bill_type_code is None:
        return "institutional claim has no bill type"
    if claim.bill_type_code[:2] not in rule.bill_types:
        return f"bill type {claim.bill_type_code[:2]}X is not accepted"
    if claim.bill_type_code[2:] in rule.void_frequency_codes:
        return f"bill frequency {claim.bill_type_code[2:]} voids an earlier bill"
    return None


def _needs_hcpcs(claim: Claim, rule: AcceptedClaims) -> bool:
    if claim.kind == "professional" or claim.bill_type_code is None:
        return rule.professional_needs_hcpcs
    return rule.bill_types[claim.bill_type_code[:2]]


def _rule(data: Mapping[str, Any], lists: Path) -> AcceptedClaims:
    return AcceptedClaims(
        claim_type_systems=tuple(data["claim_type_systems"]),
        kinds=_kinds(data),
        professional_needs_hcpcs=data["professional"]["needs_hcpcs"],
        bill_types=_bill_types(data["bill_types"]),
        statuses=frozenset(data["status"]["accepted"]),
        void_frequency_codes=frozenset(data["status"]["void_frequency_codes"]),
        hcpcs={
            row["service_year"]: _codes(lists / f"{row['service_year']}.csv", row["codes"])
            for row in data["hcpcs"]
        },
    )


def _kinds(data: Mapping[str, Any]) -> dict[tuple[str, str], Kind]:
    kinds: dict[tuple[str, str], Kind] = {}
    for row in data["claim_types"]:
        if row["kind"] not in get_args(Kind) or row["system"] not in data["claim_type_systems"]:
            raise ModelFolderError(f"ma.toml: unknown kind or system in {row['codes']}.")
        for code in row["codes"]:
            if (row["system"], code) in kinds:
                raise ModelFolderError(f"ma.toml names claim type {code} twice.")
            kinds[row["system"], code] = row["kind"]
    return kinds


def _bill_types(rows: list[Mapping[str, Any]]) -> dict[str, bool]:
    needs = [(code, row["needs_hcpcs"]) for row in rows for code in row["codes"]]
    if len({code for code, _ in needs}) != len(needs):
        raise ModelFolderError("ma.toml names a bill type twice.")
    return {code.removesuffix("X"): needed for code, needed in needs}


def _codes(path: Path, expected: int) -> frozenset[str]:
    if not path.is_file():
        raise NotPublishedError(f"The list {path} is named in ma.toml but is not there.")
    with path.open(encoding="utf-8", newline="") as lines:
        header, *rows = list(csv.reader(lines)) or [[]]
    codes = frozenset(row[0] for row in rows if len(row) == 1)
    if header != ["hcpcs_code"] or not len(codes) == len(rows) == expected:
        raise ModelFolderError(
            f"{path} has {len(codes)} codes, expected {expected} under the header hcpcs_code."
        )
    return codes
