"""What the input tables hold: columns, their other names, and the spellings a value may have.

The contract is data: each distinct raw value of a column is read once by ``read`` below, and the
engine replaces the rows by its code. So ten million rows cost as many readings as there are
spellings, every refused value is counted with its first row, and no value reaches a message.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from riskadj.model import AGE_LIMIT

NOT_DUAL, PARTIAL_DUAL, FULL_DUAL = range(3)
"""Dual classes, as a profile holds them."""


@dataclass(frozen=True, slots=True)
class Field:
    """One column of the members table.

    Attributes
    ----------
    name
        Canonical name, as in the documentation and messages.
    other_names
        Names accepted instead.
    read
        Turns a raw value into its code; None means the value is refused.
    expects
        What the message says was expected.
    absent
        The code of a column that is not there, or None when the column is required.
    blank
        The code of an empty value, or None when a value is required.
    """

    name: str
    other_names: tuple[str, ...]
    read: Callable[[str], int | None]
    expects: str
    absent: int | None
    blank: int | None


def plain(value: Any) -> str:
    """Return a raw value as trimmed upper-case text; blank for None and NaN; 2.0 becomes 2."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip().upper()
    return "" if text in ("NAN", "NONE", "NULL", "<NA>", "NAT") else re.sub(r"\.0+$", "", text)


def _age(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,3}", text) and int(text) <= AGE_LIMIT else None


def _spelling(codes: Mapping[str, int]) -> Callable[[str], int | None]:
    return codes.get


_SEX = {"F": 0, "2": 0, "FEMALE": 0, "WOMAN": 0, "M": 1, "1": 1, "MALE": 1, "MAN": 1}
_OREC = {str(n): n for n in range(4)}
DUAL_CODES = {
    FULL_DUAL: ("02", "04", "08"),
    PARTIAL_DUAL: ("01", "03", "05", "06"),
    NOT_DUAL: ("00", "09", "10", "99", "NA"),
}
"""Dual status codes by class: CMS memo of 10 June 2016, 2017 CMS-HCC model implementation, III."""
_DUAL = {code: kind for kind, codes in DUAL_CODES.items() for code in codes}
_DUAL |= {code[1:]: kind for code, kind in _DUAL.items() if code.startswith("0")}
_YES_NO = dict.fromkeys(("1", "TRUE", "T", "Y", "YES"), 1) | dict.fromkeys(
    ("0", "FALSE", "F", "N", "NO"), 0
)
NO_ESRD, DIALYSIS, TRANSPLANT, GRAFT = range(4)
"""What ``esrd_status`` says."""
_ESRD = {"NONE": NO_ESRD, "0": NO_ESRD, "N": NO_ESRD, "FALSE": NO_ESRD, "DIALYSIS": DIALYSIS,
         "TRANSPLANT": TRANSPLANT, "GRAFT": GRAFT}  # fmt: skip


class EsrdStage(NamedTuple):
    """ESRD status and time since transplant, as far as any model tells them apart.

    Transplant months 1 to 3, then a functioning graft for 4 to 9 and for 10 or more months
    (macro E2118P1M, scores SCORE_TRANS_KIDNEY_ONLY_1M to 3M and SCORE_GRAFT_*_DUR4_9, DUR10PL).
    ``months`` is the first month of the stage, 0 without a transplant.
    """

    status: int
    months: int


ESRD_STAGES = (
    EsrdStage(NO_ESRD, 0), EsrdStage(DIALYSIS, 0),
    *(EsrdStage(TRANSPLANT, m) for m in (1, 2, 3)), *(EsrdStage(GRAFT, m) for m in (4, 10)),
)  # fmt: skip


def _months_since(text: str) -> int | None:
    """Return the first month of the stage that whole months since a transplant fall in."""
    if not re.fullmatch(r"\d{1,3}", text) or int(text) == 0:
        return None
    return max(stage.months for stage in ESRD_STAGES if stage.months <= int(text))


AGE = Field("age", (), _age, f"whole years from 0 to {AGE_LIMIT}", None, None)
BIRTH_DATE = Field("birth_date", ("dob", "date_of_birth"), _age, "a date", None, None)
SEX = Field(
    "sex", ("gender",), _spelling(_SEX), "F, M, 1 (male), 2 (female) or the word", None, None
)
OREC = Field("original_reason_entitlement_code", ("orec", "original_reason_entitlement"),
             _spelling(_OREC), "0, 1, 2 or 3", None, None)  # fmt: skip
