"""The actuary's statements (ASOP 12, 23, 25, 41, 45, 56): questions as data, answers by spec."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SHEET = Path(__file__).parent / "asop.toml"


@dataclass(frozen=True, slots=True)
class Statement:
    """One question of the sheet and its answer; blank when nobody gave one."""

    key: str
    standards: str
    question: str
    mandatory: bool
    answer: str


def asop_sheet(answers: Mapping[str, str]) -> list[Statement]:
    """Join the questions with the answers of a spec.

    Raises
    ------
    ValueError
        An answer to no question.
    """
    fields = tomllib.loads(SHEET.read_text(encoding="utf-8"))["field"]
    known = {f["key"] for f in fields}
    if odd := sorted(set(answers) - known):
        raise ValueError(f"asop: no field {', '.join(odd)}. There are: {', '.join(sorted(known))}")
    return [Statement(**f, answer=answers.get(f["key"], "").strip()) for f in fields]


def blank_fields(sheet: list[Statement]) -> list[str]:
    """Return the mandatory fields without an answer."""
    return [s.key for s in sheet if s.mandatory and not s.answer]
