"""The lines of the bridge add up, and a plain twin finds the same ones."""

from collections import Counter
from dataclasses import replace
from fractions import Fraction

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from riskadj.analysis.bridge import Bridge, Population, score_bridge
from riskadj.catalog import resolve_model
from riskadj.errors import InputError
from riskadj.scoring.plan import Options
from tests.analysis.twin import tell
from tests.people import random_members, tables
from tests.plain import Member

V24, V28, ESRD = "cms-hcc-v24/2025", "cms-hcc-v28/2026", "esrd-v24/2026"


def year(key: str, members: list[Member], first_id: int = 0) -> Population:
    """A year whose members have the ids from ``first_id`` on."""
    found = []
    for table in tables(members):
        ids = pc.add(table["member_id"], first_id)
        found.append(table.set_column(0, "member_id", ids))
    return Population(key, *found)


def lines_of(bridge: Bridge) -> dict[str, int]:
    return {line.name: line.points for line in bridge.lines}


def assert_adds_up(b: Bridge) -> None:
    assert b.first.mean + sum(line.mean for line in b.lines) == b.second.mean
    steps = [n for n in b.lines if n.name not in ("leavers", "joiners")]
    assert sum(n.points for n in steps) == b.stayers_second - b.stayers_first
    assert sum(n.mean for n in steps) == Fraction(
        b.stayers_second - b.stayers_first, 1000 * b.stayers
    )
    lines = lines_of(b)
    assert lines["conditions_lost"] == sum(c.lost.points for c in b.conditions)
    assert lines["conditions_new"] == sum(c.new.points for c in b.conditions)
    assert b.kept == tuple(sum(c.kept[i] for c in b.conditions) for i in (0, 1))
    rows = {(r.level, r.key, r.part): r.points for r in b.rows()}
    assert rows["year", "first", "score"] == lines["leavers"] + rows["stayers", "first", "score"]
    assert rows["year", "second", "score"] == lines["joiners"] + rows["stayers", "second", "score"]


def test_a_population_of_three_by_hand() -> None:
    """The stayer is 69, then 70 and a full dual; the first leaves, the last joins.

    Year 1, V24, community non-dual aged: 323 + HCC18 302 + HCC108 288 + HCC12 150 = 1063.
    The same in V28: 330 + HCC37 166 + HCC23 186 = 682; at 70: 395 + 166 + 186 = 747;
    as a full dual: 506 + 186 + 196 = 888. HCC23 (196) is lost, HCC226 (406) is new, HCC37 (186) is
    kept, and diabetes with heart failure adds 183: 1281 in year 2.
    The leaver: man of 70, V24: 394. The joiner: man of 75, V28: 502.
    """
    leaver, joiner = Member(70, "M", 0), Member(75, "M", 0)
    before = Member(69, "F", 0, diagnoses=("E11.21", "I73.9", "C61"))
    after = Member(70, "F", 0, dual="02", diagnoses=("E11.21", "I50.9"))

    bridge = score_bridge(year(V24, [leaver, before]), year(V28, [after, joiner], first_id=1))

    assert (bridge.first.mean, bridge.second.mean) == (Fraction("0.7285"), Fraction("0.8915"))
    assert (bridge.stayers, bridge.stayers_first, bridge.stayers_second) == (1, 1063, 1281)
    assert [tuple(line) for line in bridge.lines] == [
        ("leavers", 1, 394, Fraction("0.3345")),
        ("model_change", 1, -381, Fraction("-0.381")),
        ("ageing", 1, 65, Fraction("0.065")),
        ("status_change", 1, 141, Fraction("0.141")),
        ("conditions_lost", 1, -196, Fraction("-0.196")),
        ("conditions_new", 1, 406, Fraction("0.406")),
        ("conditions_kept", 1, 0, 0),
        ("interactions_and_counts", 1, 183, Fraction("0.183")),
        ("joiners", 1, 502, Fraction("-0.3895")),
    ]
    assert {c.condition: (c.lost, c.new, c.kept) for c in bridge.conditions} == {
        "HCC23": ((1, -196), (0, 0), (0, 0)), "HCC226": ((0, 0), (1, 406), (0, 0)),
        "HCC37": ((0, 0), (0, 0), (1, 186)),
    }  # fmt: skip
    assert bridge.kept == (1, 186)
    assert bridge.change == Fraction("0.163")
    assert_adds_up(bridge)