DUAL = Field("dual_status_code", ("dual", "dual_status"), _spelling(_DUAL),
             "00-06, 08-10 or 99 (blank: not dual)", NOT_DUAL, NOT_DUAL)  # fmt: skip
STATUS = tuple(
    Field(name, other, _spelling(_YES_NO), "yes or no", 0, 0)
    for name, other in (
        ("long_term_institutional", ("lti",)),
        ("new_enrollee", ("ne",)),
        ("chronic_snp", ("snp", "c_snp")),
    )
)
ESRD = Field("esrd_status", (), _spelling(_ESRD), "none, dialysis, transplant or graft", 0, 0)
MONTHS_SINCE_TRANSPLANT = Field(
    "months_since_transplant", (), _months_since, "whole months from 1 on (blank: none)", 0, 0
)
PART_B_MONTHS = Field(
    "part_b_months_in_data_year", (), {str(n): n for n in range(13)}.get, "0 to 12 months", 0, None
)
LOW_INCOME = Field("low_income", ("lis",), _spelling(_YES_NO), "yes or no", 0, 0)
CODED = {
    "sex": SEX, "orec": OREC, "dual": DUAL, **{field.name: field for field in STATUS},
    "low_income": LOW_INCOME,
}  # fmt: skip
"""The column behind an axis of a profile, for those that have just one."""


def _month(text: str) -> int | None:
    """Return a month's number, counted from year 0, of 2026-01-01, 2026-01 or 202601."""
    found = re.match(r"(\d{4})-?(0[1-9]|1[0-2])(?:-?(?:0[1-9]|[12]\d|3[01])\b.*)?$", text)
    return int(found[1]) * 12 + int(found[2]) - 1 if found else None


MONTH = Field("month", (), _month, "a month, such as 2026-01-01 or 2026-01", None, None)
MONTH_FLAGS = tuple(
    Field(name, (), _spelling(_YES_NO), "yes or no", absent, absent)
    for name, absent in (("hospice", 0), ("part_a", 1), ("part_b", 1),
                         ("medicare_secondary_payer", 0))
)  # fmt: skip
"""What a month may say besides the member's status: it decides whether the month is paid."""

MEMBER_ID = ("member_id", "person_id", "mbi", "bene_id")
DIAGNOSIS_CODE = ("diagnosis_code", "icd10", "dx", "diag")
_FIELDS = (
    AGE,
    BIRTH_DATE,
    *CODED.values(),
    ESRD,
    MONTHS_SINCE_TRANSPLANT,
    PART_B_MONTHS,
    *MONTH_FLAGS,
)
KNOWN_NAMES = frozenset(
    [
        *MEMBER_ID,
        *DIAGNOSIS_CODE,
        MONTH.name,
        *(n for f in _FIELDS for n in (f.name, *f.other_names)),
    ]
)
"""Names that tell a header line from a line of data."""


NOT_OF_A_CODE = r"[.\s\pZ\x0b\x1c-\x1f\x85]"
"""Dots and every blank that Python's ``str.split`` knows, as RE2 writes it."""


def normalized_code(raw: object) -> str:
    """Return a diagnosis code as the tables spell it: no dots or blanks, upper case.

    >>> normalized_code(" e11.9 ")
    'E119'
    """
    return "" if raw is None else "".join(str(raw).replace(".", "").split()).upper()


def normalized_sql(column: str) -> str:
    """Return SQL that spells a code column as ``normalized_code`` does."""
    return f"upper(regexp_replace(coalesce({column}::varchar, ''), '{NOT_OF_A_CODE}', '', 'g'))"


ICD10 = re.compile(r"[A-Z][0-9][0-9AB][0-9A-Z]{0,4}")


def code_fault(code: str, is_header: bool) -> str:
    """Say what may be wrong with a normalized code that maps to nothing.

    Parameters
    ----------
    is_header
        Whether longer codes that begin with it are mapped.
    """
    if code in ("", "NAN", "NONE", "NULL"):
        return "blank"
    if ICD10.fullmatch(code):
        return "header_only" if is_header else "unmapped"
    return "icd9_like" if re.fullmatch(r"[0-9]{3,5}", code) else "malformed"
