"""Invented populations: the same bytes, the moments they were tuned to, and a truth that holds."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from riskadj import load_model
from riskadj.catalog import resolve_model
from riskadj.errors import OptionError
from riskadj.sources.conditions import UNMAPPED, read_conditions
from riskadj.sources.illness import keep_most_severe
from riskadj.sources.people import YEARS, People
from riskadj.sources.preset import list_presets, load_preset
from riskadj.sources.synthetic import (
    _chunks,
    draw_population,
    population_files,
    write_population,
)
from riskadj.sources.truth import full_year_mean
from riskadj.tables import DUAL_CODES, FULL_DUAL, PARTIAL_DUAL

MODEL = resolve_model("cms-hcc-v28/2026")
MEMBERS, SEED, FIRST = 60_000, 11, 2023
TOLERANCE = {"oracle_r2": 0.25, "top_1_share": 0.12, "p99_usd": 0.12}
"""Relative, of the moments that a few costly members decide; 60,000 members spread that much."""
NEAR = 0.07
Z = 4.0
COLUMNS = ["member_id", "age", "sex", "original_reason_entitlement_code", "dual_status_code",
           "long_term_institutional", "new_enrollee", "chronic_snp", "race_ethnicity",
           "svi_decile", "state"]  # fmt: skip


def quiet(what, done):
    """Show no progress."""


def write(out, preset="medicare", n=MEMBERS, seed=SEED):
    return write_population(out, n, seed, preset, MODEL, FIRST, quiet)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("population")
    write(out)
    return out


@pytest.fixture(scope="module")
def tables(folder):
    return {name: pq.read_table(folder / name) for name in population_files(FIRST)}


@pytest.fixture(scope="module")
def years(tables):
    """Cost, truth and status of all member-years, joined: a dict of arrays."""
    status = {}
    for year in range(FIRST, FIRST + YEARS):
        members = tables[f"members-{year}.parquet"]
        of_year = members.append_column("year", [np.full(len(members), year, np.int16)])
        status[year] = of_year
    keys = ["member_id", "year"]
    joined = tables["costs.parquet"].join(tables["truth.parquet"], keys)
    joined = joined.join(pa.concat_tables(status.values()), keys)
    return {name: joined[name].to_numpy() for name in joined.column_names}


@pytest.fixture(scope="module")
def drawn():
    """The first chunk as arrays: conditions table, people, years."""
    preset = load_preset("medicare")
    conditions = read_conditions(preset, MODEL)
    (people, of_years), *_ = _chunks(preset, conditions, MEMBERS, SEED, FIRST)
    return conditions, people, of_years


def test_same_arguments_give_the_same_bytes(tmp_path) -> None:
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        write(tmp_path / name, n=3000, seed=seed)

    for name in (*population_files(FIRST), "population.json"):
        first, again, other = ((tmp_path / f / name).read_bytes() for f in "abc")
        assert first == again
        assert first != other


@pytest.mark.parametrize("preset", list_presets())
def test_moments_are_near_their_targets(preset, folder, tmp_path) -> None:
    path = folder / "population.json" if preset == "medicare" else write(tmp_path, preset)
    head = json.loads(path.read_text())

    for target in head["targets"]:
        name, achieved = target["moment"], head["achieved"][target["moment"]]
        assert achieved == pytest.approx(target["value"], rel=TOLERANCE.get(name, NEAR)), name


@pytest.mark.parametrize("preset", list_presets())
def test_every_target_names_its_source(preset) -> None:
    assert all(target.source for target in load_preset(preset).targets)


def groups(years):
    dual = years["dual_status_code"]
    return {
        "all": np.full(len(dual), True),
        **{str(y): years["year"] == y for y in range(FIRST, FIRST + YEARS)},
        "full dual": np.isin(dual, DUAL_CODES[FULL_DUAL]),
        "partial dual": np.isin(dual, DUAL_CODES[PARTIAL_DUAL]),
        "under 65": years["age"] < 65,
        "85 and older": years["age"] >= 85,
        "institutional": years["long_term_institutional"],
        "new": years["new_enrollee"],
        "under-coded": years["svi_decile"] >= 9,
        "black": years["race_ethnicity"] == "black",
        "partial year": years["months"] < 12,
        "costly": years["mean_cents"] > np.quantile(years["mean_cents"], 0.9),
        "cheap": years["mean_cents"] < np.quantile(years["mean_cents"], 0.1),
    }


def test_paid_is_what_the_truth_expects_in_every_group(years) -> None:
    expected = years["mean_cents"] * years["months"] / 12
    off = years["paid_cents"] - expected

    for name, who in groups(years).items():
        assert who.sum() > 300, name
        z = off[who].sum() / np.sqrt(np.square(off[who]).sum())
        assert abs(z) < Z, (name, z)


def test_paid_is_what_the_truth_expects_of_adults(tmp_path) -> None:
    write(tmp_path, "adults")

    costs, truth = (pq.read_table(tmp_path / f"{n}.parquet") for n in ("costs", "truth"))

    assert costs["member_id"].equals(truth["member_id"])
    months = costs["months"].to_numpy()
    off = costs["paid_cents"].to_numpy() - truth["mean_cents"].to_numpy() * months / 12
    assert abs(off.sum() / np.sqrt(np.square(off).sum())) < Z


def test_truth_is_the_formula_added_up_by_hand() -> None:
    conditions = read_conditions(load_preset("medicare"), MODEL)
    rules = replace(load_preset("medicare").cost, price=1.0, trend=1.1, count_from=1, count_usd=100,
                    count_power=2.0, incident_share=0.5)  # fmt: skip
    conditions = replace(conditions, usd=conditions.usd / load_preset("medicare").cost.price)
    diabetes, failure, kidney = (
        conditions.categories.index(c) for c in ("HCC37", "HCC226", "HCC329")
    )
    before, now = np.zeros((2, len(conditions.categories), 1), np.bool_)
    before[[diabetes, failure]] = True
    now[[diabetes, kidney]] = True
    one = np.array([1])
    man_of_80 = People(
        numbers=one, birth=np.array([1 - 12 * 79]), join=one, male=one == 1, reason=0 * one,
        dual=5 * one, institutional=one == 0, chronic_snp=one == 0, race=one, svi=one, state=one,
        frailty=one, multiplier=np.array([1.5]),
    )  # fmt: skip

    mean = full_year_mean(man_of_80, before, now, conditions, rules, 1)

    base = rules.male_usd[rules.age_from.index(80)] + rules.full_dual_usd
    younger = 1 - 0.10 * 0.5, 1 - 0.12 * 0.5
    by_hand = base + 3100 * younger[0] + 5200 * younger[1] + 1800 + 100 * 1**2 + 0.5 * 1500
    assert mean[0] == pytest.approx(by_hand * 1.5 * 1.1, rel=1e-12)


def test_every_category_of_the_model_occurs(tables) -> None:
    meant = {(row.code, row.category) for row in MODEL.code_map}
    codes = set(tables["diagnoses.parquet"]["diagnosis_code"].unique().to_pylist())

    assert {category for code, category in meant if code in codes} == set(MODEL.categories)
    assert codes - {code for code, _ in meant} == set(UNMAPPED)


@pytest.mark.parametrize("key", ["cms-hcc-v24/2023", "cms-hcc-v28/2026"])
def test_every_category_is_a_condition_with_a_price_and_a_code(key) -> None:
    model = resolve_model(key)

    conditions = read_conditions(load_preset("medicare"), model)

    assert conditions.categories == tuple(model.categories)
    assert (conditions.usd > 0).all()
    assert (conditions.code_count > 0).all()
    assert conditions.rate.min() >= 0.0005


def test_chronic_conditions_persist_and_acute_ones_pass(drawn) -> None:
    conditions, people, years = drawn

    def again(category):
        first, second = (coded_members(conditions, year, category) for year in years[:2])
        there = np.flatnonzero(years[1].exposed.months == 12)
        first = np.intersect1d(first, np.intersect1d(there, np.flatnonzero(people.svi < 9)))
        return np.isin(first, second).mean()

    assert again("HCC37") == pytest.approx(0.96, abs=0.02)
    assert again("HCC238") == pytest.approx(0.94, abs=0.02)
    assert again("HCC402") < 0.35


def coded_members(conditions, year, category):
    start = conditions.code_start[conditions.categories.index(category)]
    stop = start + conditions.code_count[conditions.categories.index(category)]
    return np.unique(year.coded.member[(year.coded.code >= start) & (year.coded.code < stop)])


def test_only_the_named_group_is_under_coded(drawn) -> None:
    conditions, people, years = drawn
    of_code = np.repeat(np.arange(len(conditions.categories)), conditions.code_count)
    paying = years[1].coded.code < len(of_code)
    coded = np.zeros((len(conditions.categories), len(people.svi)), np.bool_)
    coded[of_code[years[1].coded.code[paying]], years[1].coded.member[paying]] = True
    counted = keep_most_severe(coded, conditions.outranks).sum(axis=0)
    there, group = years[1].exposed.months > 0, people.svi >= 9

    np.testing.assert_array_equal(counted[there & ~group], years[1].conditions[there & ~group])
    share = counted[there & group].sum() / years[1].conditions[there & group].sum()
    assert share == pytest.approx(0.85, abs=0.03)


def test_the_dead_leave_after_their_months(tables) -> None:
    costs = tables["costs.parquet"].to_pandas().set_index(["year", "member_id"])
    members = {y: set(tables[f"members-{y}.parquet"]["member_id"].to_pylist())
               for y in range(FIRST, FIRST + YEARS)}  # fmt: skip

    gone = members[FIRST] - members[FIRST + 1]
    last = costs.loc[FIRST].loc[sorted(gone)]
    stayed = costs.loc[FIRST].loc[sorted(members[FIRST] & members[FIRST + 1])]
    assert 0.02 < len(gone) / len(members[FIRST]) < 0.07
    assert set(last["months"]) == set(range(1, 13))
    assert not gone & members[FIRST + 2]
    rate = last["paid_cents"].sum() / last["months"].sum()
    assert rate > 3 * stayed["paid_cents"].sum() / stayed["months"].sum()


def test_tables_agree_on_members_and_months(tables) -> None:
    costs, truth = tables["costs.parquet"], tables["truth.parquet"]

    assert costs.select(["member_id", "year"]).equals(truth.select(["member_id", "year"]))
    assert set(costs["months"].unique().to_pylist()) == set(range(1, 13))
    assert pc.min(costs["paid_cents"]).as_py() == 0
    assert pc.min(truth["mean_cents"]).as_py() > 0
    for year in range(FIRST, FIRST + YEARS):
        members = tables[f"members-{year}.parquet"]
        of_year = costs.filter(pc.equal(costs["year"], year))
        assert members.column_names == COLUMNS
        assert members["member_id"].equals(of_year["member_id"])
        assert members["member_id"].null_count == 0


def test_diagnoses_are_of_members_in_their_months(drawn) -> None:
    _, _, years = drawn

    for year in years:
        january = np.datetime64(f"{FIRST}-01")
        month = year.coded.day.astype("datetime64[D]").astype("datetime64[M]") - january
        start = year.exposed.start[year.coded.member]
        assert (month.astype(int) >= start).all()
        assert (month.astype(int) < start + year.exposed.months[year.coded.member]).all()


def test_new_enrollees_lack_months_of_the_year_before(tables) -> None:
    costs = tables["costs.parquet"].to_pandas().set_index(["year", "member_id"])["months"]
    members = tables[f"members-{FIRST + 1}.parquet"].to_pandas().set_index("member_id")
    before = costs.loc[FIRST].reindex(members.index).fillna(0)

    assert (members["new_enrollee"] == (before < 12)).all()


def test_the_scorer_takes_the_tables(folder) -> None:
    year = MODEL.facts.payment_year - 1

    scores = load_model(MODEL.key).score(
        folder / f"members-{year}.parquet", folder / "diagnoses.parquet"
    )

    quality = scores.quality
    assert quality.members_scored == quality.members
    assert quality.members_rejected == {}
    unread, assumed, both = quality.notes
    assert unread == "members: columns not read: race_ethnicity, state, svi_decile"
    assert assumed == "no column esrd_status: taken as no"
    assert "long-term institutional and new enrollee together" in both
    assert {s.key for s in MODEL.segments} == set(scores.table["segment"].to_pylist())


@pytest.mark.parametrize("key", ["cms-hcc-v24/2020", "cms-hcc-v24/2023", "cms-hcc-v28/2026"])
def test_a_population_for_scoring_has_the_members_asked_for(key) -> None:
    model = resolve_model(key)

    population = draw_population(1000, 3, "medicare", model)

    assert (
        population.members["member_id"]
        .combine_chunks()
        .unique()
        .equals(population.members["member_id"].combine_chunks())
    )
    assert len(population.members) == 1000
    years = set(pc.year(population.diagnoses["thru_date"]).to_pylist())
    assert years == {model.facts.payment_year - 1}
    known = set(population.members["member_id"].to_pylist())
    assert set(population.diagnoses["member_id"].to_pylist()) <= known


def test_what_cannot_be_drawn_is_refused(tmp_path) -> None:
    with pytest.raises(OptionError, match=r"No preset 'mars'\. There is: adults, medicare"):
        write(tmp_path, "mars")
    with pytest.raises(OptionError, match="at least 1,000, not 999"):
        write(tmp_path, n=999)
    (tmp_path / "file").touch()
    with pytest.raises(OptionError, match="is a file"):
        write(tmp_path / "file", n=1000)
