"""One member without an engine: the same rulebook on Python integers, in microseconds.

The bulk kernel works on rows of bits over many members; this path works on one integer whose bits
are the rows. Tests hold the two together.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from numbers import Real
from pathlib import Path
from typing import NamedTuple

import numpy as np

from riskadj.catalog import resolve_model
from riskadj.errors import InputError, OptionError
from riskadj.features.rulebook import Rulebook, compile_rulebook
from riskadj.manifest import MANIFEST
from riskadj.model import AGE_LIMIT, RiskModel
from riskadj.tables import (
    DUAL,
    ESRD,
    ESRD_STAGES,
    MONTHS_SINCE_TRANSPLANT,
    OREC,
    SEX,
    EsrdStage,
    Field,
    normalized_code,
    plain,
)


class Factor(NamedTuple):
    """One term of a score: its name, label and coefficient (relative risk)."""

    term: str
    label: str
    coefficient: float


class MemberScore(NamedTuple):
    """One member's score.

    Attributes
    ----------
    raw_score
        Relative risk before normalization, exact to the third decimal.
    conditions
        Payment conditions that count, in the model's order.
    factors
        What the score is the sum of.
    caveats
        What of the model is proposed, on a single source or unverified.
    """

    model: str
    segment: str
    raw_score: float
    conditions: tuple[str, ...]
    factors: tuple[Factor, ...]
    caveats: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BitRules:
    """A rulebook as integer masks.

    Attributes
    ----------
    variants
        ``(bit mask, category number, valid)``; ``valid`` is indexed by profile.
    parents
        ``(parent bit, bits to drop)`` in listed order, children of one parent together.
    flags
        Flags of each profile as small bits, to be shifted by ``first_flag``.
    counts
        The count variables' bits, by number of conditions.
    factors, thousandths
        By segment and bit: the priced factor or None, and its coefficient.
    """

    book: Rulebook
    code_bits: int
    variant_bits: int
    category_bits: int
    variants: tuple[tuple[int, int, bytes], ...]
    requires_any: tuple[tuple[int, int], ...]
    parents: tuple[tuple[int, int], ...]
    parent_bits: int
    groups: tuple[tuple[int, int], ...]
    terms: tuple[tuple[int, int], ...]
    flags: list[int]
    first_flag: int
    counts: tuple[int, ...]
    factors: tuple[tuple[Factor | None, ...], ...]
    thousandths: tuple[tuple[int, ...], ...]


def bit_rules(book: Rulebook) -> BitRules:
    """Turn a rulebook's bit numbers into masks."""
    parents: list[tuple[int, int]] = []
    for parent, child in book.hierarchy:
        if parents and parents[-1][0] == 1 << parent:
            parents[-1] = (1 << parent, parents[-1][1] | 1 << child)
        else:
            parents.append((1 << parent, 1 << child))
    by_number = [0] * (book.n_categories + 1)
    for bit, least, most in book.counts:
        for n in range(max(least, 1), most + 1):
            by_number[n] |= 1 << bit
    labels = book.model.labels
    return BitRules(
        book=book,
        code_bits=(1 << book.n_code_bits) - 1,
        variant_bits=_mask(v.bit for v in book.variants),
        category_bits=(1 << book.n_categories) - 1,
        variants=tuple((1 << v.bit, v.category, v.valid.tobytes()) for v in book.variants),
        requires_any=tuple((1 << t, _mask(s)) for t, s in book.requires_any),
        parents=tuple(parents),
        parent_bits=_mask(p for p, _ in book.hierarchy),
        groups=tuple((1 << g, _mask(members)) for g, members in book.groups),
        terms=tuple((1 << t.bit, _mask(t.needs)) for t in book.terms),
        flags=sum(
            (flag.astype(np.int64) << i for i, (_, flag) in enumerate(book.flags)),
            np.zeros(book.profiles.size, np.int64),
        ).tolist(),
        first_flag=book.flags[0][0] if book.flags else 0,
        counts=tuple(by_number),
        factors=tuple(
            tuple(_factor(book, bit, s, labels) for bit in range(book.n_bits))
            for s in range(len(book.segments))
        ),
        thousandths=tuple(tuple(column.tolist()) for column in book.worth.T),
    )


def _mask(bits: Iterable[int]) -> int:
    mask = 0
    for bit in bits:
        mask |= 1 << bit
    return mask


def _factor(book: Rulebook, bit: int, segment: int, labels: dict[str, str]) -> Factor | None:
    if not book.priced[bit, segment]:
        return None
    name = book.names[bit]
    return Factor(name, labels[name], int(book.worth[bit, segment]) / 1000)


