"""What becomes of members on the way to a baseline; nobody is lost without a count."""

from pathlib import Path

import pytest

from benchmarks.prepare import Plan, Sources, prepare, write_prepared
from riskadj.errors import InputError, OptionError

MEMBERS = "member_id,age,sex,original_reason_entitlement_code,dual_status_code,region\n"
PEOPLE = "m1,70,F,0,00,north\nm2,60,M,1,00,north\nm3,80,F,0,02,south\nm4,66,M,0,,south\n"
SCORES = "member_id,raw_score\nm1,1.0\nm2,2.0\nm3,1.5\nm4,0.5\n"
COSTS = "member_id,year,months,paid_cents\n" + "".join(
    f"m{i},{y},12,{i * 100_000}\n" for i in (1, 2, 3, 4) for y in (2024, 2025)
)
OWNED = "member_id,entity_id,from,to,basis\nm1,A,2024-01-01,,x\nm2,A,2024-01-01,,x\n" \
        "m3,A,2024-01-01,2024-12-31,x\nm3,B,2025-01-01,,x\nm5,B,2020-01-01,,x\n"  # fmt: skip


def _prepare(folder: Path, strata: str = "enrollment_type", truncate_at: float = 1, **changed: str):
    files = {"m2024": MEMBERS + PEOPLE, "m2025": MEMBERS + PEOPLE, "s2024": SCORES,
             "s2025": SCORES, "costs": COSTS, "owned": OWNED, **changed}  # fmt: skip
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    sources = Sources({y: folder / f"m{y}.csv" for y in (2024, 2025)},
                      {y: folder / f"s{y}.csv" for y in (2024, 2025)},
                      folder / "costs.csv", folder / "owned.csv",
                      folder / "claims.csv" if "claims" in files else None)  # fmt: skip
    return prepare(sources, Plan(2024, 2025, strata, truncate_at))


def test_rows_by_hand(tmp_path: Path) -> None:
    found = _prepare(tmp_path)
    rows = {(r["entity_id"], r["stratum"]): r for r in found.baseline}

    assert set(rows) == {("A", "AGED_NON_DUAL"), ("A", "DISABLED"), ("A", "AGED_DUAL"),
                         ("B", "AGED_DUAL")}  # fmt: skip
    aged = rows["A", "AGED_NON_DUAL"]
    assert (aged["member_months"], aged["spending_usd"]) == (12, 1000)
    assert aged["risk_score"] == pytest.approx(1.0 / 0.75)  # m1 and m4 have mean 0.75
    assert rows["B", "AGED_DUAL"]["member_months"] == ""
    assert rows["B", "AGED_DUAL"]["performance_spending_usd"] == 3000


def test_everybody_is_in_a_count(tmp_path: Path) -> None:
    counts = _prepare(tmp_path).counts

    assert counts["2024: members with costs"] == 4
    assert counts["2024: attributed"] == 3
    assert counts["2024: attributed to no entity, not used"] == 1
    assert counts["2024: attributed, without costs"] == 1


def test_truncation_is_by_stratum_over_everybody(tmp_path: Path) -> None:
    rows = {(r["entity_id"], r["stratum"]): r for r in _prepare(tmp_path, truncate_at=0.5).baseline}

    assert rows["A", "AGED_NON_DUAL"]["spending_usd"] == 1000  # m1 is at the point, m4 above it


def test_completion_raises_the_performance_year_alone(tmp_path: Path) -> None:
    claims = "incurred_month,paid_month,paid_cents\n" + "".join(
        f"2025-{m:02d}-01,{2025 + (m + lag > 12)}-{(m + lag - 1) % 12 + 1:02d}-01,{cents}\n"
        for m in range(1, 13) for lag, cents in ((0, 600), (1, 400)) if m + lag <= 12
    )  # fmt: skip
    rows = {(r["entity_id"], r["stratum"]): r for r in _prepare(tmp_path, claims=claims).baseline}
    paid = 11 * 1000 + 600

    assert rows["A", "AGED_NON_DUAL"]["spending_usd"] == 1000
    assert rows["A", "AGED_NON_DUAL"]["performance_spending_usd"] == pytest.approx(
        1000 * 12_000 / paid, abs=0.01
    )


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"owned": OWNED.replace("2024-12-31", "31/12/24")}, "attribution: 1 rows have a from or to"),
     ({"m2024": MEMBERS + PEOPLE.replace("70", "old")}, "a number or date in members"),
     ({"s2024": SCORES.replace("m1,1.0\n", "")}, "1 of 3 attributed members with costs in 2024"),
     ({"s2024": SCORES + "m1,1.0\n"}, "scores_2024: 1 rows repeat a member_id"),
     ({"m2025": MEMBERS + PEOPLE + "m1,70,F,0,00,north\n"}, "members_2025: 1 rows repeat"),
     ({"costs": COSTS.replace(",12,", ",13,", 1)}, "months are from 1 to 12"),
     ({"costs": COSTS.replace(",2025,", ",2023,")}, "costs have no rows of 2025"),
     ({"costs": COSTS.replace("months", "month")}, "costs: no column months")],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_a_count(tmp_path: Path, changed, said: str) -> None:
    with pytest.raises(InputError, match=said) as refused:
        _prepare(tmp_path, **changed)

    assert "m1" not in str(refused.value).replace("m13", "")


def test_a_member_without_stratum_is_refused_and_not_dropped(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="1 attributed members of 2024 have no region"):
        _prepare(tmp_path, "region", m2024=MEMBERS + PEOPLE.replace("m1,70,F,0,00,north",
                                                                    "m1,70,F,0,00,"))  # fmt: skip


def test_strata_are_columns_of_the_members(tmp_path: Path) -> None:
    rows = {(r["entity_id"], r["stratum"]) for r in _prepare(tmp_path, "region").baseline}

    assert rows == {("A", "north"), ("A", "south"), ("B", "south")}
    with pytest.raises(OptionError, match="members have no column 'county'"):
        _prepare(tmp_path, "county")


def test_members_of_few_columns_make_files_too(tmp_path: Path) -> None:
    bare = "member_id,age\n" + "".join(f"m{i},{70 + i}\n" for i in (1, 2, 3, 4))
    found = _prepare(tmp_path, m2024=bare, m2025=bare)

    paths = write_prepared(found, tmp_path / "out")

    assert paths[1].read_text().startswith("dimension,group,entity_id,stratum,members")
    assert paths[1].stat().st_mode & 0o077 == 0
