"""Known defects of the peers as alterations of our side.

Each alteration has an id that ``known_defects.toml`` gives a peer, models, a reason and a source.
It says for which members it can matter, and changes one rule of our model or one fact of the
member. The proof of a defect is that ours, so altered, is theirs exactly.
"""

import fnmatch
import re
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from itertools import combinations, product
from pathlib import Path
from typing import NamedTuple

from riskadj.catalog import list_models, resolve_model
from riskadj.features.rulebook import Rulebook
from riskadj.model import AGE_LIMIT, Cell, CodeRow, RiskModel, Rule
from riskadj.scoring.person import PersonScorer
from riskadj.tables import DUAL, ESRD, ESRD_STAGES, MONTHS_SINCE_TRANSPLANT, EsrdStage
from tests.parity.members import Member
from tests.parity.peers import TABLES, Answer, Peer
from tests.parity.segments import MEDICAID

HERE = Path(__file__).parent
Rows = tuple[CodeRow, ...]


class Defect(NamedTuple):
    """One entry of ``known_defects.toml``.

    Attributes
    ----------
    codes
        For a code map: how many codes differ, by model.
    wrong
        ``peer``, or ``undecided`` where two texts of CMS contradict each other or none was seen.
    """

    id: str
    peer: str
    models: tuple[str, ...]
    alteration: str
    reason: str
    source: str
    codes: dict[str, int]
    wrong: str


class Case(NamedTuple):
    """A member, our segment, the categories the peer sees before any rule, and both sides."""

    member: Member
    segment: str
    categories: frozenset[str]
    model: RiskModel
    peer: Peer


class Alteration(NamedTuple):
    """What a defect changes on our side; read in the order of ``ALTERATIONS``.

    Attributes
    ----------
    matters
        Whether the defect can touch this member: the precise condition of the list's reason.
    rules
        Changes the model, or None.
    facts
        Changes the member; several results when the peer's own result is not determined.
    """

    matters: Callable[[Case], bool]
    rules: Callable[[RiskModel, Peer], RiskModel] | None = None
    facts: Callable[[Case], list[Member]] | None = None


def read_defects() -> tuple[Defect, ...]:
    """Read the written list; a name such as ``cms-hcc-v22/*`` is every year the peer is asked."""
    rows = tomllib.loads((HERE / "known_defects.toml").read_text(encoding="utf-8"))["defect"]
    return tuple(
        Defect(**{"codes": {}, "wrong": "peer", **row, "models": _keys(row["peer"], row["models"])})
        for row in rows
    )


def _keys(peer: str, patterns: list[str]) -> tuple[str, ...]:
    return tuple(key for p in patterns for key in (fnmatch.filter(TABLES[peer], p) or [p]))


def altered(model: RiskModel, **changes: object) -> RiskModel:
    """Return a model with some of its tables replaced."""
    return RiskModel(**{**{n: getattr(model, n) for n in model.__slots__}, **changes})


# ------------------------------------------------------------------ which categories a member has


@cache
def rows_of(key: str) -> dict[str, list[CodeRow]]:
    """Return a published model's code rows by code."""
    rows: dict[str, list[CodeRow]] = {}
    for row in resolve_model(key).code_map:
        rows.setdefault(row.code, []).append(row)
    return rows


def in_ages(row: CodeRow, member: Member) -> bool:
    """Whether the row's own (mandatory) age and sex conditions hold."""
    return row.age_min <= member.age <= row.age_max and row.sex in ("", member.sex)


def in_mce_ages(row: CodeRow, member: Member) -> bool:
    """Whether the row's MCE ages hold."""
    return row.mce_age_min <= member.age <= row.mce_age_max


# ------------------------------------------------------------------------- the code map of a peer