def code_mask(codes: Sequence[str], rules: BitRules) -> int:
    """Return the code bits of normalized (or raw) diagnosis codes."""
    mask, known = 0, rules.book.codes
    for code in codes:
        found = known.get(code)
        mask |= known.get(normalized_code(code), 0) if found is None else found
    return mask


def live_bits(mask: int, profile: int, rules: BitRules) -> int:
    """Run the rulebook on one member's code bits; return everything that holds."""
    bits = _live_conditions(mask, profile, rules)
    number = bits.bit_count()
    for group, members in rules.groups:
        if bits & members:
            bits |= group
    bits |= rules.flags[profile] << rules.first_flag
    for term, needs in rules.terms:
        if bits & needs == needs:
            bits |= term
    return bits | rules.counts[number]


def _live_conditions(mask: int, profile: int, rules: BitRules) -> int:
    """Apply conditional code rows, companions and hierarchies, in this order."""
    if mask & rules.variant_bits:
        mask |= _mask(c for bit, c, valid in rules.variants if mask & bit and valid[profile])
    bits = mask & rules.category_bits
    for target, sources in rules.requires_any:
        if bits & target and not bits & sources:
            bits &= ~target
    if bits & rules.parent_bits:
        for parent, children in rules.parents:
            if bits & parent:
                bits &= ~children
    return bits


class PersonScorer:
    """Scores members one at a time with one model."""

    def __init__(self, model: RiskModel) -> None:
        self.book = compile_rulebook(model)
        self.rules = bit_rules(self.book)
        self.caveats = model.facts.caveats
        self._demographic: dict[tuple[int, int], tuple[Factor, ...]] = {}

    def score(self, profile: int, codes: Sequence[str], segment: int | None = None) -> MemberScore:
        """Score one member; ``segment`` forces a segment by its number."""
        book, rules = self.book, self.rules
        chosen = int(book.segment_of[profile]) if segment is None else segment
        mask = code_mask(codes, rules)
        bits = live_bits(mask, profile, rules) if mask else 0
        factors = list(self._cells(profile, chosen))
        total = int(book.base[profile, chosen])
        priced, worth = rules.factors[chosen], rules.thousandths[chosen]
        conditions = []
        while bits:
            low = bits & -bits
            bit = low.bit_length() - 1
            bits ^= low
            if bit < book.n_categories:
                conditions.append(book.names[bit])
            if (factor := priced[bit]) is not None:
                factors.append(factor)
                total += worth[bit]
        if (by := int(book.divisor[chosen])) != 1000:
            change = (2000 * total + by) // (2 * by) - total
            factors.append(divisor_factor(book, chosen, change))
            total += change
        return MemberScore(book.model.key, book.segments[chosen], total / 1000,
                           tuple(conditions), tuple(factors), self.caveats)  # fmt: skip

    def _cells(self, profile: int, segment: int) -> tuple[Factor, ...]:
        """Return the demographic factors of a profile, remembered after the first time."""
        known = self._demographic.get((profile, segment))
        if known is None:
            known = self._demographic[profile, segment] = demographic_factors(
                self.book, profile, segment
            )
        return known


def divisor_factor(book: Rulebook, segment: int, change: int) -> Factor:
    """Return what dividing a segment's sum adds to it, in thousandths, as a factor."""
    found = next(d for d in book.model.divisors if d.segment == book.segments[segment])
    return Factor(found.name, found.label, change / 1000)


def demographic_factors(book: Rulebook, profile: int, segment: int) -> tuple[Factor, ...]:
    """Return what a profile's demographic variables add in a segment."""
    labels = book.model.labels
    return tuple(
        Factor(name, labels[name], int(book.cell_worth[i, segment]) / 1000)
        for i, name in enumerate(book.cell_names)
        if book.cells[i, profile] and book.cell_priced[i, segment]
    )


def person_scorer(model: str | Path) -> PersonScorer:
    """Load and compile a model once, by key, or by folder until it is sealed anew."""
    seal = _seal_of(model) if isinstance(model, Path) else b""
    return _scorer_of(model, seal)


def _seal_of(folder: Path) -> bytes:
    manifest = folder / MANIFEST
    return manifest.read_bytes() if manifest.is_file() else b""


@lru_cache(maxsize=32)
def _scorer_of(model: str | Path, seal: bytes) -> PersonScorer:
    return PersonScorer(resolve_model(model))


