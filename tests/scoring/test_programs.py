"""Programs: whose share is whose, which sources count, what is accepted or supplied."""

import re
import tomllib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pyarrow as pa
import pytest

import riskadj
from riskadj.catalog import models_root, resolve_model
from riskadj.errors import InputError, NotPublishedError, OptionError
from riskadj.scoring.payment import load_payment_year, payers
from riskadj.scoring.plan import Options, Terms, plan_models
from riskadj.scoring.programs import plan_payers, plan_payment_year, plan_together
from riskadj.scoring.scorer import run
from tests.people import random_members, tables

ACCEPTED = Terms(accept_unverified=True)
MEMBER = pa.table({"member_id": ["a"], "age": [70], "sex": ["F"], "orec": [0]})


def diagnoses(*rows: tuple[str, str | None]) -> pa.Table:
    return pa.table({
        "member_id": pa.array(["a"] * len(rows), pa.string()),
        "diagnosis_code": pa.array([c for c, _ in rows], pa.string()),
        "data_source": pa.array([s for _, s in rows], pa.string()),
    })  # fmt: skip


def by_model(scores: riskadj.Scores) -> dict[str, tuple[str | None, float | None, float | None]]:
    return {r["model"]: (r["segment"], r["raw_score"], r["payment_score"])
            for r in scores.table.to_pylist()}  # fmt: skip


def supplied(tmp_path: Path, **values: str) -> Terms:
    path = tmp_path / "parameters.toml"
    lines = [f'{k} = {{ value = "{v}", source = "a letter" }}' for k, v in values.items()]
    path.write_text("\n".join(lines), encoding="utf-8")
    return Terms(supplied=riskadj.read_supplied(path))


def accepting(terms: Terms) -> Terms:
    return replace(terms, accept_unverified=True)


def test_every_year_of_every_program_is_whole() -> None:
    found = {f"{p}/{f.stem}" for p in payers()
             for f in (models_root() / "payment" / p).glob("*.toml")}  # fmt: skip

    assert {f"ma/{y}" for y in range(2017, 2027)} <= found
    assert {"pace/2026", "part-d-ma-pd/2026", "part-d-pdp/2026", "part-d-pace/2026"} <= found
    for key in found - {k for k in found if k.startswith(("mssp", "reach"))}:
        program, year = key.split("/")
        for c in load_payment_year(program, int(year)).components:
            assert resolve_model(c.model).facts.payment_year == int(year)


# 2018: 85 % by diagnoses of RAPS and FFS, 15 % by those of encounters and FFS, one model.
# V22 CNA: F70_74 .374, HCC18 .318 (E11.21), HCC85 .323 (I50.9), HCC85_gDiabetesMellit .154
# RAPS: .374 + .318 = .692 -> /1.017 .680 -> x .9409 .640
# encounter: .374 + .323 = .697 -> .685 -> .645;  .85 x .640 + .15 x .645 = .64075
def test_each_component_counts_the_diagnoses_of_its_own_sources() -> None:
    rows = diagnoses(("E1121", "raps"), ("I509", "encounter"), ("C50911", "chart_review"))

    scores = riskadj.score(MEMBER, rows, payment_year=2018)

    assert by_model(scores) == {
        "cms-hcc-v22/2018 (raps, ffs)": ("CNA", 0.692, 0.64),
        "cms-hcc-v22/2018 (encounter, ffs)": ("CNA", 0.697, 0.645),
        "ma/2018": (None, None, 0.641),
    }
    aside = "not_accepted_claim: data_source is not raps, ffs, encounter"
    assert scores.quality.diagnoses_set_aside == {aside: 1}
    told = {(s["model"], s["diagnosis_code"]): s["status"]
            for s in scores.diagnosis_status().to_pylist()}  # fmt: skip
    assert told["cms-hcc-v22/2018 (raps, ffs)", "I509"] == "not_accepted_claim"
    assert told["cms-hcc-v22/2018 (encounter, ffs)", "I509"] == "counted"


