"""Member months: each month by its own status, paid months averaged, every row counted."""

import datetime as dt
import json
import random
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riskadj import InputError, OptionError, Options, Terms
from riskadj.catalog import resolve_model
from riskadj.cited import Cited
from riskadj.engine.months import Months
from riskadj.scoring.months import (
    MonthlyScores,
    MonthOptions,
    MonthOutputs,
    months_to_files,
    score_months,
)
from riskadj.scoring.payment import FRAILTY, MSP, asked_of_user, chain_of, load_payment_year
from riskadj.scoring.programs import plan_payers, plan_payment_year, plan_together
from tests.people import random_members, tables
from tests.plain import Member, plain_score

ACCEPTED = Terms(accept_unverified=True)
QUARANTINE = MonthOptions(options=Options(on_error="quarantine"))
PEOPLE = pa.table({
    "member_id": ["a", "b"], "birth_date": [dt.date(1950, 5, 1), dt.date(1960, 7, 9)],
    "sex": ["F", "M"], "orec": [0, 0],
})  # fmt: skip
NONE = pa.table({"member_id": pa.array([], pa.string()),
                 "diagnosis_code": pa.array([], pa.string())})  # fmt: skip


def months(*rows: tuple[str, object], **columns: list[object]) -> pa.Table:
    return pa.table({"member_id": [m for m, _ in rows],
                     "month": [str(m) for _, m in rows], **columns})  # fmt: skip


def all_year(who: str = "a", **columns: list[object]) -> pa.Table:
    return months(*((who, f"2026-{m:02d}") for m in range(1, 13)), **columns)


def scored(table: pa.Table, people: pa.Table = PEOPLE, **more: object) -> MonthlyScores:
    return score_months(people, table, NONE, payment_year=2026, **more)  # type: ignore[arg-type]


def accounted(found: MonthlyScores) -> int:
    """Return how many month rows some count tells of."""
    counts = found.counts
    return (counts.scored + counts.anchors + counts.of_unknown_members
            + counts.of_refused_members + sum(counts.rejected.values()))  # fmt: skip


def test_each_month_has_the_segment_of_its_status() -> None:
    dual = ["00"] * 6 + ["02"] * 6

    found = scored(all_year(dual_status_code=dual))

    rows = found.months.to_pylist()
    assert [r["month"] for r in rows] == [dt.date(2026, m, 1) for m in range(1, 13)]
    assert [r["segment"] for r in rows] == ["CNA"] * 6 + ["CFA"] * 6
    by_hand = sum(Fraction(round(r["score"] * 1000)) for r in rows) / 12000
    year = found.years.to_pylist()[0]
    assert (year["months"], year["payment_months"]) == (12, 12)
    assert year["average_score"] == pytest.approx(float(by_hand), abs=1e-15)


def test_aged_or_disabled_is_fixed_on_the_first_of_february() -> None:
    born = pa.table({"member_id": ["a"], "birth_date": [dt.date(1961, 2, 2)], "sex": ["F"],
                     "orec": [1]})  # fmt: skip

    found = scored(all_year(), born)

    assert set(found.months["segment"].to_pylist()) == {"CND"}  # 64 on 1 February, 65 next day


def test_hospice_months_and_months_without_both_parts_are_not_paid() -> None:
    yes, no = [True] * 12, [False] * 12
    table = all_year(hospice=[*no[:10], True, True], part_a=yes, part_b=[False, *yes[1:]])

    found = scored(table)

    assert [r["paid"] for r in found.months.to_pylist()] == [False] + [True] * 9 + [False] * 2
    assert found.years["payment_months"].to_pylist() == [9]


def test_part_d_has_no_rule_that_leaves_hospice_months_out() -> None:
    found = scored(all_year(hospice=[True] * 12), payer="part-d-ma-pd", terms=ACCEPTED)

    assert found.years["payment_months"].to_pylist() == [12]
    assert any("unpaid months none is unverified and was accepted" in c for c in found.caveats)


