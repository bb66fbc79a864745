"""The ``tcoc`` command as a user types it."""

import csv
import io
import json
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.cli.app import app
from tests.benchmarks.gdp import BASE, SETTLE, TERMS, TREND

SCENARIOS = """years = 3
seed = 1
risk_growth = 0.0
[trend]
low = 0.02
high = 0.06
steps = 5
yearly_sd = 0.01
[index]
low = 0.0
high = 0.05
steps = 4
yearly_sd = 0.01
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tcoc")
    (folder / "base.csv").write_text(BASE)
    rows = [f"{s},{2019 + i},{t}" for s in ("aged", "disabled") for i, t in enumerate(TREND)]
    (folder / "trend.csv").write_text("\n".join(["stratum,year,trend", *rows]))
    terms = {**TERMS, **SETTLE}
    (folder / "terms.toml").write_text(
        "\n".join(f'{k} = "{v}"' for k, v in TERMS.items()))  # fmt: skip
    (folder / "all.toml").write_text("\n".join(f'{k} = "{v}"' for k, v in terms.items()))
    (folder / "scenarios.toml").write_text(SCENARIOS)
    return folder


@dataclass(frozen=True, slots=True)
class Done:
    """What a command printed, as a user sees it."""

    stdout: str
    stderr: str


def tcoc(folder: Path, *arguments: str, code: int = 0) -> Done:
    """Run a command in this process: starting Python each time takes longer than most commands."""
    from benchmarks.cli import main
    from riskadj.cli import console

    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["tcoc", *arguments])
        patch.setattr(console, "out", console.Console(
            highlight=False, soft_wrap=True, markup=False, width=console.WIDE))  # fmt: skip
        try:
            main()
            exited = 0
        except SystemExit as end:
            exited = int(end.code or 0)
    assert exited == code, out.getvalue() + err.getvalue()
    return Done(out.getvalue(), err.getvalue())


BASELINE = ("--baseline", "base.csv", "--baseline", "trend.csv")


@pytest.fixture(scope="module")
def target(files: Path) -> Path:
    tcoc(files, "target", "gdp-cap", *BASELINE, "--year", "2023", "--terms", "terms.toml",
         "--known-at", "2026-01-01", "--out", "target")  # fmt: skip
    return files / "target"


def test_the_command_runs_by_itself(files: Path) -> None:
    done = subprocess.run([sys.executable, "-W", "error", "-m", "benchmarks", "programs"],
                          cwd=files, capture_output=True, text=True, check=True)  # fmt: skip

    assert "gdp-cap" in done.stdout


def test_a_target_is_written_explained_and_replayed(files: Path, target: Path) -> None:
    rows = {
        r["entity_id"]: r
        for r in csv.DictReader((target / "entities.csv").read_text().splitlines())
    }
    explained = tcoc(files, "explain", "target_usd[A]", "target/ledger.json").stdout
    replayed = tcoc(files, "replay", "target/ledger.json").stdout

    assert set(rows) == {"A", "B"}
    assert f"{float(rows['A']['target_usd']):,.2f}" in explained
    assert "base.csv" in explained
    assert "all the same" in replayed


def test_a_changed_number_does_not_replay(files: Path, target: Path) -> None:
    record = json.loads((target / "ledger.json").read_text())
    node = next(n for n in record["nodes"] if n["id"] == "target_pmpm_usd")
    node["values"][0] += 0.01
    (files / "changed.json").write_text(json.dumps(record))

    done = tcoc(files, "replay", "changed.json", code=5)

    assert "target_pmpm_usd[A/aged]: recorded" in done.stdout


@pytest.mark.parametrize("kind", ["input", "parameter", "index", "option"])
def test_a_changed_input_or_rule_does_not_replay(files: Path, target: Path, kind: str) -> None:
    record = json.loads((target / "ledger.json").read_text())
    found = [n for n in record["nodes"] if n["kind"] == kind]
    if not found:
        assert kind == "parameter"  # this program reads none
        return
    found[0]["citation"] = "another"
    (files / "changed.json").write_text(json.dumps(record))

    done = tcoc(files, "replay", "changed.json", code=5)

    assert ("data_hash" if kind == "input" else "policy_hash") in done.stdout


@pytest.mark.parametrize(
    ("change", "said"),
    [(lambda r: r["nodes"].insert(5, {**r["nodes"][0], "kind": "axis"}), "stands twice"),
     (lambda r: r.update(status="final"), "policy_hash"),
     (lambda r: r.update(known_at="2020-01-01"), "policy_hash"),
     (lambda r: r["axes"]["entity"].reverse(), "data_hash"),
     (lambda r: r["nodes"].pop(1), "not whole"),
     (lambda r: r["nodes"][-1]["values"].pop(), "values for")],
)  # fmt: skip
def test_a_ledger_that_was_meddled_with_does_not_replay(files, target, change, said) -> None:
    record = json.loads((target / "ledger.json").read_text())
    change(record)
    (files / "changed.json").write_text(json.dumps(record))

    assert said in tcoc(files, "replay", "changed.json", code=5).stdout


def test_replay_tells_whether_the_rules_are_the_installed_ones(files, target) -> None:
    from benchmarks.replay import policy_hash

    record = json.loads((target / "ledger.json").read_text())
    step = next(n for n in record["nodes"] if n["id"] == "target_usd")
    step["citation"] = "Another rule"
    record["policy_hash"] = policy_hash(record)
    (files / "changed.json").write_text(json.dumps(record))

    assert "are those of the installed" in tcoc(files, "replay", "target/ledger.json").stdout
    assert "not those of the installed gdp-cap: target_usd" in tcoc(
        files, "replay", "changed.json").stdout  # fmt: skip


def test_every_row_of_the_ledger_has_all_columns(target: Path) -> None:
    rows = list(csv.DictReader((target / "ledger.csv").read_text().splitlines()))

    assert {"id", "step", "formula", "inputs", "value", "unit", "rounding", "citation",
            "policy_hash", "data_hash"} <= set(rows[0])  # fmt: skip
    steps = [r for r in rows if r["formula"]]
    assert steps
    assert all(r["citation"] and r["inputs"] and r["unit"] for r in steps)
    assert len({r["id"] for r in rows}) == len(rows)


def test_settlement_with_the_target_in_one_run_and_the_waterfall_between_two(files: Path) -> None:
    for cap, out in (("1.03", "one"), ("1.01", "two")):
        tcoc(files, "settle", "gdp-cap", "--results", "base.csv", "--baseline", "trend.csv",
             "--year", "2023", "--terms", "all.toml", "--set", f"risk_growth_cap={cap}",
             "--out", out)  # fmt: skip

    found = json.loads(tcoc(files, "diff", "one/ledger.json", "two/ledger.json",
                            "--node", "target_usd", "--json").stdout)  # fmt: skip

    assert [p["id"] for p in found["parts"]] == ["risk_growth_cap"]
    assert "2 entities in both" in tcoc(files, "diff", "one/ledger.json", "two/ledger.json").stdout


def test_a_report_with_groups_of_people(files: Path, target: Path) -> None:
    (files / "people.csv").write_text(
        "dimension,group,entity_id,stratum,members,member_months,spending_usd,spending_sd_usd\n"
        "race_ethnicity,black,A,aged,500,6000,6000000,9000\n"
        "race_ethnicity,white,A,aged,500,6000,5500000,9000\n"
    )  # fmt: skip
    tcoc(files, "report", "target/ledger.json", "--people", "people.csv", "--out", "page.html")

    page = (files / "page.html").read_text()

    assert "black" in page
    assert "<script" not in page


def test_a_projection_writes_its_page_and_tables(files: Path) -> None:
    done = tcoc(files, "project", "gdp-cap", "--baseline", "base.csv", "--scenarios",
                "scenarios.toml", "--terms", "terms.toml", "--out", "projected")  # fmt: skip

    assert "20 scenarios, 2 entities, 2019 to 2021" in done.stdout
    assert "<svg" in (files / "projected" / "projection.html").read_text()
    rows = list(csv.DictReader((files / "projected" / "forms.csv").read_text().splitlines()))
    assert {r["form"] for r in rows} == {"uncapped", "same_year", "same_year_floor_0", "cumulative"}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [(("target", "gdp-cap", *BASELINE, "--year", "2023", "--out", "x"), 2, "needs 8 more terms"),
     (("target", "nothing", *BASELINE, "--year", "2023", "--out", "x"), 4, "No program 'nothing'"),
     (("target", "gdp-cap", "--baseline", "none.csv", "--year", "2023", "--terms", "terms.toml",
       "--out", "x"), 2, "none.csv"),
     (("target", "gdp-cap", *BASELINE, "--year", "2030", "--terms", "terms.toml", "--out", "x"), 4,
      "gdp_nominal_calendar has no"),
     (("target", "gdp-cap", *BASELINE, "--year", "2023", "--terms", "terms.toml", "--set", "form",
       "--out", "x"), 2, "name=value"),
     (("settle", "gdp-cap", "--results", "base.csv", "--year", "2023", "--terms", "all.toml",
       "--out", "x"), 2, "gdp-cap settles against its own target: give --baseline"),
     (("settle", "ipab", "--results", "base.csv", "--year", "2013", "--out", "x"), 2,
      "ipab has no settlement: use `tcoc target`"),
     (("target", "./none.toml", *BASELINE, "--year", "2023", "--out", "x"), 4, "No file none.toml"),
     (("series", "gdp_nominal_calendar", "--known-at", "2020-01-01"), 4, "was not known on"),
     (("explain", "nothing", "target/ledger.json"), 3, "nothing"),
     (("replay", "base.csv"), 3, "is no JSON"),
     (("series", "nothing"), 4, "No series 'nothing'")],
)  # fmt: skip
def test_what_cannot_be_done_says_what_to_put_right(files, target, arguments, code, said) -> None:
    done = tcoc(files, *arguments, code=code)

    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_programs_are_listed_with_how_much_of_each_is_verified(files: Path) -> None:
    from benchmarks.program import list_programs

    rows = json.loads(tcoc(files, "programs", "--json").stdout)
    shown = tcoc(files, "programs", "mssp").stdout

    assert [r["program"] for r in rows] == list_programs()
    assert all(0 <= r["verified"] <= r["steps_and_values"] for r in rows)
    assert next(r for r in rows if r["program"] == "mssp")["verified"] > 50
    assert "earned_usd = " in shown
    assert "42 CFR 425.6" in shown


def test_a_program_writes_files_to_fill_in_with_nothing_decided(files: Path) -> None:
    tcoc(files, "programs", "gdp-cap", "--write", "mine")
    terms = (files / "mine" / "terms.toml").read_text()
    header = (files / "mine" / "by_entity_stratum.csv").read_text().strip().split(",")

    assert {"entity_id", "stratum", "member_months", "spending_usd"} <= set(header)
    assert 'form = ""' in terms
    assert "uncapped | same_year" in terms
    unfilled = tcoc(files, "target", "gdp-cap", *BASELINE, "--year", "2023", "--terms",
                    "mine/terms.toml", "--out", "x", code=2)  # fmt: skip
    assert "form" in unfilled.stderr


def test_every_output_names_what_is_not_verified(files: Path) -> None:
    (files / "de.csv").write_text("entity_id,prior_per_capita_usd\nDE,9705\n")
    done = tcoc(files, "target", "state-target", "--baseline", "de.csv", "--year", "2023", "--set",
                "state=DE", "--set", "rule=published", "--out", "de")  # fmt: skip
    row = next(csv.DictReader((files / "de" / "entities.csv").read_text().splitlines()))
    page = (files / "de" / "report.html").read_text()

    assert "published_growth (unverified)" in done.stderr
    assert "published_growth" in row["not_verified"]
    assert "NOT VERIFIED" in page


def test_series_show_growth_as_known_on_a_day(files: Path) -> None:
    early = tcoc(files, "series", "medicare_outlays_fiscal", "--known-at", "2020-01-01").stdout

    assert "projected" in early
    assert "gdp_real_calendar" in tcoc(files, "series").stdout


def test_every_command_has_help_with_an_example(files: Path) -> None:
    for command in app.registered_commands:
        said = tcoc(files, str(command.name), "--help").stdout
        assert "tcoc" in said, command.name


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    tcoc(folder, "demo", "--out", "demo")
    return folder / "demo"


def test_the_demonstration_goes_from_claims_to_a_report_and_replays(demo: Path) -> None:
    page = (demo / "report.html").read_text()

    assert "ACO-01" in page
    assert "Completion of 2025" in page
    assert "Race ethnicity" in page
    assert "all the same" in tcoc(demo, "replay", "ledger.json").stdout


def test_completion_brings_back_what_was_not_paid_yet(demo: Path) -> None:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    whole = pq.read_table(demo / "population" / "costs.parquet")
    paid = pq.read_table(demo / "costs-paid.parquet")
    totals = [pc.sum(t.filter(pc.equal(t["year"], 2025))["paid_cents"]).as_py()
              for t in (whole, paid)]  # fmt: skip
    page = (demo / "report.html").read_text()
    share = re.search(r"([\d.]+)\s?% of the year is paid so far", page)

    assert share is not None
    assert totals[1] / totals[0] == pytest.approx(float(share[1]) / 100, abs=2e-4)


def test_prepared_rows_are_those_of_a_plain_loop(demo: Path) -> None:
    """Months by entity and stratum, counted member by member."""
    import pyarrow.parquet as pq

    lines = (demo / "attribution.csv").read_text().splitlines()
    owner = {r["member_id"]: r["entity_id"]
             for r in csv.DictReader(lines)}  # fmt: skip
    people = {
        r["member_id"]: r
        for r in pq.read_table(demo / "population" / "members-2024.parquet").to_pylist()
    }
    months: dict[tuple[str, str], float] = {}
    for row in pq.read_table(demo / "costs-paid.parquet").to_pylist():
        if row["year"] != 2024 or row["member_id"] not in owner:
            continue
        who = people[row["member_id"]]
        stratum = ("DISABLED" if who["age"] < 65 else
                   "AGED_DUAL" if who["dual_status_code"] not in ("00", "", None, "09", "10", "99")
                   else "AGED_NON_DUAL")  # fmt: skip
        key = (owner[row["member_id"]], stratum)
        months[key] = months.get(key, 0) + row["months"]

    rows = {(r["entity_id"], r["stratum"]): float(r["member_months"])
            for r in csv.DictReader((demo / "baseline.csv").read_text().splitlines())}  # fmt: skip

    assert rows == months


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [(("--strata", "race_ethnicity"), 3, "'race_ethnicity' cannot enter a target"),
     (("--strata", "county"), 2, "members have no column 'county'"),
     (("--year", "2027"), 2, "no members of 2027: give --members 2027=FILE"),
     (("--truncate-at", "0"), 2, "share above 0 and at most 1")],
)  # fmt: skip
def test_what_cannot_be_prepared_says_why(demo: Path, change, code: int, said: str) -> None:
    options = {"--strata": "enrollment_type", "--year": "2025", "--truncate-at": "0.99"}
    options |= dict([change])
    arguments = ["prepare", "--baseline-year", "2024", "--costs", "costs-paid.parquet",
                 "--attribution", "attribution.csv", "--out", "again"]  # fmt: skip
    for year in (2024, 2025):
        arguments += ["--members", f"{year}=population/members-{year}.parquet",
                      "--scores", f"{year}=scores-{year}.parquet"]  # fmt: skip

    done = tcoc(demo, *arguments, *(x for pair in options.items() for x in pair), code=code)

    assert said in done.stderr


def test_a_member_of_two_entities_at_once_is_refused(demo: Path) -> None:
    rows = (demo / "attribution.csv").read_text().splitlines()
    member = rows[1].split(",")[0]
    (demo / "doubled.csv").write_text("\n".join([*rows, f"{member},ACO-99,2020-01-01,,invented"]))
    arguments = ["prepare", "--baseline-year", "2024", "--year", "2025", "--costs",
                 "costs-paid.parquet", "--attribution", "doubled.csv", "--strata",
                 "enrollment_type", "--truncate-at", "1", "--out", "again"]  # fmt: skip
    for year in (2024, 2025):
        arguments += ["--members", f"{year}=population/members-{year}.parquet",
                      "--scores", f"{year}=scores-{year}.parquet"]  # fmt: skip

    done = tcoc(demo, *arguments, code=3)

    assert "attribution: 1 rows repeat a member_id with another entity" in done.stderr
    assert member not in done.stderr