def test_without_the_column_each_model_says_what_it_assumes() -> None:
    rows = diagnoses(("E1121", None), ("I509", None)).drop_columns(["data_source"])

    scores = riskadj.score(MEMBER, rows, payment_year=2018)

    both = 0.374 + 0.318 + 0.323 + 0.154
    assert {round(raw, 3) for _, raw, _ in by_model(scores).values() if raw} == {round(both, 3)}
    assert [n for n in scores.quality.notes if "data_source" in n] == [
        f"no column data_source: for cms-hcc-v22/2018 all diagnoses are taken as from {sources}"
        for sources in ("raps, ffs", "encounter, ffs")
    ]


def test_a_source_that_no_component_accepts_is_counted() -> None:
    scores = riskadj.score(MEMBER, diagnoses(("E1121", "fax")), payment_year=2026)

    aside = "not_accepted_claim: data_source is not encounter, ffs"
    assert scores.quality.diagnoses_set_aside == {aside: 1}
    assert by_model(scores)["cms-hcc-v28/2026"][1] == 0.395


def test_unverified_values_are_refused_until_they_are_accepted() -> None:
    with pytest.raises(OptionError, match="normalization factor of cms-hcc-v22/2021 is unverified"):
        plan_payment_year("ma", 2021)

    plan = plan_payment_year("ma", 2021, terms=ACCEPTED)

    assert any("1.106 of cms-hcc-v22/2021 is unverified and was accepted" in c
               for c in plan.caveats)  # fmt: skip


def test_only_the_members_of_an_unverified_component_are_refused() -> None:
    members = pa.table({"member_id": ["a", "b"], "age": [70, 71], "sex": ["F", "M"],
                        "orec": [0, 2], "esrd_status": ["none", "dialysis"]})  # fmt: skip
    none = diagnoses()
    with pytest.raises(InputError, match=r"1 rows: pace/2026: .*; .*sources of esrd-v21/2026"):
        riskadj.score(members, none, payment_year=2026, payer="pace")

    alone = riskadj.score(members, none, payment_year=2026, payer="pace",
                          options=Options(on_error="quarantine"))  # fmt: skip
    both = riskadj.score(members, none, payment_year=2026, payer="pace", terms=ACCEPTED)

    assert set(alone.table["member_id"].to_pylist()) == {"a"}
    assert set(by_model(both)) == {
        "cms-hcc-v28/2026", "cms-hcc-v22/2026", "esrd-v24/2026", "esrd-v21/2026", "pace/2026",
    }  # fmt: skip


UNREAD = {"ma/2021", "ma/2026", "pace/2026", "part-d-ma-pd/2026", "part-d-pdp/2026",
          "part-d-pace/2026"}  # fmt: skip


def test_one_word_says_that_no_document_bears_a_value_out() -> None:
    """Any other word of that meaning would pass the gate."""
    known = {"primary", "secondary", "single source", "two sources", "three sources",
             "four sources", "unverified"}  # fmt: skip
    gated = set()
    for file in (models_root() / "payment").glob("*/*.toml"):
        year = tomllib.loads(file.read_text(encoding="utf-8"))
        rows = [v for part in (year, *year["component"]) for v in part.values()]
        cited = [v for v in rows if isinstance(v, dict) and "value" in v]
        assert {v["evidence"] for v in cited} <= known, file
        memory = [v for v in cited if re.search("from memory|no document", v["source"])]
        assert {v["evidence"] for v in memory} <= {"unverified"}, file
        if any(isinstance(v, dict) and v.get("evidence") == "unverified"
               for c in year["component"] for v in c.values()):  # fmt: skip
            gated.add(f"{file.parent.name}/{file.stem}")
    assert gated == UNREAD


@pytest.mark.parametrize("payer", ["part-d-ma-pd", "part-d-pdp", "part-d-pace"])
def test_part_d_is_not_paid_before_its_sources_are_accepted(payer: str) -> None:
    with pytest.raises(OptionError, match=r"diagnosis sources of rxhcc-v08-x/2026.* is unverified"):
        riskadj.score(MEMBER, diagnoses(), payment_year=2026, payer=payer)

    told = riskadj.score(MEMBER, diagnoses(), payment_year=2026, payer=payer, terms=ACCEPTED)

    assert any("diagnosis sources all of rxhcc-v08-x/2026 is unverified" in c
               for c in told.caveats)  # fmt: skip