@pytest.mark.parametrize("payer", ["pace", "mssp", "reach"])
def test_which_months_are_paid_is_not_taken_for_granted(payer: str) -> None:
    needed = {n: Cited("1", "a letter", "supplied") for n in asked_of_user(payer, 2026)
              if n not in (FRAILTY, MSP)}  # fmt: skip

    with pytest.raises(OptionError, match=f"{payer}/2026: entitled.* is unverified: --accept"):
        scored(all_year(), payer=payer, terms=Terms(supplied=needed))

    found = scored(all_year(), payer=payer, terms=Terms(True, needed))
    assert any(f"payment {payer}/2026: entitled" in c for c in found.caveats)


def test_a_member_without_a_paid_month_has_no_average() -> None:
    found = scored(all_year(hospice=[True] * 12))

    assert found.years.select(["payment_months", "average_score", "score_months"]).to_pylist() == [
        {"payment_months": 0, "average_score": None, "score_months": 0.0}
    ]


def test_esrd_months_take_the_esrd_model() -> None:
    status = ["none"] * 3 + ["dialysis"] * 2 + ["transplant"] * 3 + ["graft"] * 4
    since = [None] * 5 + [1, 2, 3, 4, 5, 9, 10]

    found = scored(all_year(esrd_status=status, months_since_transplant=since), terms=ACCEPTED)

    assert found.months["segment"].to_pylist() == [
        "CNA", "CNA", "CNA", "DI", "DI", "TRANSPLANT_1M", "TRANSPLANT_2M", "TRANSPLANT_3M",
        "GNPA", "GNPA", "GNPA", "GNPA",
    ]  # fmt: skip
    graft = [r["score"] for r in found.months.to_pylist()][8:]
    assert graft[0] == graft[1] == graft[2] > graft[3]


def test_interim_payment_takes_the_dual_status_of_october_and_of_may() -> None:
    table = months(
        ("a", "2025-10"), *(("a", f"2026-{m:02d}") for m in range(1, 13)),
        dual_status_code=["02", *["00"] * 4, "01", *["00"] * 7],
    )  # fmt: skip

    found = scored(table, how=MonthOptions("interim"))

    assert found.months["segment"].to_pylist() == ["CFA"] * 7 + ["CPA"] * 5
    assert (found.counts.anchors, found.counts.without_anchor) == (1, 0)
    assert accounted(found) == 13


def test_without_its_anchor_month_a_month_keeps_its_own_status_and_is_counted() -> None:
    found = scored(all_year(dual_status_code=["02"] * 12), how=MonthOptions("interim"))

    assert set(found.months["segment"].to_pylist()) == {"CFA"}
    assert found.counts.without_anchor == 7  # January to July have no October


def test_interim_timing_needs_a_monthly_dual_status() -> None:
    with pytest.raises(InputError, match="dual_status_code in the member months"):
        scored(all_year(), how=MonthOptions("interim"))
    with pytest.raises(OptionError, match="expected 'monthly' or 'interim'"):
        MonthOptions("weekly")  # type: ignore[arg-type]


def test_new_enrollees_are_told_by_part_b_months_of_the_data_year() -> None:
    people = PEOPLE.append_column("part_b_months_in_data_year", pa.array([11, 12]))
    table = months(("a", "2026-01"), ("b", "2026-01"))

    assert scored(table, people).months["segment"].to_pylist() == ["NE", "CNA"]
    both = people.append_column("new_enrollee", pa.array([True, False]))
    with pytest.raises(InputError, match="keep one of the columns"):
        scored(table, both)


def test_medicare_as_secondary_payer_counts_by_the_factor_supplied() -> None:
    flagged = all_year(medicare_secondary_payer=[True] * 3 + [False] * 9)
    factor = {"medicare_secondary_payer_factor": Cited("0.2", "a letter", "supplied")}

    with_it = scored(flagged, terms=Terms(supplied=factor)).years.to_pylist()[0]
    without = scored(flagged)

    score = Fraction(round(without.months["score"][0].as_py() * 1000), 1000)
    assert with_it["payment_score_months"] == float(score * (9 + 3 * Fraction("0.2")))
    assert with_it["score_months"] == float(score * 12)
    assert "no medicare_secondary_payer_factor supplied" in without.quality.notes[-1]