def steps_of(one: Member, two: Member, a: str, b: str) -> tuple[dict[str, int], set, set]:
    """A stayer's steps, and the second model's conditions by the old codes and by the new."""
    first, second = resolve_model(a), resolve_model(b)
    kept_codes = replace(two, diagnoses=one.diagnoses)
    told = [tell(m, second, second) for m in (one, replace(one, age=two.age), kept_codes, two)]
    old, new = told[2], told[3]
    assert old.segment == new.segment
    scores = [tell(one, first, first).score, *(t.score for t in told)]
    return {
        "model_change": scores[1] - scores[0], "ageing": scores[2] - scores[1],
        "status_change": scores[3] - scores[2],
        "conditions_lost": -sum(old.live[c] for c in old.live.keys() - new.live.keys()),
        "conditions_new": sum(new.live[c] for c in new.live.keys() - old.live.keys()),
        "conditions_kept": 0,
        **{p: new.parts[p] - old.parts[p] for p in ("interactions_and_counts", "divisor")},
    }, set(old.live), set(new.live)  # fmt: skip


@pytest.mark.parametrize(("a", "b"), [(V24, V28), (V28, V28), (ESRD, ESRD)])
def test_the_twin_finds_the_same_lines_and_conditions(a: str, b: str) -> None:
    """Every other stayer keeps half of the codes; the first 30 leave, the last 30 join."""
    one = random_members(180, 21, resolve_model(a))
    two = random_members(180, 22, resolve_model(b))
    for i in range(0, 150, 2):
        codes = one[i + 30].diagnoses[::2] + two[i].diagnoses[:2]
        two[i] = replace(two[i], diagnoses=codes)

    bridge = score_bridge(year(a, one), year(b, two, first_id=30))

    steps, moves = [], Counter()
    for x, y in zip(one[30:], two[:150], strict=True):
        moved, old, new = steps_of(x, y, a, b)
        steps.append(moved)
        for kind, held in (("lost", old - new), ("new", new - old), ("kept", old & new)):
            moves.update((c, kind) for c in held)
    assert_adds_up(bridge)
    assert bridge.stayers == 150
    for line in bridge.lines:
        if line.name not in ("leavers", "joiners"):
            of = [s[line.name] for s in steps]
            assert line.points == sum(of), line.name
            if line.name != "conditions_kept":
                assert line.members == sum(p != 0 for p in of), line.name
    assert {(c.condition, kind): getattr(c, kind).members for c in bridge.conditions
            for kind in ("lost", "new", "kept") if getattr(c, kind).members} == moves  # fmt: skip
    lines = lines_of(bridge)
    assert lines["leavers"] == sum(
        tell(m, resolve_model(a), resolve_model(a)).score for m in one[:30]
    )
    assert lines["joiners"] == sum(
        tell(m, resolve_model(b), resolve_model(b)).score for m in two[150:]
    )


def test_the_same_year_twice_changes_nothing_and_keeps_every_condition() -> None:
    members = random_members(200, 5, resolve_model(V28))

    bridge = score_bridge(year(V28, members), year(V28, members))

    assert bridge.change == 0
    assert all(line.points == line.mean == 0 for line in bridge.lines)
    assert all(c.lost == c.new == (0, 0) for c in bridge.conditions)
    live = [tell(m, resolve_model(V28), resolve_model(V28)).live for m in members]
    assert bridge.kept == (sum(map(len, live)), sum(sum(of.values()) for of in live))