@cache
def map_differences(key: str, peer: Peer) -> dict[str, Rows]:
    """Return the codes that a peer's map lacks, adds or sends elsewhere, with the peer's rows."""
    ours, never, found = rows_of(key), never_counting(resolve_model(key)), {}
    for code in ours.keys() | peer.pairs.keys():
        mine = {r.category for r in ours.get(code, ())} - never
        theirs = peer.pairs.get(code, frozenset()) - never
        edited = any(r[2:5] != (0, AGE_LIMIT, "") for r in ours.get(code, ()))
        if (mine and not theirs) or theirs - mine or (mine - theirs and not edited):
            found[code] = _peer_rows(key, code, theirs)
    return found


def never_counting(model: RiskModel) -> frozenset[str]:
    """Return the categories that a model's rules always drop: whether a map has them is nothing."""
    return frozenset(r.target for r in model.rules if r.kind == "drop")


def _peer_rows(key: str, code: str, categories: frozenset[str]) -> Rows:
    """Return rows of a code in a peer's map, with the conditions CMS gives it in another year."""
    family = key.rpartition("/")[0]
    for other in sorted((e.key for e in list_models() if e.key.startswith(family)), reverse=True):
        rows = tuple(r for r in rows_of(other).get(code, ()))
        if categories <= {r.category for r in rows}:
            return rows if categories else ()
    return tuple(CodeRow(code, c, 0, AGE_LIMIT, "", 0, AGE_LIMIT, False) for c in categories)


def _peer_map(model: RiskModel, peer: Peer) -> RiskModel:
    changed = map_differences(model.key.partition(" ")[0], peer)
    kept = tuple(r for r in model.code_map if r.code not in changed)
    return altered(model, code_map=kept + tuple(r for rows in changed.values() for r in rows))


def _rows(case: Case, code: str) -> tuple[CodeRow, ...]:
    """Return a code's rows: the peer's where its map differs and has the code, else ours."""
    theirs = map_differences(case.model.key, case.peer).get(code)
    return theirs or tuple(rows_of(case.model.key).get(code, ()))


def categories_seen(model: RiskModel, peer: Peer, member: Member) -> frozenset[str]:
    """Return the categories by the peer's map, before MCE ages, rules and hierarchies."""
    differing, known = map_differences(model.key, peer), rows_of(model.key)
    return frozenset(
        row.category
        for code in member.codes for row in differing.get(code, known.get(code, ()))
        if in_ages(row, member)
    )  # fmt: skip


# ------------------------------------------------------------------------------------- hierarchy