def score_member(
    *,
    age: int,
    sex: str,
    original_reason_entitlement_code: str | int,
    diagnoses: Sequence[str],
    model: str | Path,
    dual_status_code: str | int | None = None,
    long_term_institutional: bool = False,
    new_enrollee: bool = False,
    chronic_snp: bool = False,
    esrd_status: str | None = None,
    months_since_transplant: int | None = None,
    low_income: bool = False,
    segment: str | None = None,
) -> MemberScore:
    """Score one member without an engine.

    Parameters
    ----------
    age
        Whole years on the model's reference date (1 February of the payment year).
    sex
        ``F`` or ``M`` (``2``, ``1`` and words are accepted).
    original_reason_entitlement_code
        0 age, 1 disability, 2 ESRD, 3 both.
    diagnoses
        ICD-10-CM codes; dots, blanks and case do not matter.
    esrd_status, months_since_transplant
        ``none``, ``dialysis``, ``transplant`` (months 1 to 3) or ``graft`` (from month 4 on).
    low_income
        Whether the month has the low-income subsidy (Part D).
    model
        Registry key such as ``"cms-hcc-v28/2026"``, or a ``Path`` to a model folder.
    segment
        Forces a segment such as ``"CNA"``; otherwise the member's status decides.

    Raises
    ------
    InputError
        A value is missing, of the wrong kind or outside its range.
    NotPublishedError
        There is no such model.

    Examples
    --------
    >>> score_member(age=70, sex="F", original_reason_entitlement_code=0,
    ...              diagnoses=["E11.21"], model="cms-hcc-v28/2026").raw_score
    0.561
    """
    if isinstance(diagnoses, str) or not isinstance(diagnoses, Iterable):
        raise InputError('diagnoses: expected a list of codes, such as ["E11.9"], not one value')
    codes = list(diagnoses)
    if not all(isinstance(code, str) for code in codes):
        wrong = sum(not isinstance(code, str) for code in codes)
        raise InputError(f"diagnoses: {wrong} of {len(codes)} values are not text")
    scorer = person_scorer(model)
    status = {
        "age": _whole_age(age), "sex": _read(SEX, sex),
        "orec": _read(OREC, original_reason_entitlement_code),
        "dual": _read(DUAL, dual_status_code),
        "long_term_institutional": _yes_no("long_term_institutional", long_term_institutional),
        "new_enrollee": _yes_no("new_enrollee", new_enrollee),
        "chronic_snp": _yes_no("chronic_snp", chronic_snp),
        "esrd_stage": _esrd_stage(esrd_status, months_since_transplant),
        "low_income": _yes_no("low_income", low_income),
    }  # fmt: skip
    profile = scorer.book.profiles.number(status)
    number = segment_number(segment, scorer.book)
    if number is None:
        _refuse_other_status(scorer.book, profile, status["esrd_stage"])
    return scorer.score(profile, codes, number)


def _refuse_other_status(book: Rulebook, profile: int, stage: int) -> None:
    if stage and "esrd_stage" not in book.profiles.axes:
        raise InputError(f"esrd_status: {book.model.key} does not pay ESRD months")
    if book.segment_of[profile] < 0:
        raise InputError(f"esrd_status: {book.model.key} pays ESRD months only")


def _esrd_stage(status: object, months: object) -> int:
    """Return the stage that a status and the months since a transplant make together."""
    if status is None and months is None:
        return 0
    found = (_read(ESRD, status), _read(MONTHS_SINCE_TRANSPLANT, months))
    if found not in ESRD_STAGES:
        raise InputError(
            "months_since_transplant: 1 to 3 go with esrd_status transplant, 4 and more with "
            "graft, and none with any other"
        )
    return ESRD_STAGES.index(EsrdStage(*found))


def segment_number(segment: str | None, book: Rulebook) -> int | None:
    """Return a segment's number, or None; refuse a name that the model does not have."""
    if segment is None:
        return None
    if segment not in book.segments:
        raise OptionError(f"segment {segment!r} is not one of {', '.join(book.segments)}")
    return book.segments.index(segment)


def _whole_age(age: int) -> int:
    number = isinstance(age, Real) and not isinstance(age, bool)
    if not number or not 0 <= age <= AGE_LIMIT or age != int(age):
        raise InputError(f"age: expected whole years from 0 to {AGE_LIMIT}")
    return int(age)


def _read(field: Field, value: object) -> int:
    text = plain(value)
    code = field.blank if text == "" else field.read(text)
    if code is None:
        raise InputError(f"{field.name}: expected {field.expects}")
    return code


def _yes_no(name: str, value: bool) -> int:
    if value not in (True, False):
        raise InputError(f"{name}: expected True or False")
    return int(value)