def test_the_coding_adjustment_of_dialysis_is_not_taken_for_granted() -> None:
    member = pa.table({"member_id": ["a"], "age": [70], "sex": ["F"], "orec": [2],
                       "esrd_status": ["dialysis"]})  # fmt: skip
    with pytest.raises(InputError, match="coding adjustment, diagnosis sources of esrd-v24/2026"):
        riskadj.score(member, diagnoses(), payment_year=2026)

    told = riskadj.score(member, diagnoses(), payment_year=2026, terms=ACCEPTED)

    assert any("coding adjustment 0 of esrd-v24/2026" in c and "sources disagree" in c
               for c in told.caveats)  # fmt: skip


# V28 CNA F70_74 .395 -> /1.067 .370 -> x .941 .348; V22 .374 -> /1.187 .315 -> .296
# .1 x .348 + .9 x .296 = .3012
def test_pace_2026_blends_a_tenth_of_v28_with_v22() -> None:
    found = by_model(riskadj.score(MEMBER, diagnoses(), payment_year=2026, payer="pace"))

    assert found["cms-hcc-v28/2026"] == ("CNA", 0.395, 0.348)
    assert found["cms-hcc-v22/2026"] == ("CNA", 0.374, 0.296)
    assert found["pace/2026"][2] == 0.301


def test_a_frailty_factor_is_added_to_community_members_of_55_and_older(tmp_path: Path) -> None:
    members = pa.table({
        "member_id": ["old", "young", "lti"], "age": [70, 50, 70], "sex": ["F"] * 3,
        "orec": [0, 1, 0], "lti": [False, False, True],
    })  # fmt: skip
    plain = riskadj.score(members, diagnoses(), payment_year=2026)
    terms = supplied(tmp_path, frailty_factor="0.124")

    scores = riskadj.score(members, diagnoses(), payment_year=2026, terms=terms)

    before = dict(zip(plain.table["member_id"].to_pylist(),
                      plain.table["payment_score"].to_pylist(), strict=True))  # fmt: skip
    after = {r["member_id"]: r["payment_score"] for r in scores.table.to_pylist()
             if r["model"] == "ma/2026"}  # fmt: skip
    added = {m: round(after[m] - before[m], 3) for m in after}
    assert added == {"old": 0.124, "young": 0.0, "lti": 0.0}


def test_a_program_says_what_it_needs_and_refuses_what_it_does_not(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="mssp/2026 needs values that only you know") as needs:
        plan_payment_year("mssp", 2026)
    for name in MEANS:
        assert f'{name} = {{ value = "", source = "" }}    # mean national' in str(needs.value)
    with pytest.raises(
        OptionError, match="ma 2026 has no use for national_mean_esrd here; it takes"
    ):
        plan_payers(["ma"], 2026, supplied(tmp_path, national_mean_esrd="1.1"))
    frailty = accepting(supplied(tmp_path, frailty_factor="0.1"))
    assert len(plan_payers(["ma", "part-d-ma-pd"], 2026, frailty).programs) == 2


@pytest.mark.parametrize(
    "text",
    ['a = "1"', 'a = { value = "1" }', 'a = { value = "1", source = "" }',
     'a = { value = "x", source = "s" }', "a = ["],
)  # fmt: skip
def test_a_supplied_value_needs_a_number_and_its_source(tmp_path: Path, text: str) -> None:
    path = tmp_path / "parameters.toml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(OptionError, match=r"parameters\.toml"):
        riskadj.read_supplied(path)


MEANS = {"national_mean_disabled": "1.05", "national_mean_aged_dual": "1.2",
         "national_mean_aged_non_dual": "0.98", "national_mean_esrd": "1.01"}  # fmt: skip


