"""Actuarial Standards of Practice: what a run shows of each, and what the actuary must state."""

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.ledger import unverified
from benchmarks.report.content import Extras, Sheet
from riskadj.errors import InputError

QUESTIONS: Mapping[str, tuple[str, str]] = {
    "purpose": ("ASOP 41, 56", "What the numbers are for, and for what they are not"),
    "intended_users": ("ASOP 41", "For whom the report is written"),
    "data_reliance": ("ASOP 23", "Whose data were relied on, and how they were reviewed"),
    "methods": ("ASOP 5, 12, 25, 45, 56", "Methods and assumptions, and who chose the terms"),
    "limitations": ("ASOP 23, 41, 56", "Known weaknesses, uncertainty, and their possible effect"),
    "responsible_actuary": ("ASOP 41", "Who takes responsibility, and with what qualification"),
}
"""Key of a statement to the standards that ask for it and the question. All are mandatory."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One question and its answer; blank when nobody gave one."""

    key: str
    standards: str
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Standard:
    """One standard: what this run shows, and what it leaves to the actuary."""

    name: str
    shown: str
    left: str


def statements(answers: Mapping[str, str]) -> list[Statement]:
    """Join the questions with the answers.

    Raises
    ------
    InputError
        An answer to no question.
    """
    if odd := sorted(set(answers) - set(QUESTIONS)):
        raise InputError(f"No statement is called {', '.join(odd)}. "
                         f"There are: {', '.join(QUESTIONS)}")  # fmt: skip
    return [Statement(key, standards, question, answers.get(key, "").strip())
            for key, (standards, question) in QUESTIONS.items()]  # fmt: skip


def standards(found: Sheet, extras: Extras) -> list[Standard]:
    """Return each standard with what the ledger shows of it; nothing here claims compliance."""
    record, nodes = found.record, list(found.nodes.values())
    steps = sum(n["kind"] == "step" for n in nodes)
    return [
        Standard("ASOP 5, Incurred Health and Disability Claims", _incurred(extras),
                 "Dates of service and of payment, run-out, completion method, and any margin."),
        Standard("ASOP 12, Risk Classification", _classes(found, extras),
                 "Why these classes differ in expected cost, and that law allows them."),
        Standard("ASOP 23, Data Quality", _data(found),
                 "Where the data come from, whether they were reviewed or relied on without audit, "
                 "and their known defects."),
        Standard("ASOP 25, Credibility Procedures", _credibility(found),
                 "Whether each entity's experience is credible for this use, and with what it was "
                 "blended if not."),
        Standard("ASOP 41, Actuarial Communications",
                 f"Year {record['year']}, as known on {record['known_at']}. Every rule is cited, "
                 f"and the {len(unverified(record)):,} values or rules that are not verified are "
                 "listed at the top.",
                 "Purpose, intended users, uncertainty, reliance on others, and who is "
                 "responsible: below."),
        Standard("ASOP 45, Health Status Based Risk Adjustment", _risk(found),
                 "Which model and version, whether it was built for this use, its calibration to "
                 "this population, and how coding may have changed."),
        Standard("ASOP 56, Modeling",
                 f"{steps:,} steps, each with its formula; all can be computed again from the "
                 f"ledger alone. {len(record['limits']):,} limits are stated.",
                 "That the model suits the purpose, how it was tested, and who reviewed it."),
    ]  # fmt: skip


def _incurred(extras: Extras) -> str:
    n = len(extras.exhibits)
    held = f"{n:,} exhibit{'s are' if n != 1 else ' is'} shown above" if n else "None is shown"
    return ("Spending is taken as the files give it; the steps listed above make no estimate of "
            f"unpaid claims unless one says so. Exhibits on experience: {held}.")  # fmt: skip


def _classes(found: Sheet, extras: Extras) -> str:
    strata = found.record["axes"].get("stratum", [])
    names = [found.record["stratum_names"].get(s, s) for s in strata]
    held = f"Strata: {', '.join(names)}." if names else "The steps use no strata."
    groups = " Groups of people evaluate the target; they do not enter it." if extras.equity else ""
    return held + groups


def _data(found: Sheet) -> str:
    inputs = [n for n in found.nodes.values() if n["kind"] == "input"]
    cells = sum(len(n["values"]) for n in inputs)
    empty = sum(v is None for n in inputs for v in n["values"])
    files = sorted({n["citation"] for n in inputs if n["citation"]})
    return (f"{len(inputs):,} columns with {cells:,} values, {empty:,} of them missing or refused; "
            f"none was filled in. Files: {', '.join(files) or 'none'}.")  # fmt: skip


def _credibility(found: Sheet) -> str:
    named = [n["id"] for n in found.nodes.values() if n["kind"] == "step"
             and "credib" in f"{n['id']} {n['about']}".lower()]  # fmt: skip
    n = len(found.record["axes"].get("entity", []))
    steps = f"Steps on credibility: {', '.join(named)}." if named else (
        "No step is named for credibility.")  # fmt: skip
    return f"{n:,} entities, each on its own experience as the files give it. {steps}"


def _risk(found: Sheet) -> str:
    scores = [n["id"] for n in found.nodes.values() if n["kind"] == "input" and "risk" in n["id"]]
    if not scores:
        return "No input is named for risk."
    return (f"Scores are taken as given: {', '.join(scores)}. The ledger has each step that uses "
            "them; it does not compute scores.")  # fmt: skip
