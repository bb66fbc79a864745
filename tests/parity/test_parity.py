"""Ours against four peers, member by member: every difference must be a written, proven defect."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from riskadj.catalog import resolve_model
from tests.parity.defects import (
    ALTERATIONS,
    Case,
    Defect,
    categories_seen,
    explain,
    map_differences,
    ours,
    read_defects,
    scorer,
)
from tests.parity.members import Member, draw_members
from tests.parity.peers import TABLES, load_peer, why_absent

FULL, MANY, SLICE, LEAST = 3000, 2200, 200, 2000
PAIRS = [(peer, model) for peer, models in TABLES.items() for model in models]
MANY_PAIRS = [p for p in PAIRS if not p[1].startswith(("cms-hcc-v24", "cms-hcc-v28"))]
SLICE_PAIRS = [p for p in PAIRS if p[1] in ("cms-hcc-v24/2022", "cms-hcc-v28/2026")]
DEFECTS = read_defects()
UNDECIDED = {
    "cms-hcc-v28/2026": "HCC62, HCC63 and HCC202", "esrd-v21/2026": "those of E2118P1M (2018)",
    "rxhcc-v08-t/2026": "RXHCC84 and RXHCC317", "rxhcc-v08-x/2026": "RXHCC84 and RXHCC317",
}  # fmt: skip
"""Models with a rule on which no text of CMS decides, and what their own caveats say of it."""


class Comparison(NamedTuple):
    """What one peer and one model gave.

    Attributes
    ----------
    refused
        Members the peer cannot be asked about, by reason.
    fired
        Disagreements by the entries that explain them.
    unexplained
        The rest: the case, ours and theirs.
    """

    compared: int
    agreed: int
    refused: Counter[str]
    fired: Counter[str]
    unexplained: list[str]


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wheels")


def skip_without(peer: str) -> None:
    if reason := why_absent(peer):
        pytest.skip(reason)


def compare(peer_name: str, key: str, number: int, folder: Path) -> Comparison:
    skip_without(peer_name)
    peer, model = load_peer(peer_name, key, folder), resolve_model(key)
    asked, refused = [], Counter()
    for member in draw_members(model, number, "parity"):
        segment, mine = ours(scorer(key), member)
        if reason := peer.refuses(member, segment):
            refused[reason] += 1
        else:
            asked.append((member, segment, mine))
    theirs = peer.score([m for m, _, _ in asked], [s for _, s, _ in asked])
    defects = defects_of(peer_name, key)
    fired, unexplained = Counter(), []
    for (member, segment, mine), their in zip(asked, theirs, strict=True):
        if mine != their:
            case = Case(member, segment, categories_seen(model, peer, member), model, peer)
            some = explain(case, their, defects)
            fired.update(d.id for d in some or ())
            if some is None:
                unexplained.append(f"{segment} {member}: ours {mine}, theirs {their}")
    differ = sum(m != t for (_, _, m), t in zip(asked, theirs, strict=True))
    return Comparison(len(asked), len(asked) - differ, refused, fired, unexplained)


def defects_of(peer: str, key: str) -> tuple[Defect, ...]:
    return tuple(d for d in DEFECTS if d.peer == peer and key in d.models)


@pytest.mark.parametrize(("peer", "key"), SLICE_PAIRS)
def test_a_slice_differs_only_by_known_defects(peer, key, unpacked):
    found = compare(peer, key, SLICE, unpacked)

    assert found.unexplained == []
    assert found.compared + found.refused.total() == SLICE


@pytest.mark.parametrize(("peer", "key"), MANY_PAIRS)
def test_two_thousand_members_differ_only_by_known_defects(peer, key, unpacked):
    found = compare(peer, key, MANY, unpacked)

    assert_all_explained(found, peer, key, MANY)


@pytest.mark.slow
@pytest.mark.parametrize(("peer", "key"), PAIRS)
def test_every_difference_is_a_known_defect_and_every_known_defect_is_seen(peer, key, unpacked):
    found = compare(peer, key, FULL, unpacked)

    assert_all_explained(found, peer, key, FULL)


def assert_all_explained(found: Comparison, peer: str, key: str, number: int) -> None:
    assert found.unexplained == []
    assert found.compared >= LEAST
    assert found.compared + found.refused.total() == number
    assert sorted(found.fired) == sorted(d.id for d in defects_of(peer, key))


@pytest.mark.parametrize(("peer", "key"), PAIRS)
def test_code_maps_differ_where_the_list_says_and_by_as_many_codes(peer, key, unpacked):
    skip_without(peer)
    listed = {(d.peer, k): n for d in DEFECTS for k, n in d.codes.items()}

    differing = map_differences(key, load_peer(peer, key, unpacked))

    assert len(differing) == listed.get((peer, key), 0)


def test_every_entry_is_reasoned_and_names_a_counterfactual():
    for defect in DEFECTS:
        assert defect.alteration in ALTERATIONS, defect.id
        assert defect.reason, defect.id
        assert defect.source, defect.id
        assert {(defect.peer, m) for m in defect.models} <= set(PAIRS), defect.id
    assert {d.alteration for d in DEFECTS} == set(ALTERATIONS)
    assert len({d.id for d in DEFECTS}) == len(DEFECTS)


def test_what_is_undecided_is_said_of_the_model():
    undecided = [d for d in DEFECTS if d.wrong == "undecided"]

    assert {d.wrong for d in DEFECTS} <= {"peer", "undecided"}
    assert {d.alteration for d in undecided} == {"hierarchy_not_live", "dropped_categories_count"}
    assert {key for d in undecided for key in d.models} == set(UNDECIDED)
    for key, said in UNDECIDED.items():
        assert any(said in caveat for caveat in resolve_model(key).facts.caveats), key


def test_the_same_seed_draws_the_same_members():
    model = resolve_model("cms-hcc-v28/2026")

    once, again = draw_members(model, 20, "seed"), draw_members(model, 20, "seed")

    assert once == again
    assert once != draw_members(model, 20, "another seed")
    assert all(isinstance(m, Member) for m in once)