def people(**columns) -> pa.Table:
    n = len(columns["member_id"])
    return pa.table({"sex": ["F"] * n, "original_reason_entitlement_code": [0] * n, **columns})


NO_CODES = pa.table({"member_id": pa.array([], pa.string()),
                     "diagnosis_code": pa.array([], pa.string())})  # fmt: skip


def test_ageing_is_ageing_also_where_birth_dates_are_given() -> None:
    """69 on 1 February 2025 and 70 on that of 2026; V28 women: 330, then 395."""
    born = people(member_id=["a"], birth_date=["1955-06-01"])

    bridge = score_bridge(Population("cms-hcc-v28/2025", born, NO_CODES),
                          Population("cms-hcc-v28/2026", born, NO_CODES))  # fmt: skip

    lines = lines_of(bridge)
    assert (lines["model_change"], lines["ageing"]) == (0, 65)
    assert bridge.stayers_first == 330


def test_each_year_counts_the_diagnoses_of_its_own_year() -> None:
    """HCC37 166 in both years, HCC226 360 and the interaction 112 in the second."""
    who = people(member_id=["a"], age=[70])
    codes = pa.table({
        "member_id": ["a"] * 3, "diagnosis_code": ["E11.21", "E11.21", "I50.9"],
        "thru_date": ["2024-05-01", "2025-05-01", "2025-06-01"],
    })  # fmt: skip

    bridge = score_bridge(Population("cms-hcc-v28/2025", who, codes),
                          Population("cms-hcc-v28/2026", who, codes))  # fmt: skip

    assert (bridge.stayers_first, bridge.stayers_second) == (395 + 166, 395 + 166 + 360 + 112)
    assert bridge.kept == (1, 166)
    assert lines_of(bridge)["conditions_new"] == 360


def test_text_ids_join_and_ids_of_two_kinds_are_refused() -> None:
    text = Population(V28, people(member_id=["a", "b"], age=[70, 70]), NO_CODES)
    other = Population(V28, people(member_id=["b", "c"], age=[75, 75]), NO_CODES)
    numbers = Population(V28, people(member_id=[1, 2], age=[70, 70]), NO_CODES)

    assert score_bridge(text, other).stayers == 1
    assert lines_of(score_bridge(text, other))["ageing"] == 465 - 395
    with pytest.raises(InputError, match="text in one year and whole numbers in the other"):
        score_bridge(text, numbers)


def test_without_a_stayer_there_is_no_bridge() -> None:
    one = Population(V28, people(member_id=["a"], age=[70]), NO_CODES)
    two = Population(V28, people(member_id=["b"], age=[70]), NO_CODES)

    with pytest.raises(InputError, match="no member is in both years"):
        score_bridge(one, two)


def test_a_member_set_aside_counts_as_absent_and_is_said() -> None:
    one = year(V28, [Member(70, "F", 0), Member(70, "M", 0)])
    two = year(V28, [Member(71, "F", 0), Member(71, "M", 0, esrd="dialysis")])

    with pytest.raises(InputError, match=r"^second year: members: of 2 rows"):
        score_bridge(one, two)
    bridge = score_bridge(one, two, Options("quarantine"))

    assert (bridge.stayers, lines_of(bridge)["leavers"]) == (1, 396)
    assert "second year: 1 members set aside count as absent" in bridge.notes
    assert_adds_up(bridge)


def test_a_status_that_the_second_model_has_no_segment_for_is_refused() -> None:
    """From CMS-HCC to an ESRD model there is no way through the first year's status."""
    one = year(V28, [Member(70, "F", 0), Member(70, "M", 0)])
    two = year(ESRD, [Member(71, "F", 0, esrd="dialysis"), Member(71, "M", 2, esrd="dialysis")])

    with pytest.raises(InputError, match="2 members of both years had a status in the first"):
        score_bridge(one, two)