OUT_OF_ORDER = [
    (months(("a", "2026-01"), ("a", "2026-01")), "the member has this month more than once", 2),
    (months(("a", "2026-01"), ("a", "2026-01"), dual_status_code=["00", "02"]),
     "the member has this month more than once", 2),
    (months(("a", "2025-12"), ("a", "2026-01")), "month is not of 2026", 1),
    (months(("a", "2027-01"), ("a", "2026-01")), "month is not of 2026", 1),
    (months(("a", "soon"), ("a", "2026-01")), "month is not a month", 1),
    (months(("a", "2026-01"), ("a", "2026-02"), months_since_transplant=[5, None]),
     "months_since_transplant without esrd_status transplant or graft", 1),
    (months(("a", "2026-01"), ("a", "2026-02"), esrd_status=["graft", "none"],
            months_since_transplant=[None, None]),
     "months_since_transplant is missing", 1),
    (months(("a", "2026-01"), ("a", "2026-02"), esrd_status=["graft", "none"],
            months_since_transplant=[3, None]),
     "months_since_transplant is below 4", 1),
    (months(("a", "2026-01"), ("a", "2026-02"), esrd_status=["transplant", "none"],
            months_since_transplant=[4, None]),
     "months_since_transplant is above 3", 1),
    (months(("a", "2026-01"), ("a", "2026-02"), hospice=["maybe", "no"]),
     "hospice is not yes or no", 1),
]  # fmt: skip


@pytest.mark.parametrize(("table", "why", "rows"), OUT_OF_ORDER)
def test_a_bad_month_is_refused_or_counted(table: pa.Table, why: str, rows: int) -> None:
    with pytest.raises(InputError, match=f"member_months: of 2 rows,\n  {rows} rows: {why}"):
        scored(table)
    if rows == 2:
        with pytest.raises(InputError, match=f"no row is left to score\n  2 rows: {why}"):
            scored(table, how=QUARANTINE)
        return

    found = scored(table, how=QUARANTINE)

    assert sum(found.counts.rejected.values()) == rows
    assert accounted(found) == 2
    listed = found.rejected.to_pylist()
    assert [(r["table"], r["row"]) for r in listed] == [("member_months", 1)]
    assert why in listed[0]["why"]


def test_months_before_a_birth_are_refused() -> None:
    people = pa.table({"member_id": ["a"], "birth_date": [dt.date(2026, 3, 15)], "sex": ["F"],
                       "orec": [1]})  # fmt: skip

    found = scored(all_year(), people, how=QUARANTINE)

    assert found.counts.rejected == {"birth_date is after the month": 2}
    assert found.years["months"].to_pylist() == [10]  # of March on: the month of birth counts


def test_gaps_unknown_members_and_members_without_months_are_counted() -> None:
    table = months(("a", "2026-01"), ("a", "2026-03"), ("z", "2026-01"))

    found = scored(table)

    counts = asdict(found.counts)
    assert (counts["members_with_gaps"], counts["members_without_months"],
            counts["of_unknown_members"], counts["scored"]) == (1, 1, 1, 2)  # fmt: skip
    assert accounted(found) == 3
    assert found.quality.members == 2
    assert found.quality.members_scored == 1


def test_months_of_a_refused_member_are_counted() -> None:
    people = pa.table({"member_id": ["a", "b"], "age": [70, 71], "sex": ["F", "?"],
                       "orec": [0, 0]})  # fmt: skip

    found = scored(months(("a", "2026-01"), ("b", "2026-01"), ("b", "2026-02")), people,
                   how=QUARANTINE)  # fmt: skip

    assert found.counts.of_refused_members == 2
    assert accounted(found) == 3


def test_institutional_new_enrollees_are_counted() -> None:
    table = all_year(new_enrollee=[True] * 12, long_term_institutional=[True] * 12)

    found = scored(table)

    assert set(found.months["segment"].to_pylist()) == {"NE"}
    assert any("1 statuses are long-term institutional and new enrollee" in n
               for n in found.quality.notes)  # fmt: skip