def _bottom_up(pairs: set[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Order pairs so that a parent acts before it can be dropped: no rule sees another's work."""
    depth: dict[str, int] = {}

    def below(category: str) -> int:
        if category not in depth:
            depth[category] = 1 + max((below(c) for p, c in pairs if p == category), default=0)
        return depth[category]

    return tuple(sorted(pairs, key=lambda pair: (below(pair[0]), pair)))


def _not_live(model: RiskModel, peer: Peer) -> RiskModel:
    return altered(model, hierarchy=_bottom_up(set(model.hierarchy)))


def _peer_hierarchy(model: RiskModel, peer: Peer) -> RiskModel:
    theirs = {(p, c) for p, children in peer.hierarchy.items() for c in children}
    return altered(model, hierarchy=tuple(pair for pair in model.hierarchy if pair in theirs))


def _lost_pair(case: Case) -> bool:
    return any(
        {p, c} <= case.categories and c not in case.peer.hierarchy.get(p, ())
        for p, c in case.model.hierarchy
    )


@cache
def broken_chains(key: str) -> tuple[frozenset[str], ...]:
    """Return the parents, children and grandchildren where the parent is not over the grandchild.

    Whether the child is dropped before it drops matters there and nowhere else.
    """
    pairs = set(resolve_model(key).hierarchy)
    return tuple(
        frozenset((a, b, c)) for a, b in pairs for d, c in pairs if b == d and (a, c) not in pairs
    )


def _broken_chain(case: Case) -> bool:
    return any(chain <= case.categories for chain in broken_chains(case.model.key))


def _dropped_count(model: RiskModel, peer: Peer) -> RiskModel:
    return altered(model, rules=tuple(r for r in model.rules if r.kind != "drop"))


# --------------------------------------------------------------------------------- the alterations


def _through_absent(model: RiskModel, peer: Peer) -> RiskModel:
    return altered(model, hierarchy=_bottom_up({*model.hierarchy, ("HCC62", "HCC202")}))


# ----------------------------------------------------------------------------- V28 heart patch

HEART = frozenset({"HCC221", "HCC222", "HCC224", "HCC225", "HCC226"})


def _assist_device_alone(case: Case) -> bool:
    return "HCC223" in case.categories and not case.categories & HEART


def _never_227(model: RiskModel, peer: Peer) -> RiskModel:
    return altered(model, rules=(*model.rules, Rule("requires_any", "HCC227", ())))


# --------------------------------------------------------------------------------- code conditions


def _excluded_by_mce(case: Case) -> bool:
    return any(
        in_ages(row, case.member) and not in_mce_ages(row, case.member)
        for code in case.member.codes for row in _rows(case, code)
    )  # fmt: skip


def _carries(*codes: str) -> Callable[[Case], bool]:
    return lambda case: not set(codes).isdisjoint(case.member.codes)


def _conditions_lost(*codes: str) -> Callable[[RiskModel, Peer], RiskModel]:
    """Drop the mandatory ages of some codes, keeping every category that an adult gets."""

    def rules(model: RiskModel, peer: Peer) -> RiskModel:
        return altered(model, code_map=tuple(
            r._replace(age_min=0, age_max=AGE_LIMIT) if r.code in codes else r
            for r in model.code_map if r.code not in codes or r.age_max == AGE_LIMIT
        ))  # fmt: skip

    return rules


def _alternatives_both(*codes: str) -> Callable[[RiskModel, Peer], RiskModel]:
    """Let every age alternative of some codes hold at once."""

    def rules(model: RiskModel, peer: Peer) -> RiskModel:
        return altered(model, code_map=tuple(
            r._replace(age_min=0, age_max=AGE_LIMIT) if r.code in codes else r
            for r in model.code_map
        ))  # fmt: skip

    return rules


def _half_edited(case: Case) -> list[str]:
    """Return the codes with two categories that an MCE age excludes."""
    return sorted(
        code for code in set(case.member.codes)
        if len({r.category for r in _rows(case, code)}) == 2
        and not any(in_mce_ages(r, case.member) for r in _rows(case, code))
    )  # fmt: skip


def _one_of_two_left(case: Case) -> list[Member]:
    """Return the member with each half-edited code replaced by a plain code of one category."""
    codes = _half_edited(case)
    others = tuple(c for c in case.member.codes if c not in codes)
    survivors = {
        tuple(sorted(set(choice)))
        for choice in product(*({r.category for r in _rows(case, c)} for c in codes))
    }
    return [
        case.member._replace(codes=others + tuple(_plain_code(case, c) for c in kept))
        for kept in sorted(survivors)
    ]


def _plain_code(case: Case, category: str) -> str:
    plain = [CodeRow("", category, 0, AGE_LIMIT, "", 0, AGE_LIMIT, False)[1:7]]
    differing = map_differences(case.model.key, case.peer)
    known = rows_of(case.model.key)
    return next(c for c, rows in known.items()
                if [r[1:7] for r in rows] == plain and c not in differing)  # fmt: skip


# ------------------------------------------------------------------------- members and segments


def _has(*categories: str) -> Callable[[Case], bool]:
    return lambda case: case.categories.issuperset(categories)


def _with(**facts: object) -> Callable[[Case], list[Member]]:
    return lambda case: [case.member._replace(**facts)]


def _unpriced_cells(segments: set[str], part: str) -> Callable[[RiskModel, Peer], RiskModel]:
    """Make some age and sex cells of some segments worth nothing."""

    def rules(model: RiskModel, peer: Peer) -> RiskModel:
        worth = {
            (segment, name): 0 if segment in segments and re.search(part, name) else value
            for (segment, name), value in model.coefficients.items()
        }
        return altered(model, coefficients=worth)

    return rules


def _without_terms(*names: str) -> Callable[[RiskModel, Peer], RiskModel]:
    return lambda model, peer: altered(
        model, terms=tuple(t for t in model.terms if t.name not in names)
    )


def _medicaid_by_age(cell: Cell) -> Cell:
    """Guard a Medicaid cell of ESRD V21 by age, not by disability."""
    if not cell.variable.startswith(("MCAID_Female", "MCAID_Male")):
        return cell
    older = "!DISABL" in cell.when
    return cell._replace(when="medicaid & age>=65" if older else "medicaid & age<65")


ULCERS = frozenset({"HCC157", "HCC158", "HCC159"})
EMPHYSEMA = ("J4481", "J4489")
INFLAMMATORY = ("C50A0", "C50A1", "C50A2")
NEW = {"NE", "SNPNE"}

ALTERATIONS: dict[str, Alteration] = {
    "code_map_of_peer": Alteration(
        lambda case: not map_differences(case.model.key, case.peer).keys().isdisjoint(
            case.member.codes
        ),
        _peer_map,
    ),
    "mce_edits_off": Alteration(_excluded_by_mce, lambda model, peer: model.without_mce_edits()),
    "hierarchy_pairs_lost": Alteration(_lost_pair, _peer_hierarchy),
    "hierarchy_not_live": Alteration(_broken_chain, _not_live),
    "dropped_categories_count": Alteration(
        lambda case: bool(case.categories & never_counting(case.model)), _dropped_count
    ),
    "medicaid_aged_by_age": Alteration(
        lambda case: case.member.age < 65 and case.member.orec == 0
        and case.member.dual in MEDICAID,
        lambda model, peer: altered(model, cells=tuple(map(_medicaid_by_age, model.cells))),
    ),
    "hierarchy_through_absent": Alteration(
        lambda case: _has("HCC62", "HCC202")(case) and "HCC63" not in case.categories,
        _through_absent,
    ),
    "heart_patch_absent": Alteration(
        _assist_device_alone, lambda model, peer: altered(model, rules=())
    ),
    "heart_patch_leaves_children": Alteration(
        lambda case: _assist_device_alone(case) and "HCC227" in case.categories, _never_227
    ),
    "copd_edit_lacks_two_codes": Alteration(
        lambda case: case.member.age < 18 and _carries(*EMPHYSEMA)(case),
        _conditions_lost(*EMPHYSEMA),
    ),
    "inflammatory_breast_cancer_both": Alteration(
        lambda case: case.member.age >= 50 and _carries(*INFLAMMATORY)(case),
        _alternatives_both(*INFLAMMATORY),
    ),
    "edit_drops_one_of_two": Alteration(lambda case: bool(_half_edited(case)), None,
                                        _one_of_two_left),
    "no_age_64_rule_for_all_cells": Alteration(
        lambda case: case.member.age == 64 and case.member.orec == 0,
        lambda model, peer: altered(model, facts=_facts_with(model, age_64_rule="ne_cells")),
    ),
    "no_age_64_rule_for_new_enrollees": Alteration(
        lambda case: case.member.age == 64 and case.member.orec == 0 and case.segment in NEW,
        None, _with(age=63),
    ),
    "both_entitlements_are_originally_disabled": Alteration(
        lambda case: case.member.orec == 3 and case.member.age >= 65, None, _with(orec=1)
    ),
    "institutional_terms_misnamed": Alteration(
        lambda case: case.segment == "INS" and bool(case.categories & ULCERS)
        and not case.categories.isdisjoint({"HCC114", "HCC188"}),
        _without_terms("ART_OPENINGS_PRESS_ULCER", "ASP_SPEC_B_PNEUM_PRES_ULC"),
    ),
    "institutional_originally_disabled_misnamed": Alteration(
        lambda case: case.segment == "INS" and case.member.orec == 1 and case.member.age >= 65,
        _unpriced_cells({"INS"}, "^ORIGDS$"),
    ),
    "institution_before_new_enrollee": Alteration(
        lambda case: case.member.lti and case.segment in NEW,
        _unpriced_cells({"INS"}, "^[FM][0-9]"), _with(new_enrollee=False),
    ),
    "esrd_new_enrollees_lack_cells": Alteration(
        lambda case: case.segment in NEW and case.member.orec in (2, 3)
        and 65 <= case.member.age <= 69,
        _unpriced_cells(NEW, "NE[FM]6[5-9]$"),
    ),
    "every_dual_code_is_medicaid": Alteration(
        lambda case: case.member.lti and case.member.dual in ("09", "10"), None, _with(dual="01")
    ),
}  # fmt: skip


def _facts_with(model: RiskModel, **changes: object) -> object:
    facts = model.facts
    return type(facts)(**{**{n: getattr(facts, n) for n in facts.__slots__}, **changes})


# ------------------------------------------------------------------------------- ours, and altered


@cache
def scorer(key: str, peer: Peer | None = None, names: tuple[str, ...] = ()) -> PersonScorer:
    """Compile a published model with some alterations' rules."""
    model = resolve_model(key)
    for name in names:
        model = ALTERATIONS[name].rules(model, peer)
    return PersonScorer(model)


def profile(member: Member, book: Rulebook) -> int:
    """Return the member's profile number."""
    return book.profiles.number({
        "age": member.age, "sex": "FM".index(member.sex), "orec": member.orec,
        "dual": DUAL.read(member.dual) if member.dual else DUAL.blank,
        "long_term_institutional": member.lti, "new_enrollee": member.new_enrollee,
        "chronic_snp": member.chronic_snp, "low_income": member.low_income,
        "esrd_stage": _stage(member),
    })  # fmt: skip


def _stage(member: Member) -> int:
    months = MONTHS_SINCE_TRANSPLANT.read(str(member.months)) if member.months else 0
    return ESRD_STAGES.index(EsrdStage(ESRD.read(member.esrd.upper()), months))


def ours(scored_by: PersonScorer, member: Member, segment: str | None = None) -> tuple[str, Answer]:
    """Return our segment and answer."""
    forced = None if segment is None else scored_by.book.segments.index(segment)
    found = scored_by.score(profile(member, scored_by.book), member.codes, forced)
    return found.segment, Answer(round(found.raw_score * 1000), frozenset(found.conditions))


def explain(case: Case, theirs: Answer, defects: tuple[Defect, ...]) -> tuple[Defect, ...] | None:
    """Find the fewest known defects with which ours is exactly theirs, or None."""
    touching = [d for d in defects if ALTERATIONS[d.alteration].matters(case)]
    for size in range(1, len(touching) + 1):
        for some in combinations(touching, size):
            if any(answer == theirs for answer in _counterfactuals(case, some)):
                return some
    return None


def _counterfactuals(case: Case, some: tuple[Defect, ...]) -> Iterator[Answer]:
    alterations = [ALTERATIONS[d.alteration] for d in some]
    touched = {d.alteration for d in some}
    names = tuple(n for n, a in ALTERATIONS.items() if n in touched and a.rules)
    scored_by = scorer(case.model.key, case.peer if names else None, names)
    segment = None if case.peer.picks_segment else case.segment
    for changes in product(*(a.facts(case) for a in alterations if a.facts)):
        member = case.member
        for changed in changes:
            pairs = zip(changed, case.member, member, strict=True)
            member = Member(*(new if new != old else now for new, old, now in pairs))
        yield ours(scored_by, member, segment)[1]
