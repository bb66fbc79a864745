"""Programs and member months at the command line."""

import csv
import json
from pathlib import Path

import pytest

from tests.cli.test_cli import eob
from tests.cli.test_cli import run as run

YEAR = ("--payment-year", "2026")
MIXED = """member_id,age,sex,orec,esrd_status,months_since_transplant,low_income
P,70,F,0,none,,yes
Q,60,M,2,dialysis,,no
R,66,F,3,graft,12,no
"""
MONTHS = "member_id,month,dual\n" + "".join(
    f"{who},2026-{m:02d},{'02' if m > 6 else '00'}\n" for who in ("A0", "A1") for m in range(1, 13)
)


@pytest.fixture
def mixed(run, tmp_path: Path):
    (tmp_path / "mixed.csv").write_text(MIXED)
    (tmp_path / "mm.csv").write_text(MONTHS)
    return run


def score(run, *more: str):
    return run("score", "--members", "mixed.csv", "--diagnoses", "d.csv", *YEAR, "--out", "s.csv",
               *more)  # fmt: skip


def rows(name: str) -> list[dict[str, str]]:
    with Path(name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_part_c_and_part_d_in_one_pass(mixed):
    code, _, _ = score(mixed, "--payer", "ma", "--payer", "part-d-ma-pd",
                       "--accept-unverified")  # fmt: skip

    assert code == 0
    assert [(r["member_id"], r["model"], r["segment"]) for r in rows("s.csv")] == [
        ("P", "cms-hcc-v28/2026", "CNA"), ("Q", "esrd-v24/2026", "DI"),
        ("R", "esrd-v24/2026", "GNPA"), ("P", "rxhcc-v08-x/2026", "CE_Low_Aged"),
        ("Q", "rxhcc-v08-x/2026", "CE_NonLow_NonAged"), ("R", "rxhcc-v08-x/2026", "CE_NonLow_Aged"),
    ]  # fmt: skip


def test_several_models_in_one_pass(mixed):
    code, _, _ = mixed("score", "--members", "mixed.csv", "--diagnoses", "d.csv", "--out", "s.csv",
                       "--model", "rxhcc-v08-t/2026", "--model", "rxhcc-v08-x/2026")  # fmt: skip

    assert code == 0
    assert len(rows("s.csv")) == 6


def test_unverified_values_are_named_before_anything_is_scored(mixed):
    code, _, err = score(mixed, "--payer", "pace")
    accepted, _, said = score(mixed, "--payer", "pace", "--accept-unverified")

    assert (code, accepted) == (3, 0)
    assert "is unverified: --accept-unverified" in err
    assert "is unverified and was accepted" in said
    assert {r["model"] for r in rows("s.csv")} == {
        "cms-hcc-v28/2026", "cms-hcc-v22/2026", "esrd-v24/2026", "esrd-v21/2026", "pace/2026"
    }  # fmt: skip


def test_what_a_program_asks_for_is_said_and_taken_from_a_file(mixed, tmp_path: Path):
    code, _, err = score(mixed, "--payer", "mssp")
    assert code == 2
    assert "mssp/2026 needs values that only you know" in err
    assert 'national_mean_disabled = { value = "", source = "" }' in err
    assert "--parameters" in err

    names = ("disabled", "aged_dual", "aged_non_dual", "esrd")
    lines = [f'national_mean_{n} = {{ value = "1.0", source = "table 4" }}' for n in names]
    (tmp_path / "terms.toml").write_text("\n".join(lines))
    code, _, said = score(mixed, "--payer", "mssp", "--parameters", "terms.toml")
    assert code == 0
    assert "national mean 1.0 of cms-hcc-v28/2026" in said
    assert "was supplied (table 4)" in said


def months(run, *more: str):
    return run("score-months", "--members", "m.csv", "--months", "mm.csv", "--diagnoses", "d.csv",
               *YEAR, "--out", "y.csv", *more)  # fmt: skip


def test_months_are_scored_and_counted(mixed):
    code, out, err = months(mixed, "--monthly", "mo.csv")

    assert code == 0
    assert [r["months"] for r in rows("y.csv")] == ["12", "12"]
    assert [r["segment"] for r in rows("mo.csv")[:12]] == ["CNA"] * 6 + ["CFA"] * 6
    assert "Member months" in out
    assert "no column hospice: taken as no" in err


def test_month_counts_as_json(mixed):
    _, out, _ = months(mixed, "--json")

    said = json.loads(out)
    assert said["member_months"]["scored"] == 24
    assert said["written"] == ["y.csv"]


def test_a_bad_month_exits_with_3_and_leaves_no_file(mixed, tmp_path: Path):
    (tmp_path / "mm.csv").write_text(MONTHS + "A0,2026-13,00\n")

    code, _, err = months(mixed)

    assert code == 3
    assert "1 rows: month is not a month, such as 2026-01-01 or 2026-01 (first at row 25)" in err
    assert not (tmp_path / "y.csv").exists()


def test_an_output_may_not_be_an_input(mixed):
    code, _, err = months(mixed, "--monthly", "mm.csv")

    assert (code, err) == (2, "error: mm.csv is an input: choose another output\n")


def test_an_esrd_member_typed_in_is_explained(mixed):
    typed = ("--age", "66", "--sex", "F", "--orec", "2", "--dx", "I50.9")

    code, out, _ = mixed("explain", *typed, "--esrd-status", "graft",
                         "--months-since-transplant", "5",
                         "--accept-unverified", *YEAR)  # fmt: skip

    assert code == 0
    assert "segment GNPA" in out
    assert "GE65_DUR4_9_ND_PBD" in out
    assert "/ 1.104" in out


def test_two_components_of_one_model_are_explained_apart(mixed):
    code, out, _ = mixed("explain", "--age", "70", "--sex", "F", "--orec", "0", "--dx", "I50.9",
                         "--payment-year", "2018")  # fmt: skip

    assert code == 0
    assert "Payment score ma/2018: 0.85 x 0.645 + 0.15 x 0.645 = 0.645" in out


def test_programs_lists_years_and_values_and_what_is_asked(run):
    assert "2017, 2018" in run("programs")[1]
    _, out, _ = run("programs", "mssp", "2026")
    assert "your national_mean_aged_dual" in out
    assert 'medicare_secondary_payer_factor = { value = "", source = "" }' in out
    said = json.loads(run("programs", "pace", "2026", "--json")[1])
    assert len(said["components"]) == 6
    assert "frailty_factor" in said["asked_of_you"]
    shown = run("programs", "pace", "2026")[1].split("paid months")[1]
    assert shown.split()[:6] == ["entitled", "part_a", "or", "part_b", "unverified", "no"]
    assert run("programs", "nobody")[0] == 4
    assert run("programs", "ma", "1999")[0] == 4


CLAIM = json.dumps(eob(patient={"reference": "Patient/A0"})) + "\n"


def months_of_claims(run, *more: str):
    return run("score-months", "--members", "m.csv", "--months", "mm.csv", "--eob", "eob.ndjson",
               *YEAR, "--out", "y.csv", *more)  # fmt: skip


def test_no_output_of_months_replaces_the_claims(mixed, tmp_path: Path):
    (tmp_path / "eob.ndjson").write_text(CLAIM)

    code, _, err = months_of_claims(mixed, "--rejected", "eob.ndjson")

    assert (code, err) == (2, "error: eob.ndjson is an input: choose another output\n")
    assert (tmp_path / "eob.ndjson").read_text() == CLAIM


def test_a_damaged_claim_of_members_with_months_is_counted_and_listed(mixed, tmp_path: Path):
    (tmp_path / "eob.ndjson").write_text(CLAIM + "{\n")
    more = ("--on-error", "quarantine", "--rejected", "r.csv")

    code, out, _ = months_of_claims(mixed, *more, "--json")
    _, shown, _ = months_of_claims(mixed, *more)

    assert code == 0
    assert json.loads(out)["claims"]["resources rejected"] == 1
    assert [(r["table"], r["row"]) for r in rows("r.csv")] == [("claims", "2")]
    assert "Claims" in shown


def test_a_refused_status_is_listed_by_its_members_row_in_the_file(mixed, tmp_path: Path):
    (tmp_path / "people.csv").write_text("member_id,age,sex,orec\nx,70,F,0,,,9\n"
                                         "a,70,F,0\nb,71,M,0\nc,72,F,0\n")  # fmt: skip
    (tmp_path / "status.csv").write_text("member_id,month,esrd_status\na,2026-01,none\n"
                                         "b,2026-01,dialysis\nc,2026-01,none\n")  # fmt: skip

    code, _, _ = mixed("score-months", "--members", "people.csv", "--months", "status.csv",
                       "--diagnoses", "d.csv", *YEAR, "--out", "y.csv", "--rejected", "r.csv",
                       "--on-error", "quarantine")  # fmt: skip

    assert code == 0
    found = [(r["table"], r["row"], r["why"][:7]) for r in rows("r.csv")]
    assert found == [("members", "1", "CSV row"), ("members", "3", "ma/2026")]


@pytest.mark.parametrize("more", [("--parameters", "no.toml"), ("--accept-unverified",)])
def test_raw_scores_are_compared_without_a_program_s_options(mixed, more: tuple[str, ...]):
    code, _, err = mixed("compare-models", "cms-hcc-v24/2025", "cms-hcc-v28/2025", "--members",
                         "m.csv", "--diagnoses", "d.csv", *more)  # fmt: skip

    assert code == 2
    assert "go with --payer or" in err