def test_esrd_months_are_refused_in_a_year_without_an_esrd_model() -> None:
    table = months(("a", "2024-01"), esrd_status=["dialysis"])

    with pytest.raises(InputError, match="no model asked for here pays ESRD months"):
        score_months(PEOPLE, table, NONE, payment_year=2024)


def test_esrd_status_of_the_members_table_holds_for_the_whole_year() -> None:
    people = PEOPLE.append_column("esrd_status", pa.array(["none", "dialysis"]))
    table = months(("a", "2024-01"), ("b", "2024-01"))

    with pytest.raises(InputError, match="members: of 2 rows,\n  1 rows: esrd_status is not none"):
        score_months(people, table, NONE, payment_year=2024)
    found = scored(months(("b", "2026-01")), people, terms=ACCEPTED)
    assert found.months["segment"].to_pylist() == ["DI"]


def test_months_that_no_model_pays_are_counted_once() -> None:
    table = months(("a", "2026-01"), ("a", "2026-02"), esrd_status=["none", "dialysis"])

    found = score_months(PEOPLE, table, NONE, payment_year=2026, how=QUARANTINE)

    assert (found.counts.scored, list(found.counts.rejected.values())) == (1, [1])
    assert accounted(found) == 2


def test_ids_of_two_kinds_are_refused() -> None:
    table = pa.table({"member_id": [1], "month": ["2026-01"]})

    with pytest.raises(InputError, match="text in members and whole numbers in member_months"):
        scored(table)


def plain_months(m: Member, statuses: list[Member]) -> tuple[list[tuple[str, Fraction]], Fraction]:
    """Score each month apart, by the plain twin and the written chain."""
    year = load_payment_year("ma", 2026)
    rows = []
    for now in statuses:
        model = "esrd-v24/2026" if now.esrd != "none" else "cms-hcc-v28/2026"
        segment, raw, _ = plain_score(replace(now, diagnoses=m.diagnoses), resolve_model(model))
        graft = (now.months or 0) >= 4
        component = year.components[0 if now.esrd == "none" else 2 if graft else 1]
        rows.append((segment, chain_of(int(raw * 1000), component, year)[-1].value))
    return rows, sum((score for _, score in rows), Fraction(0))


def test_random_members_agree_with_a_plain_month_by_month_twin() -> None:
    rng = random.Random(20260201)
    people = random_members(150, 11, resolve_model("cms-hcc-v28/2026"))
    states = random_members(600, 12, resolve_model("esrd-v24/2026"))
    year = {}
    for i, m in enumerate(people):
        some = [m, *(replace(s, age=m.age, sex=m.sex, orec=m.orec)
                     for s in rng.sample(states, 2))]  # fmt: skip
        year[i] = [rng.choice(some) for _ in range(12)]
    table, rows = tables(people)
    members = table.select(["member_id", "age", "sex", "original_reason_entitlement_code"])
    flat = [(i, month, s) for i, now in year.items() for month, s in enumerate(now, start=1)]
    rng.shuffle(flat)
    statuses, _ = tables([s for _, _, s in flat])
    monthly = (
        statuses.drop_columns(["member_id", "age", "sex", "original_reason_entitlement_code"])
        .append_column("member_id", pa.array([i for i, _, _ in flat]))
        .append_column("month", pa.array([f"2026-{month:02d}-01" for _, month, _ in flat]))
    )

    found = score_months(members, monthly, rows, payment_year=2026, terms=ACCEPTED)

    got: dict[int, list[tuple[str, Fraction]]] = {i: [] for i in year}
    for r in found.months.sort_by([("member_id", "ascending"), ("month", "ascending")]).to_pylist():
        got[r["member_id"]].append((r["segment"], Fraction(round(r["score"] * 1000), 1000)))
    sums = dict(zip(found.years["member_id"].to_pylist(), found.years["score_months"].to_pylist(),
                    strict=True))  # fmt: skip
    for i, m in enumerate(people):
        expected, total = plain_months(m, year[i])
        assert got[i] == expected
        assert sums[i] == float(total)


