"""The rulebook: a model compiled to bits, profiles and integer thousandths.

Bits of a member's word, in this order: payment categories, conditional code rows, groups, flags,
terms and counts. The engine sets only the first two kinds; the rest follow from them.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from riskadj.errors import ModelFolderError
from riskadj.features.profiles import Facts, Profiles, facts_of, holds, in_range, profiles_of
from riskadj.model import AGE_LIMIT, Cell, CodeRow, RiskModel

WORD = 63


class Condition(NamedTuple):
    """Ages (inclusive) and sex for which a code row counts."""

    age_min: int
    age_max: int
    sex: str

    @property
    def always(self) -> bool:
        """Whether every member meets it."""
        return self == (0, AGE_LIMIT, "")


class Variant(NamedTuple):
    """A conditional code row's bit: it sets ``category`` for profiles where ``valid``."""

    bit: int
    category: int
    condition: Condition
    valid: NDArray[np.bool_]


class Conjunction(NamedTuple):
    """A term's bit and the bits (categories, groups, flags) that must all be set."""

    bit: int
    needs: tuple[int, ...]


class CountBit(NamedTuple):
    """A count variable's bit and its bounds, inclusive."""

    bit: int
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Rulebook:
    """A compiled model.

    Attributes
    ----------
    names
        The name of every bit that is not a conditional code row.
    codes
        Diagnosis code to the bits it sets.
    requires_any, hierarchy, groups
        ``(target, sources)``, ``(parent, child)`` in listed order, ``(group, members)``, as bits.
    profiles
        The axes that the model's rules ask for; ``profiles.size`` is n_profiles below.
    male : bool, shape (n_profiles,)
    segment_of : int8, shape (n_profiles,)
        The segment that pays for a profile, or -1: an ESRD model pays ESRD months only.
    cells : bool, shape (n_cells, n_profiles)
        Which demographic variables a profile has; ``cell_names`` names the rows.
    cell_worth, worth : int32, shape (n_cells, n_segments) and (n_bits, n_segments)
        Coefficients in thousandths; ``cell_priced`` and ``priced`` say where one is published.
    base : int32, shape (n_profiles, n_segments)
        The demographic part of the score in thousandths.
    has_cell : bool, shape (n_profiles, n_segments)
        Whether the segment prices the profile's age and sex, or prices nobody's.
    divisor : int32, shape (n_segments,)
        What a segment's sum is divided by, in thousandths; 1000 where it is not.
    """

    model: RiskModel
    profiles: Profiles
    male: NDArray[np.bool_]
    segments: tuple[str, ...]
    n_bits: int
    n_code_bits: int
    n_categories: int
    names: dict[int, str]
    codes: dict[str, int]
    variants: tuple[Variant, ...]
    requires_any: tuple[tuple[int, tuple[int, ...]], ...]
    hierarchy: tuple[tuple[int, int], ...]
    groups: tuple[tuple[int, tuple[int, ...]], ...]
    flags: tuple[tuple[int, NDArray[np.bool_]], ...]
    terms: tuple[Conjunction, ...]
    counts: tuple[CountBit, ...]
    segment_of: NDArray[np.int8]
    cell_names: tuple[str, ...]
    cells: NDArray[np.bool_]
    cell_worth: NDArray[np.int32]
    cell_priced: NDArray[np.bool_]
    base: NDArray[np.int32]
    has_cell: NDArray[np.bool_]
    worth: NDArray[np.int32]
    priced: NDArray[np.bool_]
    divisor: NDArray[np.int32]

    @property
    def later_priced(self) -> list[int]:
        """Bits of terms and counts that cost something in some segment."""
        later = np.flatnonzero(self.worth[self.n_code_bits :].any(axis=1)) + self.n_code_bits
        return [int(bit) for bit in later]

    @property
    def n_words(self) -> int:
        """How many 63-bit words hold a member's code bits."""
        return -(-self.n_code_bits // WORD)


_KEPT: OrderedDict[int, Rulebook] = OrderedDict()
"""The last rulebooks, by the identity of their model. A rulebook holds its model, so that no other
object can get that identity while it is kept."""


def compile_rulebook(model: RiskModel) -> Rulebook:
    """Compile a model; the same model always gives the same bits.

    A model that was compiled lately (the registry hands out one object a key) is not compiled
    again.

    Raises
    ------
    ModelFolderError
        A member could fall in no segment, or have no demographic cell in the one that pays.
    """
    if id(model) not in _KEPT:
        _KEPT[id(model)] = _compiled(model)
        while len(_KEPT) > 8:
            _KEPT.popitem(last=False)
    _KEPT.move_to_end(id(model))
    return _KEPT[id(model)]


def _compiled(model: RiskModel) -> Rulebook:
    profiles = profiles_of(model)
    facts = facts_of(model, profiles)
    segments = tuple(s.key for s in model.segments)
    categories = {name: bit for bit, name in enumerate(model.categories)}
    codes, conditions = _code_bits(model, categories)
    variants = tuple(
        Variant(len(categories) + i, category, c, in_range(facts, *c))
        for i, (category, c) in enumerate(conditions)
    )
    n_code_bits = len(categories) + len(variants)
    later = [*model.groups, *(f.name for f in model.flags), *(t.name for t in model.terms),
             *(c.name for c in model.counts)]  # fmt: skip
    bit = categories | {name: n_code_bits + i for i, name in enumerate(later)}
    names = {b: name for name, b in bit.items()}
    n_bits = n_code_bits + len(later)
    flags = {f.name for f in model.flags}  # a variable of a flag's name is a cell's
    scored = {b: name for b, name in names.items() if name not in flags}
    worth, priced = _prices(model, segments, scored, n_bits)
    grouped = _cells(model)
    cell_names = tuple(variable for variable, _, _ in grouped)
    cells = np.array([_holding(rows, facts) for _, _, rows in grouped])
    own = np.array([[s in listed for s in segments] for _, listed, _ in grouped])
    cell_worth, cell_priced = _prices(model, segments, dict(enumerate(cell_names)), len(cell_names))
    cell_worth, cell_priced = cell_worth * own, cell_priced & own
    book = Rulebook(
        model=model, profiles=profiles, male=facts["male"], segments=segments,
        n_bits=n_bits, n_code_bits=n_code_bits,
        n_categories=len(categories), names=names, codes=codes, variants=variants,
        requires_any=tuple((bit[r.target], _bits(bit, r.sources)) for r in model.rules),
        hierarchy=tuple((bit[p], bit[c]) for p, c in model.hierarchy),
        groups=tuple((bit[g], _bits(bit, members)) for g, members in model.groups.items()),
        flags=tuple((bit[f.name], facts[f.name]) for f in model.flags),
        terms=tuple(Conjunction(bit[t.name], _bits(bit, t.parts)) for t in model.terms),
        counts=tuple(
            CountBit(bit[c.name], c.least, len(categories) if c.most is None else c.most)
            for c in model.counts
        ),
        segment_of=_segment_of(model, facts), cell_names=cell_names, cells=cells,
        cell_worth=cell_worth, cell_priced=cell_priced,
        base=(cells.T.astype(np.float32) @ cell_worth.astype(np.float32)).astype(np.int32),
        has_cell=_has_cell(model, facts, segments), worth=worth, priced=priced,
        divisor=_divisors(model, segments),
    )  # fmt: skip
    _check_every_profile(book, facts)
    return book


def _bits(bit: dict[str, int], names: Iterable[str]) -> tuple[int, ...]:
    return tuple(bit[n] for n in names)


def _code_bits(
    model: RiskModel, categories: dict[str, int]
) -> tuple[dict[str, int], list[tuple[int, Condition]]]:
    """Give every distinct (category, condition) of the code map a bit of its own."""
    effective: dict[str, list[tuple[int, Condition]]] = defaultdict(list)
    conditional: dict[tuple[str, int, str], list[tuple[int, int]]] = defaultdict(list)
    for row in model.code_map:
        if row[2:7] == (0, AGE_LIMIT, "", 0, AGE_LIMIT):
            effective[row.code].append((categories[row.category], Condition(0, AGE_LIMIT, "")))
        else:
            key = (row.code, categories[row.category], row.sex)
            conditional[key].append(_ages(row))
    for (code, category, sex), ages in conditional.items():
        effective[code] += [(category, Condition(lo, hi, sex)) for lo, hi in _merged(ages)]
    distinct = sorted({(k, c) for rows in effective.values() for k, c in rows if not c.always})
    bit = {pair: len(categories) + i for i, pair in enumerate(distinct)}
    codes = {}
    for code, rows in effective.items():
        mask = 0
        for category, condition in rows:
            mask |= 1 << (category if condition.always else bit[category, condition])
        codes[code] = mask
    return codes, distinct


def _ages(row: CodeRow) -> tuple[int, int]:
    """Return the ages that pass both the model's edit and the MCE edit (inclusive)."""
    return max(row.age_min, row.mce_age_min), min(row.age_max, row.mce_age_max)


def _merged(ages: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join age ranges that touch: CMS lists ``age < 21`` and ``age >= 21`` for one category.

    >>> _merged([(21, 120), (0, 20)]), _merged([(0, 1), (18, 120)])
    ([(0, 120)], [(0, 1), (18, 120)])
    """
    joined: list[tuple[int, int]] = []
    for low, high in sorted(r for r in ages if r[0] <= r[1]):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return joined


def _prices(
    model: RiskModel, segments: tuple[str, ...], names: dict[int, str], n: int
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Return coefficients in thousandths and where one is published, shape (n, n_segments)."""
    worth = np.zeros((n, len(segments)), dtype=np.int32)
    priced = np.zeros((n, len(segments)), dtype=np.bool_)
    for i, name in names.items():
        for s, segment in enumerate(segments):
            if (value := model.coefficients.get((segment, name))) is not None:
                worth[i, s], priced[i, s] = value, True
    return worth, priced


def _cells(model: RiskModel) -> list[tuple[str, tuple[str, ...], list[Cell]]]:
    """Group the demographic rows: a variable, the segments of the same rows, and these rows.

    Several rows of one variable in a segment are alternatives; another segment may have others.
    """
    rows: dict[tuple[str, str], list[Cell]] = defaultdict(list)
    for cell in model.cells:
        for segment in cell.segments:
            rows[cell.variable, segment].append(cell)
    alike: dict[tuple[str, tuple[int, ...]], list[str]] = defaultdict(list)
    for (variable, segment), cells in rows.items():
        alike[variable, tuple(map(id, cells))].append(segment)
    return [(v, tuple(segs), rows[v, segs[0]]) for (v, _), segs in alike.items()]


def _holding(cells: Sequence[Cell], facts: Facts) -> NDArray[np.bool_]:
    """Say for which profiles any of some rows holds."""
    held = [in_range(facts, c.age_min, c.age_max, c.sex) & holds(c.when, facts) for c in cells]
    return np.asarray(np.logical_or.reduce(held), dtype=np.bool_)


def _has_cell(model: RiskModel, facts: Facts, segments: tuple[str, ...]) -> NDArray[np.bool_]:
    """Say where a profile has a cell bounded by sex and age that the segment prices.

    A segment that prices no ages at all (a transplant month is one price for everybody) has what
    it needs.
    """
    by_age = [c for c in model.cells if (c.age_min, c.age_max) != (0, AGE_LIMIT) and c.sex]
    has = np.zeros((len(facts["age"]), len(segments)), dtype=np.bool_)
    has[:, [i for i, s in enumerate(segments) if not any(s in c.segments for c in by_age)]] = True
    for cell in by_age:
        row = in_range(facts, cell.age_min, cell.age_max, cell.sex) & holds(cell.when, facts)
        for segment in cell.segments:
            has[:, segments.index(segment)] |= row
    return has


def _segment_of(model: RiskModel, facts: Facts) -> NDArray[np.int8]:
    """Give every profile the first segment whose guard holds, or -1."""
    chosen = np.full(len(facts["age"]), -1, dtype=np.int8)
    for i, segment in enumerate(model.segments):
        chosen[(chosen < 0) & holds(segment.when, facts)] = i
    return chosen


def _divisors(model: RiskModel, segments: tuple[str, ...]) -> NDArray[np.int32]:
    found = np.full(len(segments), 1000, dtype=np.int32)
    for divisor in model.divisors:
        found[segments.index(divisor.segment)] = divisor.thousandths
    return found


def _check_every_profile(book: Rulebook, facts: Facts) -> None:
    """Refuse a model that leaves out a kind of member; an ESRD model has no others than ESRD."""
    homeless = book.segment_of < 0
    if "esrd" in facts and homeless[~facts["esrd"]].all():
        homeless = homeless & facts["esrd"]
    if n := int(homeless.sum()):
        raise ModelFolderError(f"{book.model.key}: {n} kinds of members have no segment")
    own = book.has_cell[np.arange(len(homeless)), book.segment_of] | (book.segment_of < 0)
    if missing := int((~own).sum()):
        raise ModelFolderError(
            f"{book.model.key}: {missing} kinds of members have no cell in their own segment"
        )
