"""Groups are compared with the target of the same members; small ones are not shown."""

import math

import pytest

from benchmarks.equity import equity_rows
from riskadj.errors import InputError
from tests.benchmarks.gdp import gdp_run, table, value

HEAD = "dimension,group,entity_id,stratum,members,member_months,spending_usd,spending_sd_usd\n"


def _rows(text: str):
    return {
        r["group"]: r for r in equity_rows(gdp_run().record(), table(HEAD + text, "people.csv"))
    }


def test_a_groups_target_is_that_of_its_own_entities_and_strata() -> None:
    ledger = gdp_run()
    pmpm = {k: value(ledger, "target_pmpm_usd", *k) for k in (("A", "aged"), ("B", "disabled"))}
    rows = _rows("dual,full,A,aged,100,1200,1500000,900\ndual,full,B,disabled,50,600,900000,1200\n"
                 "dual,none,A,aged,100,1200,1400000,900\n")  # fmt: skip
    target = pmpm["A", "aged"] * 1200 + pmpm["B", "disabled"] * 600
    spread = math.sqrt(100 * 900**2 + 50 * 1200**2)

    assert rows["full"]["ratio"] == pytest.approx(2_400_000 / target)
    assert rows["full"]["high"] - rows["full"]["ratio"] == pytest.approx(1.959964 * spread / target)
    assert rows["full"]["actual_usd_pmpm"] == pytest.approx(2_400_000 / 1800)


def test_a_small_cell_is_hidden_and_so_is_the_next_that_would_give_it_away() -> None:
    rows = _rows("race,x,A,aged,10,120,1000,5\nrace,y,A,aged,40,480,1000,5\n"
                 "race,z,A,aged,90,1080,1000,5\nsex,f,A,aged,70,840,1000,5\n"
                 "sex,m,A,aged,70,840,1000,5\n")  # fmt: skip

    assert {g for g, r in rows.items() if r["suppressed"]} == {"x", "y"}
    assert rows["x"]["members"] == "<11"
    assert rows["y"]["members"] == "suppressed"
    assert "ratio" not in rows["x"]


def test_two_small_cells_hide_each_other() -> None:
    rows = _rows("race,x,A,aged,10,120,1000,5\nrace,y,A,aged,4,48,1000,5\n"
                 "race,z,A,aged,90,1080,1000,5\n")  # fmt: skip

    assert {g for g, r in rows.items() if r["suppressed"]} == {"x", "y"}


def test_what_came_suppressed_stays_suppressed() -> None:
    rows = _rows("race,x,A,aged,*,,,\nrace,y,A,aged,40,480,1000,5\nrace,z,A,aged,90,1080,1000,5\n")

    assert {g for g, r in rows.items() if r["suppressed"]} == {"x", "y"}


def test_without_a_spread_there_is_no_interval() -> None:
    rows = _rows("sex,f,A,aged,70,840,1000000,\nsex,m,A,aged,70,840,1000000,\n")

    assert math.isnan(rows["f"]["low"])
    assert rows["f"]["ratio"] > 0


@pytest.mark.parametrize(
    ("text", "said"),
    [("sex,f,Z,aged,70,840,1000,5\n", "line 2: entity 'Z' is not in the ledger"),
     ("sex,f,A,aged,70,0,1000,5\n", "line 2: members and member_months are above zero"),
     ("sex,f,A,aged,70,840,,5\n", "line 2: members, member_months and spending_usd are numbers")],
)  # fmt: skip
def test_a_row_that_cannot_be_used_is_refused_with_its_line(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        _rows(text)


def test_a_program_with_race_among_its_inputs_does_not_load(tmp_path) -> None:
    from benchmarks.program import PROGRAMS, load_program

    text = (PROGRAMS / "gdp-cap.toml").read_text(encoding="utf-8")
    (tmp_path / "p.toml").write_text(text.replace("risk_score =", "race_factor =", 1))

    with pytest.raises(InputError, match="'race_factor' cannot enter a target"):
        load_program(tmp_path / "p.toml")


@pytest.mark.parametrize("label", ["Black", "Non-Hispanic White", "Native Hawaiian", "asian_male"])
def test_strata_by_race_are_refused(label: str) -> None:
    from tests.benchmarks.gdp import BASE, trend

    with pytest.raises(InputError, match="cannot enter a target"):
        gdp_run(BASE.replace("aged", label), rates=trend(strata=(label, "disabled")))


def test_a_group_twice_is_refused() -> None:
    with pytest.raises(InputError, match="line 3: the same group, entity and stratum"):
        _rows("Sex,f,A,aged,6,72,1000,5\nsex,f,A,aged,6,72,1000,5\n")


def test_two_small_groups_hide_the_next_until_eleven_members_are_hidden() -> None:
    rows = _rows("svi,1,A,aged,3,36,1000,5\nsvi,2,A,aged,2,24,1000,5\nsvi,3,A,aged,30,360,1000,5\n"
                 "svi,4,A,aged,90,1080,1000,5\n")  # fmt: skip

    assert {g for g, r in rows.items() if r["suppressed"]} == {"1", "2", "3"}