# .395 / 1.067 / 0.98 = .37775...; no coding adjustment
def test_mssp_scores_have_no_coding_adjustment_and_a_mean_of_1_by_type(tmp_path: Path) -> None:
    members = pa.table({
        "member_id": ["a", "b", "c", "d"], "age": [70, 70, 50, 70], "sex": ["F"] * 4,
        "orec": [0, 0, 1, 2], "dual": ["00", "02", "00", "00"],
        "esrd_status": ["none", "none", "none", "dialysis"],
    })  # fmt: skip
    terms = supplied(tmp_path, **MEANS)

    scores = riskadj.score(members, diagnoses(), payment_year=2026, payer="mssp", terms=terms)

    rows = {r["member_id"]: r for r in scores.table.to_pylist()}
    means = {"a": ("1.067", "0.98"), "b": ("1.067", "1.2"), "c": ("1.067", "1.05"),
             "d": ("1.062", "1.01")}  # fmt: skip
    for who, (factor, mean) in means.items():
        raw = Fraction(round(rows[who]["raw_score"] * 1000), 1000)
        exact = raw / Fraction(factor) / Fraction(mean)
        assert rows[who]["payment_score"] == float(
            Fraction((exact * 1000 + Fraction(1, 2)).__floor__(), 1000)
        )
    assert rows["a"]["payment_score"] == 0.378


# .395 / 1.1 x 1.02 / 1.008 = .36336...
def test_reach_normalizes_caps_and_divides_by_the_coding_factor(tmp_path: Path) -> None:
    terms = supplied(
        tmp_path, reach_normalization_factor_v28="1.1", growth_cap_factor_aged_disabled="1.02",
        coding_intensity_factor_aged_disabled="1.008", reach_normalization_factor_esrd="1.05",
        growth_cap_factor_esrd="1", coding_intensity_factor_esrd="1",
    )  # fmt: skip

    scores = riskadj.score(MEMBER, diagnoses(), payment_year=2026, payer="reach", terms=terms)

    assert by_model(scores) == {"cms-hcc-v28/2026": ("CNA", 0.395, 0.363)}


def test_a_factor_of_nothing_is_refused(tmp_path: Path) -> None:
    terms = supplied(tmp_path, **{**MEANS, "national_mean_aged_non_dual": "0"})

    with pytest.raises(OptionError, match="national_mean 0 of cms-hcc-v28/2026 is not above 0"):
        riskadj.score(MEMBER, diagnoses(), payment_year=2026, payer="mssp", terms=terms)


def test_an_unknown_payer_is_told_which_there_are() -> None:
    with pytest.raises(NotPublishedError, match=r"No payer 'part-d'\. There are: ma, mssp, pace"):
        plan_payment_year("part-d", 2026)


TOGETHER = ("ma", "part-d-ma-pd")


def test_programs_in_one_pass_give_what_each_gives_alone() -> None:
    members = [m for key in ("cms-hcc-v28/2026", "esrd-v24/2026", "rxhcc-v08-x/2026")
               for m in random_members(300, 5, resolve_model(key))]  # fmt: skip
    people, rows = tables(members)

    together = riskadj.score(people, rows, payment_year=2026, payer=TOGETHER, terms=ACCEPTED)
    apart = [riskadj.score(people, rows, payment_year=2026, payer=p, terms=ACCEPTED)
             for p in TOGETHER]  # fmt: skip

    sort = [("member_id", "ascending"), ("model", "ascending")]
    expected = pa.concat_tables([s.table for s in apart]).sort_by(sort)
    assert together.table.sort_by(sort).equals(expected)
    assert len(together.factors()) == sum(len(s.factors()) for s in apart)
    assert len(together.diagnosis_status()) == sum(len(s.diagnosis_status()) for s in apart)


def test_members_whom_only_one_program_pays_are_counted() -> None:
    members = pa.table({"member_id": ["a"], "age": [70], "sex": ["F"], "orec": [2],
                        "esrd_status": ["dialysis"]})  # fmt: skip
    plan = plan_together([plan_payment_year("part-d-ma-pd", 2026, terms=ACCEPTED),
                          plan_payment_year("pace", 2026)])  # fmt: skip

    scores = run(plan, members, diagnoses(), Options())

    ((said, n),) = scores.quality.unpaid.items()
    assert n == 1
    assert said.startswith("pace/2026; pace/2026: coding adjustment, diagnosis sources of esrd-v24")


def test_two_programs_of_one_model_are_scored_apart() -> None:
    with pytest.raises(OptionError, match="two programs use cms-hcc-v28/2026: score them apart"):
        plan_payers(["ma", "pace"], 2026)


