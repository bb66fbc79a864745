"""A risk-adjustment model as records; a guard is the small language its rules ask in."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from riskadj.errors import ModelFolderError

AGE_LIMIT = 120
AGE_64_RULES = ("ne_cells", "all_cells")
RULE_KINDS = ("requires_any", "drop")
STATUSES = ("final", "proposed", "trained")
FACTS = ("age", "sex", "orec", "full_dual", "partial_dual", "medicaid", "long_term_institutional",
         "new_enrollee", "chronic_snp", "esrd", "dialysis", "months_since_transplant",
         "low_income")  # fmt: skip
"""What a rule's ``when`` may ask about a member, besides the model's own flags."""


class Segment(NamedTuple):
    """One priced population; members take the first whose ``when`` holds."""

    key: str
    label: str
    when: str
    uses_diagnoses: bool


class Flag(NamedTuple):
    """A named fact about a member that rules may ask for."""

    name: str
    when: str


class Cell(NamedTuple):
    """One row of the demographic variables: sex, age bounds (inclusive) and guard."""

    variable: str
    label: str
    sex: str
    age_min: int
    age_max: int
    when: str
    segments: tuple[str, ...]


class CodeRow(NamedTuple):
    """A diagnosis code, the category it means, and when (ages inclusive)."""

    code: str
    category: str
    age_min: int
    age_max: int
    sex: str
    mce_age_min: int
    mce_age_max: int
    carried: bool


class Rule(NamedTuple):
    """A category patch before the hierarchies.

    ``requires_any`` keeps ``target`` only with any of ``sources``; ``drop`` never keeps it.
    """

    kind: str
    target: str
    sources: tuple[str, ...]


class Term(NamedTuple):
    """An interaction: a conjunction over categories, groups and flags."""

    name: str
    label: str
    parts: tuple[str, ...]
    segments: tuple[str, ...]


class Count(NamedTuple):
    """A variable for the number of payment categories a member has, bounds inclusive."""

    name: str
    label: str
    least: int
    most: int | None
    segments: tuple[str, ...]


class Divisor(NamedTuple):
    """A segment's sum is divided by ``thousandths / 1000`` and rounded to three decimals."""

    segment: str
    name: str
    label: str
    thousandths: int


@dataclass(frozen=True, slots=True)
class RiskModel:
    """A complete risk-adjustment model; whole and consistent, or never made.

    Attributes
    ----------
    key
        Registry key such as ``cms-hcc-v28/2026``, or the folder of a model of your own.
    facts
        The head of ``model.toml``: title, payer, payment year, status, evidence.
    coefficients
        ``(segment, variable)`` to relative risk in integer thousandths.
    unpriced
        ``(segment, condition)`` that the published table leaves blank on purpose.
    divisors
        Segments whose sum is divided: ESRD V24, new enrollees with a functioning graft.
    """

    key: str
    facts: "ModelFacts"
    segments: tuple[Segment, ...]
    flags: tuple[Flag, ...]
    cells: tuple[Cell, ...]
    code_map: tuple[CodeRow, ...]
    categories: Mapping[str, str]
    rules: tuple[Rule, ...]
    hierarchy: tuple[tuple[str, str], ...]
    groups: Mapping[str, tuple[str, ...]]
    terms: tuple[Term, ...]
    counts: tuple[Count, ...]
    coefficients: Mapping[tuple[str, str], int]
    unpriced: frozenset[tuple[str, str]] = frozenset()
    divisors: tuple[Divisor, ...] = ()

    def without_mce_edits(self) -> "RiskModel":
        """Return the model with the MCE age edits switched off (the software's SEDITS=0)."""
        rows = tuple(r._replace(mce_age_min=0, mce_age_max=AGE_LIMIT) for r in self.code_map)
        named = {n: getattr(self, n) for n in self.__slots__}
        return RiskModel(**{**named, "code_map": rows, "key": f"{self.key} without MCE edits"})

    @property
    def labels(self) -> dict[str, str]:
        """Every scored variable's label."""
        cells = {c.variable: c.label for c in self.cells}
        terms = {t.name: t.label for t in self.terms}
        counts = {c.name: c.label for c in self.counts}
        return (
            cells
            | dict(self.categories)
            | terms
            | counts
            | {d.name: d.label for d in self.divisors}
        )


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The head of ``model.toml``.

    ``sources`` is the number of independent sources that agree on the code map; ``unverified``
    lists the rules that rest on less than a primary document.
    """

    schema: int
    title: str
    model: str
    payment_year: int
    payer: str
    status: str
    release: str
    age_reference: str
    age_64_rule: str
    age_64_evidence: str
    denominator_usd: str
    sources: int
    evidence: str
    unverified: tuple[str, ...]
    files: tuple[Mapping[str, str], ...]

    @property
    def caveats(self) -> tuple[str, ...]:
        """What every output that uses this model must say."""
        single = ("code map rests on a single source",) if self.sources < 2 else ()
        proposed = (f"model is {self.status}",) if self.status == "proposed" else ()
        trained = (self.evidence,) if self.status == "trained" else ()
        return (*proposed, *trained, *single, *(f"unverified: {what}" for what in self.unverified))


def guard_atoms(when: str) -> list[tuple[bool, str, str, str]]:
    """Split a guard such as ``age>=65 & !medicaid`` into its atoms.

    Returns
    -------
    list of (negated, name, operator, value)
        ``operator`` is empty for a yes/no fact.

    Raises
    ------
    ModelFolderError
        The guard is not a conjunction of such atoms.
    """
    atoms: list[tuple[bool, str, str, str]] = []
    for part in filter(None, (p.strip() for p in when.split("&"))):
        match = re.fullmatch(r"(!?)(\w+)(?:(>=|<=|!=|=|<|>)(\w+))?", part)
        if not match:
            raise ModelFolderError(f"guard {when!r}: cannot read {part!r}")
        no, name, operator, value = match.groups(default="")
        atoms.append((no == "!", name, operator, value))
    return atoms
