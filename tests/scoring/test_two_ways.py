"""Bulk, one member, one SELECT and a plain twin give the same number."""

import duckdb
import pyarrow as pa
import pytest

from riskadj.scoring.person import PersonScorer
from riskadj.scoring.scorer import Scorer
from riskadj.scoring.sql import model_sql
from tests.conftest import KEYS
from tests.people import profile, random_members, tables
from tests.plain import Member, plain_score

Result = tuple[str, int, tuple[str, ...]]


def by_person(members: list[Member], scorer: PersonScorer) -> list[Result]:
    found = (scorer.score(profile(m, scorer.book), m.diagnoses) for m in members)
    return [(s.segment, round(s.raw_score * 1000), s.conditions) for s in found]


def by_twin(members: list[Member], scorer: PersonScorer) -> list[Result]:
    found = (plain_score(m, scorer.book.model) for m in members)
    return [(segment, int(score * 1000), tuple(live)) for segment, score, live in found]


def by_rows(table: pa.Table) -> list[Result]:
    rows = table.sort_by("member_id").to_pylist()
    return [(r["segment"], round(r["raw_score"] * 1000), tuple(r["conditions"])) for r in rows]


@pytest.mark.parametrize("key", KEYS)
def test_bulk_person_and_twin_agree(key: str, scorers: dict[str, PersonScorer]) -> None:
    scorer = scorers[key]
    members = random_members(600, 1, scorer.book.model)

    bulk = by_rows(Scorer(scorer.book.model).score(*tables(members)).table)

    assert bulk == by_person(members, scorer)
    assert bulk == by_twin(members, scorer)


@pytest.mark.parametrize("key", ["cms-hcc-v24/2020", "cms-hcc-v24/2025", "cms-hcc-v28/2026"])
def test_one_select_equals_the_engine_on_ten_thousand_members(
    key: str, scorers: dict[str, PersonScorer]
) -> None:
    model = scorers[key].book.model
    people, diagnoses = tables(random_members(10_000, 2, model))
    connection = duckdb.connect()
    connection.register("members", people)
    connection.register("diagnoses", diagnoses)

    selected = connection.sql(model_sql(model)).to_arrow_table()

    assert by_rows(selected) == by_rows(Scorer(model).score(people, diagnoses).table)


@pytest.mark.parametrize("key", ["cms-hcc-v24/2023", "cms-hcc-v28/2026"])
def test_every_score_is_the_sum_of_its_factors(key: str, scorers: dict[str, PersonScorer]) -> None:
    model = scorers[key].book.model
    scores = Scorer(model).score(*tables(random_members(500, 3, model)), all_segments=True)

    factors = scores.factors()
    summed = factors.group_by(["member_id", "segment"]).aggregate([("coefficient", "sum")])

    wanted = {(r["member_id"], r["segment"]): r["raw_score"] for r in scores.table.to_pylist()}
    found = {(r["member_id"], r["segment"]): r["coefficient_sum"] for r in summed.to_pylist()}
    assert len(wanted) == 9 * 500
    assert {k: round(v * 1000) for k, v in wanted.items()} == {
        k: round(found.get(k, 0) * 1000) for k in wanted
    }