def test_several_models_share_a_pass() -> None:
    keys = ("cms-hcc-v28/2026", "cms-hcc-v22/2026", "rxhcc-v08-t/2026", "rxhcc-v08-x/2026")
    members = random_members(400, 9, resolve_model("rxhcc-v08-x/2026"))
    people, rows = tables([m for m in members if m.esrd == "none"])

    together = run(plan_models([resolve_model(k) for k in keys]), people, rows, Options()).table

    for key in keys:
        alone = riskadj.load_model(key).score(people, rows).table
        mine = together.filter(pa.compute.equal(together["model"], key))
        assert mine.equals(alone)


def test_the_sum_of_factors_is_the_score_in_every_model_of_2026() -> None:
    for key in ("esrd-v24/2026", "esrd-v21/2026", "rxhcc-v08-t/2026", "cms-hcc-v22/2026"):
        people, rows = tables(random_members(400, 3, resolve_model(key)))
        scores = riskadj.load_model(key).score(people, rows)
        totals: dict[int, int] = {}
        for row in scores.factors().to_pylist():
            worth = round(row["coefficient"] * 1000)
            totals[row["member_id"]] = totals.get(row["member_id"], 0) + worth
        for row in scores.table.to_pylist():
            assert totals[row["member_id"]] == round(row["raw_score"] * 1000)


MANY_DIGITS = {"reach_normalization_factor_v28": "1.0671234",
               "growth_cap_factor_aged_disabled": "0.98765432101234567",
               "coding_intensity_factor_aged_disabled": "1.0234567",
               "reach_normalization_factor_esrd": "1.05", "growth_cap_factor_esrd": "1",
               "coding_intensity_factor_esrd": "1"}  # fmt: skip


# 1.033 / 1.0671234 x 0.98765432101234567 / 1.0234567 = .93417...
def test_values_of_many_digits_are_exact(tmp_path: Path) -> None:
    rows = diagnoses(("E1121", "ffs"), ("I281", "ffs"))

    scores = riskadj.score(MEMBER, rows, payment_year=2026, payer="reach",
                           terms=supplied(tmp_path, **MANY_DIGITS))  # fmt: skip

    assert by_model(scores) == {"cms-hcc-v28/2026": ("CNA", 1.033, 0.934)}


def test_frailty_is_added_only_by_a_program_that_has_it(tmp_path: Path) -> None:
    terms = accepting(supplied(tmp_path, frailty_factor="0.124"))

    scores = riskadj.score(MEMBER, diagnoses(), payment_year=2026, payer=TOGETHER, terms=terms)

    found = by_model(scores)
    assert set(found) == {"cms-hcc-v28/2026", "ma/2026", "rxhcc-v08-x/2026"}
    assert any("frailty factor 0.124 was supplied" in c for c in scores.caveats)


def test_rows_that_one_program_leaves_out_are_counted_though_another_takes_them() -> None:
    rows = diagnoses(("E1121", "encounters"), ("I509", "EDS"))

    quality = riskadj.score(MEMBER, rows, payment_year=2026, payer=TOGETHER,
                            terms=ACCEPTED).quality  # fmt: skip

    assert "2 diagnosis rows are not of encounter, ffs: not counted for cms-hcc-v28/2026" in (
        quality.notes
    )


def test_the_secondary_payer_factor_is_for_months(tmp_path: Path) -> None:
    terms = supplied(tmp_path, medicare_secondary_payer_factor="0.2")

    with pytest.raises(OptionError, match="has no use for medicare_secondary_payer_factor"):
        riskadj.score(MEMBER, diagnoses(), payment_year=2026, terms=terms)


def test_no_payer_at_all_is_refused() -> None:
    with pytest.raises(OptionError, match="name at least one program"):
        riskadj.score(MEMBER, diagnoses(), payment_year=2026, payer=())


@pytest.mark.parametrize("value", ["-0.5", "1.5", "\u0661"])
def test_a_share_of_payment_lies_between_0_and_1(tmp_path: Path, value: str) -> None:
    with pytest.raises(OptionError, match="medicare_secondary_payer_factor"):
        supplied(tmp_path, medicare_secondary_payer_factor=value)