def test_files_hold_what_the_frames_hold(tmp_path: Path) -> None:
    outputs = MonthOutputs(tmp_path / "y.parquet", tmp_path / "m.parquet",
                           tmp_path / "r.csv", tmp_path / "q.json")  # fmt: skip
    table = all_year(dual_status_code=["00"] * 6 + ["02"] * 6)
    months_to_files(
        plan_payers(["ma"], 2026), (PEOPLE, table, NONE), outputs, Months(2026), Terms(),
        (Options(), lambda what, done: None),
    )  # fmt: skip

    found = scored(table)
    assert pq.read_table(outputs.scores).to_pylist() == found.years.to_pylist()
    assert pq.read_table(outputs.months).to_pylist() == found.months.to_pylist()


def test_a_file_says_which_secondary_payer_factor_was_supplied(tmp_path: Path) -> None:
    terms = Terms(supplied={MSP: Cited("0.2", "a letter", "supplied")})
    outputs = MonthOutputs(tmp_path / "y.parquet")

    quality, _ = months_to_files(
        plan_payers(["ma"], 2026, terms, monthly=True), (PEOPLE, all_year(), NONE), outputs,
        Months(2026), terms, (Options(), lambda what, done: None),
    )  # fmt: skip

    said = json.loads(pq.read_schema(outputs.scores).metadata[b"riskadj"])
    assert f"{MSP} 0.2 was supplied (a letter)" in said["caveats"]
    assert said["caveats"] == quality.caveats


def test_months_of_strangers_only_say_so() -> None:
    with pytest.raises(InputError, match="1 rows: of members that are not in the members table"):
        scored(months(("z", "2026-01")))


def test_a_member_of_whom_no_month_is_paid_for_is_counted_and_listed() -> None:
    table = months(("a", "2026-01"), ("b", "2026-01"), ("b", "2026-02"),
                   esrd_status=["none", "dialysis", "dialysis"])  # fmt: skip

    found = scored(table, how=QUARANTINE)

    assert found.quality.members_scored == 1
    assert found.quality.members_rejected == {"no month is left of them": 1}
    ((table_name, row, why),) = [tuple(r.values()) for r in found.rejected.to_pylist()]
    assert (table_name, row) == ("members", 2)
    assert why.endswith("--accept-unverified (2 months)")


def test_months_that_a_program_leaves_unpaid_are_counted(tmp_path: Path) -> None:
    table = months(("a", "2026-01"), ("a", "2026-02"), esrd_status=["none", "dialysis"])
    plan = plan_together([plan_payment_year("ma", 2026),
                          plan_payment_year("part-d-ma-pd", 2026, terms=ACCEPTED)])  # fmt: skip

    quality, _ = months_to_files(
        plan, (PEOPLE, table, NONE), MonthOutputs(tmp_path / "y.parquet"), Months(2026), ACCEPTED,
        (Options(), lambda what, done: None),
    )  # fmt: skip

    ((said, n),) = quality.unpaid.items()
    assert (said.split(";")[0], n) == ("ma/2026", 1)


def test_what_changes_by_month_belongs_into_the_months() -> None:
    people = PEOPLE.append_column("hospice", pa.array(["Y", "N"]))

    with pytest.raises(InputError, match="hospice is in members: it changes by month"):
        scored(all_year(), people)


def test_what_never_changes_is_read_from_the_members() -> None:
    found = scored(all_year(sex=["M"] * 12))

    assert "member_months: sex not read: members tell it" in found.quality.notes
    assert found.months["score"].to_pylist() == scored(all_year()).months["score"].to_pylist()


def test_a_factor_of_many_digits_is_exact() -> None:
    flagged = all_year(medicare_secondary_payer=[True] * 12)
    factor = {"medicare_secondary_payer_factor": Cited("0.17301234567890123", "a", "supplied")}

    year = scored(flagged, terms=Terms(supplied=factor)).years.to_pylist()[0]

    exact = Fraction(str(year["score_months"])) * Fraction("0.17301234567890123")
    assert year["payment_score_months"] == float(exact)
