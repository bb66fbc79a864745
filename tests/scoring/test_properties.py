"""What must not change a score: row order, duplicates, batches, spelling of codes."""

import random

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import riskadj.engine.duck as duck
import riskadj.scoring.raw as raw
from riskadj.catalog import resolve_model
from riskadj.scoring.person import score_member
from riskadj.scoring.scorer import Scorer
from riskadj.scoring.sql import model_sql
from tests.people import random_members, tables

MODEL = resolve_model("cms-hcc-v28/2026")
SELECT = model_sql(MODEL)
RUNS = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SPELLINGS = (
    lambda c: c, str.lower, lambda c: f"  {c} ", lambda c: f"{c[:3]}.{c[3:]}",
    lambda c: f" {c[:3].lower()}.{c[3:]}",
)  # fmt: skip


def scores(people: pa.Table, diagnoses: pa.Table) -> list[tuple]:
    table = Scorer(MODEL).score(people, diagnoses).table
    assert table["member_id"].to_pylist() == people["member_id"].to_pylist()
    rows = table.sort_by("member_id").to_pylist()
    return [(r["member_id"], r["segment"], r["raw_score"], r["conditions"]) for r in rows]


@RUNS
@given(seed=st.integers(0, 10**6))
def test_row_order_and_duplicates_change_nothing(seed: int) -> None:
    people, diagnoses = tables(random_members(60, seed, MODEL))
    rng = random.Random(seed)
    places = [*range(diagnoses.num_rows), *rng.choices(range(diagnoses.num_rows), k=50)]
    rng.shuffle(places)
    mixed = rng.sample(range(people.num_rows), people.num_rows)

    expected = scores(people, diagnoses)

    assert scores(people.take(mixed), diagnoses.take(places)) == expected


@RUNS
@given(seed=st.integers(0, 10**6))
def test_dots_case_and_blanks_change_nothing(seed: int) -> None:
    people, diagnoses = tables(random_members(60, seed, MODEL))
    rng = random.Random(seed)
    spelled = [rng.choice(SPELLINGS)(c) for c in diagnoses["diagnosis_code"].to_pylist()]

    respelled = diagnoses.set_column(1, "diagnosis_code", pa.array(spelled))

    assert scores(people, respelled) == scores(people, diagnoses)


@pytest.mark.parametrize("size", [1, 7, 100])
def test_batch_and_chunk_sizes_change_nothing(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    people, diagnoses = tables(random_members(150, 5, MODEL))
    expected = scores(people, diagnoses)

    monkeypatch.setattr(duck, "BATCH_ROWS", size)
    monkeypatch.setattr(raw, "CHUNK", size)

    assert scores(people, diagnoses) == expected


@settings(RUNS, max_examples=4)
@given(seed=st.integers(0, 10**6))
def test_bulk_one_member_and_the_select_agree(seed: int) -> None:
    members = random_members(80, seed, MODEL)
    people, diagnoses = tables(members)
    connection = duckdb.connect()
    connection.register("members", people)
    connection.register("diagnoses", diagnoses)

    bulk = scores(people, diagnoses)
    selected = connection.sql(SELECT).to_arrow_table().sort_by("member_id").to_pylist()

    assert bulk == [
        (r["member_id"], r["segment"], r["raw_score"], r["conditions"]) for r in selected
    ]
    for (_, segment, score, conditions), m in zip(bulk, members, strict=True):
        one = score_member(
            age=m.age, sex=m.sex, original_reason_entitlement_code=m.orec,
            diagnoses=m.diagnoses, model=MODEL.key, dual_status_code=m.dual,
            long_term_institutional=m.lti, new_enrollee=m.ne, chronic_snp=m.snp,
        )  # fmt: skip
        assert (one.segment, one.raw_score, list(one.conditions)) == (segment, score, conditions)


@RUNS
@given(n=st.integers(1, 300), seed=st.integers(0, 10**6))
def test_members_out_are_members_in(n: int, seed: int) -> None:
    people, diagnoses = tables(random_members(n, seed, MODEL))

    found = Scorer(MODEL).score(people, diagnoses)

    assert found.table["member_id"].to_pylist() == people["member_id"].to_pylist()
    quality = found.quality
    assert quality.diagnoses == diagnoses.num_rows
    assert quality.diagnoses_mapped + sum(quality.diagnoses_set_aside.values()) == quality.diagnoses


def test_a_worse_diagnosis_never_lowers_a_score() -> None:
    # monotone within one hierarchy family: diabetes 38 -> 37 -> 36 -> 35
    codes = ["E119", "E1121", "E1100", "Z9483"]
    people = pa.table({"member_id": range(4), "age": [70] * 4, "sex": ["F"] * 4, "orec": [0] * 4})

    table = Scorer(MODEL).score(people, pa.table({"member_id": range(4), "dx": codes})).table

    assert table["raw_score"].to_pylist() == sorted(table["raw_score"].to_pylist())
