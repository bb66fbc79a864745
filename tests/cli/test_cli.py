"""The command: results on stdout, all else on stderr, documented exit codes, whole outputs."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys

import duckdb
import pyarrow.parquet as pq
import pytest

from riskadj.catalog import list_models
from riskadj.cli import main

MEMBERS = "member_id,age,sex,orec,dual\nA0,70,F,0,\nA1,71,M,0,02\n"
DIAGNOSES = "member_id,diagnosis_code\nA0,E11.21\nA0,I28.1\nA1,I10\nGONE,E11.21\n"
BAD = "member_id,age,sex,orec,dual\nA0,70,F,0,\nSECRETID7,-3,M,0,02\n"
YEAR = ("--payment-year", "2026")
TYPED_IN = ("--age", "70", "--sex", "F", "--orec", "0", "--dx", "E11.21,I28.1")
COMMANDS = [
    (), ("score",), ("explain",), ("sql",), ("demo",), ("synthesize",), ("models",),
    ("models", "list"),
    ("models", "show"), ("models", "seal"), ("import",), ("import", "cms-python"),
    ("import", "published"), ("import", "cms-sas"), ("compare-models",), ("bridge",),
    ("score-months",), ("programs",),
]  # fmt: skip


@pytest.fixture
def run(monkeypatch, capfd, tmp_path):
    """Run a command in a folder with members, bad members and diagnoses: (code, out, err)."""
    monkeypatch.chdir(tmp_path)
    for name, text in (("m.csv", MEMBERS), ("bad.csv", BAD), ("d.csv", DIAGNOSES)):
        (tmp_path / name).write_text(text)

    def run_command(*arguments):
        monkeypatch.setattr(sys, "argv", ["riskadj", *map(str, arguments)])
        with pytest.raises(SystemExit) as done:
            main()
        seen = capfd.readouterr()
        return done.value.code or 0, seen.out, seen.err

    return run_command


def score(run, *more, members="m.csv", out="s.csv"):
    return run("score", "--members", members, "--diagnoses", "d.csv", *YEAR, "--out", out, *more)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


INPUTS = ["bad.csv", "d.csv", "m.csv"]


def assert_nothing_was_written(folder):
    assert names_in(folder) == INPUTS
    assert (folder / "m.csv").read_text() == MEMBERS


# ---- Help and wrong use ----------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_of_every_command_has_an_example(command, run):
    code, out, _ = run(*command, "--help")

    assert code == 0
    assert "Example" in out
    assert "riskadj " + " ".join(command) in " ".join(out.split("Example", 1)[1].split())


def test_help_tells_the_exit_codes(run):
    _, out, _ = run("--help")

    said = " ".join(out.split())
    for meaning in ("0 done", "1 internal error", "2 wrong use", "3 invalid data", "4 not"):
        assert meaning in said


@pytest.mark.parametrize(
    "arguments",
    [
        ("bogus",), ("score",), ("score", "--bogus"), ("models", "bogus"), ("explain",),
        ("explain", "--age", "70", "--sex", "F", *YEAR),
        ("explain", "--members", "m.csv", "--diagnoses", "d.csv", *YEAR),
        ("score", "--members", "m.csv", "--diagnoses", "d.csv", "--out", "s.csv"),
        ("score", "--members", "m.csv", "--out", "s.csv", *YEAR),
        ("score", "--members", "m.csv", "--diagnoses", "d.csv", "--eob", "e.ndjson",
         "--out", "s.csv", *YEAR),
        ("score", "--members", "m.csv", "--diagnoses", "d.csv", "--out", "s.csv", *YEAR,
         "--model", "cms-hcc-v28/2026"),
        ("score", "--members", "m.csv", "--diagnoses", "d.csv", "--out", "s.csv", *YEAR,
         "--segment", "CNA"),
        ("score", "--members", "m.csv", "--diagnoses", "d.csv", "--out", "s.csv",
         "--payment-year", "soon"),
        ("compare-models", "cms-hcc-v24/2025"), ("bridge", "--model", "cms-hcc-v28/2026"),
        ("compare-models", "cms-hcc-v24/2025", "cms-hcc-v28/2025", "--members", "m.csv"),
        ("compare-models", "cms-hcc-v24/2025", "cms-hcc-v28/2025", "--members", "m.csv",
         "--diagnoses", "d.csv", "--out", "parts.parquet"),
        ("compare-models", "cms-hcc-v24/2025", "cms-hcc-v28/2025", "--members", "m.csv",
         "--diagnoses", "d.csv", "--out", "nowhere/parts.csv"),
        ("compare-models", "cms-hcc-v24/2025", "cms-hcc-v28/2025", "--members", "m.csv",
         "--diagnoses", "d.csv", "--out", "m.csv"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_wrong_use_exits_with_2_and_writes_nothing(arguments, run, tmp_path):
    code, out, err = run(*arguments)

    assert code == 2
    assert out == ""
    assert err
    assert_nothing_was_written(tmp_path)


@pytest.mark.parametrize(
    "option",
    [
        ("--on-error", "ignore"), ("--memory-limit", "banana"), ("--threads", "0"),
        ("--threads", "-1"), ("--out", "s.xlsx"),
        ("--out", "nowhere/s.csv"), ("--quality", "q.csv"), ("--factors", "s.csv"),
        ("--out", "m.csv"), ("--rejected", "d.csv"), ("--out", "."),
    ],
    ids=" ".join,
)  # fmt: skip
def test_an_option_that_cannot_be_is_refused_before_anything_is_written(option, run, tmp_path):
    code, out, err = score(run, *option)

    assert code in (2, 3)
    assert out == ""
    assert "Traceback" not in err
    assert_nothing_was_written(tmp_path)


@pytest.mark.parametrize(
    "option",
    [("--on-error", "ignore"), ("--memory-limit", "banana"), ("--threads", "0"), ("--out", "s.x")],
    ids=" ".join,
)
def test_an_option_that_cannot_be_is_wrong_use_and_not_invalid_data(option, run):
    code, _, _ = score(run, *option)

    assert code == 2


def test_a_folder_in_the_place_of_an_output_is_refused(run, tmp_path):
    (tmp_path / "s.csv").mkdir()

    code, _, err = score(run)

    assert code in (2, 3)
    assert "Traceback" not in err
    assert names_in(tmp_path) == [*INPUTS, "s.csv"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("score", "--members", "m.csv", "--diagnoses", "d.csv", "--out", "s.csv",
         "--payment-year", "1999"),
        ("score", "--members", "m.csv", "--diagnoses", "d.csv", "--out", "s.csv", *YEAR,
         "--payer", "zz"),
        ("score", "--members", "m.csv", "--diagnoses", "d.csv", "--out", "s.csv",
         "--model", "nope"),
        ("explain", *TYPED_IN, "--payment-year", "1999"), ("explain", *TYPED_IN, "--model", "nope"),
        ("models", "show", "nope"), ("sql", "nope"), ("models", "seal", "nowhere"),
        ("compare-models", "nope", "cms-hcc-v28/2025", "--members", "m.csv", "--diagnoses",
         "d.csv"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_is_not_published_exits_with_4(arguments, run, tmp_path):
    code, out, err = run(*arguments)

    assert code == 4
    assert out == ""
    assert err.startswith("error: ")
    assert_nothing_was_written(tmp_path)


# ---- score -----------------------------------------------------------------------------------


def test_score_writes_one_row_a_member(run, tmp_path):
    code, _, _ = score(run)

    assert code == 0
    assert names_in(tmp_path) == [*INPUTS, "s.csv"]
    with (tmp_path / "s.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["member_id"], r["segment"], r["raw_score"], r["payment_score"], r["conditions"])
            for r in rows] == [("A0", "CNA", "1.033", "0.911", "HCC37 HCC226"),
                               ("A1", "CFA", "0.626", "0.552", "")]  # fmt: skip


def test_every_output_is_written_as_parquet_too(run, tmp_path):
    names = ("s.parquet", "f.parquet", "x.parquet", "r.parquet", "q.json")
    options = ("--factors", "f.parquet", "--statuses", "x.parquet", "--rejected", "r.parquet",
               "--quality", "q.json")  # fmt: skip

    code, out, _ = score(run, *options, out="s.parquet")

    assert code == 0
    assert names_in(tmp_path) == sorted([*INPUTS, *names])
    assert pq.read_table("s.parquet")["raw_score"].to_pylist() == [1.033, 0.626]
    assert sum(pq.read_table("f.parquet")["coefficient"].to_pylist()) == pytest.approx(1.659)
    assert pq.read_table("x.parquet").num_rows == 3
    assert pq.read_table("r.parquet").num_rows == 0
    assert [line for line in out.splitlines() if line.startswith("wrote ")] == [
        f"wrote {name}" for name in names
    ]


def test_counts_go_to_stdout_and_notes_to_stderr(run):
    _, out, err = score(run)

    assert re.search(r"of members not in the table +1$", out, re.MULTILINE)
    assert "note:" not in out
    assert "note: no column new_enrollee: taken as no" in err


def test_json_is_the_counts_and_nothing_else(run):
    code, out, err = score(run, "--json")

    said = json.loads(out)
    assert code == 0
    assert err == ""
    assert (said["members"], said["members_scored"]) == (2, 2)
    assert (said["diagnoses"], said["diagnoses_mapped"]) == (4, 3)
    assert said["diagnoses_set_aside"] == {"unmapped": 1}
    assert said["diagnoses_of_unknown_members"] == 1
    assert said["written"] == ["s.csv"]


@pytest.mark.parametrize("name", ["s[bold].csv", "s [x].csv", "it's.csv", "[red]s.csv"])
def test_the_path_written_is_told_as_it_is(name, run, tmp_path):
    code, out, _ = score(run, out=name)

    assert code == 0
    assert f"wrote {name}\n" in out
    assert (tmp_path / name).is_file()


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
def test_a_dry_run_writes_nothing(form, run, tmp_path):
    code, out, _ = score(run, "--dry-run", "--quality", "q.json", *form)

    assert code == 0
    assert "cms-hcc-v28/2026" in out
    assert_nothing_was_written(tmp_path)


def test_a_dry_run_says_as_json_what_it_would_read(run):
    _, out, err = score(run, "--dry-run", "--json")

    said = json.loads(out)
    assert err == ""
    assert said["models"] == ["cms-hcc-v28/2026"]  # ESRD V24 pays by what is unverified
    assert said["payment"] == ["ma/2026"]
    assert said["tables"]["members"] == {
        "rows": 2, "columns": ["member_id", "age", "sex", "orec", "dual"]
    }  # fmt: skip
    assert said["tables"]["diagnoses"]["rows"] == 4


def test_a_dry_run_keeps_notes_off_stdout(run):
    _, out, _ = score(run, "--dry-run")

    assert "note:" not in out


def test_a_dry_run_finds_a_missing_file(run):
    code, _, err = score(run, "--dry-run", members="nope.csv")

    assert code == 3
    assert err == "error: members: no file nope.csv\n"


def test_a_dry_run_does_not_tell_the_first_row_of_a_file_without_header(run, tmp_path):
    (tmp_path / "m.csv").write_text("SECRETID7,70,F,0,\nA1,71,M,0,02\n")

    _, out, err = score(run, "--dry-run")

    assert "secretid7" not in (out + err).lower()


def test_one_model_with_a_forced_segment(run):
    code, _, _ = run("score", "--members", "m.csv", "--diagnoses", "d.csv", "--out", "s.parquet",
                     "--model", "cms-hcc-v28/2026", "--segment", "CND")  # fmt: skip

    assert code == 0
    assert set(pq.read_table("s.parquet")["segment"].to_pylist()) == {"CND"}
    assert set(pq.read_table("s.parquet")["payment_score"].to_pylist()) == {None}


def test_one_model_in_all_segments_has_a_row_for_each(run):
    run("score", "--members", "m.csv", "--diagnoses", "d.csv", "--out", "s.parquet",
        "--model", "cms-hcc-v28/2026", "--all-segments")  # fmt: skip

    assert pq.read_table("s.parquet").num_rows == 2 * 9


def test_a_blended_year_adds_the_blend(run):
    run("score", "--members", "m.csv", "--diagnoses", "d.csv", "--out", "s.parquet",
        "--payment-year", "2025")  # fmt: skip

    models = pq.read_table("s.parquet")["model"].to_pylist()
    assert sorted(models) == sorted(["cms-hcc-v24/2025", "cms-hcc-v28/2025", "ma/2025"] * 2)


# ---- Invalid data ----------------------------------------------------------------------------


def test_bad_members_exit_with_3_and_write_nothing(run, tmp_path):
    code, out, err = score(run, "--quality", "q.json", members="bad.csv")

    assert code == 3
    assert out == ""
    assert err == (
        "error: members: of 2 rows,\n"
        "  1 rows: age is not whole years from 0 to 120 (first at row 2)\n"
        "Correct them, or score the rest: --on-error quarantine\n"
    )
    assert_nothing_was_written(tmp_path)


def test_quarantine_scores_the_good_and_writes_the_bad_with_reasons(run, tmp_path):
    code, out, err = score(run, "--on-error", "quarantine", "--rejected", "r.csv",
                           "--quality", "q.json", members="bad.csv")  # fmt: skip

    assert code == 0
    assert (tmp_path / "r.csv").read_text() == (
        '"table","row","why"\n"members",2,"age is not whole years from 0 to 120"\n'
    )
    assert '"A0"' in (tmp_path / "s.csv").read_text()
    quality = json.loads((tmp_path / "q.json").read_text())
    assert quality["members"] == quality["members_scored"] + sum(
        quality["members_rejected"].values()
    )
    assert "SECRETID7" not in out + err + (tmp_path / "q.json").read_text()


def test_quarantine_writes_rows_of_a_csv_file_that_cannot_be_read(run, tmp_path):
    (tmp_path / "m.csv").write_text(f"{MEMBERS}A2,70\n")

    code, _, _ = score(run, "--on-error", "quarantine", "--rejected", "r.csv")

    assert code == 0
    assert len((tmp_path / "r.csv").read_text().splitlines()) == 2


def test_an_older_output_survives_a_failure(run, tmp_path):
    (tmp_path / "s.csv").write_text("older")

    code, _, _ = score(run, members="bad.csv")

    assert code == 3
    assert (tmp_path / "s.csv").read_text() == "older"


def test_nothing_is_left_or_changed_when_scoring_fails_midway(run, tmp_path, monkeypatch):
    from riskadj.errors import InputError
    from riskadj.scoring import sink

    def fail(*_):
        raise InputError("midway")

    (tmp_path / "s.csv").write_text("older")
    monkeypatch.setattr(sink, "factor_table", fail)

    code, out, err = score(run, "--factors", "f.csv", "--quality", "q.json")

    assert (code, out, err) == (3, "", "error: midway\n")
    assert (tmp_path / "s.csv").read_text() == "older"
    assert names_in(tmp_path) == [*INPUTS, "s.csv"]


def test_a_part_left_by_a_killed_run_is_not_taken_for_an_output(run, tmp_path):
    (tmp_path / ".s.csv.part").write_text("half a file")

    score(run)

    assert "half" not in (tmp_path / "s.csv").read_text()
    assert names_in(tmp_path) == [".s.csv.part", *INPUTS, "s.csv"]


# ---- Internal errors -------------------------------------------------------------------------


def test_an_internal_error_exits_with_1_and_tells_no_values(run, tmp_path, monkeypatch):
    def fail(*_):
        raise ValueError("SECRETID7")

    monkeypatch.setattr("riskadj.scoring.sink.Files.write", fail)

    code, out, err = score(run)

    assert (code, out) == (1, "")
    assert "SECRETID7" not in err
    assert_nothing_was_written(tmp_path)


# ---- explain ---------------------------------------------------------------------------------


def test_explain_prints_the_raw_score_of_a_member_typed_in(run):
    code, out, _ = run("explain", *TYPED_IN, *YEAR)

    assert code == 0
    raw = next(line for line in out.splitlines() if line.startswith("raw score"))
    assert raw.split() == ["raw", "score", "1.033"]
    assert "DIABETES_HF_V28" in out


def test_explain_as_json_is_json_alone(run):
    code, out, err = run("explain", *TYPED_IN, *YEAR, "--json")

    said = json.loads(out)
    assert (code, err) == (0, "")
    assert said["scores"][0]["raw_score"] == 1.033
    assert sum(f["coefficient"] for f in said["factors"]) == pytest.approx(1.033)
    assert [d["status"] for d in said["diagnoses"]] == ["counted", "counted"]
    assert [s["value"] for s in said["payment"][0]] == ["0.968135", "0.968", "0.910888", "0.911"]


def test_explain_keeps_notes_off_stdout(run):
    _, out, err = run("explain", *TYPED_IN, *YEAR)

    assert "note:" not in out
    assert "note: payment chain ma/2026" in err


def test_explain_finds_a_member_of_a_table(run):
    code, out, _ = run("explain", "--members", "m.csv", "--diagnoses", "d.csv",
                       "--member-id", "A0", *YEAR, "--json")  # fmt: skip

    assert code == 0
    assert json.loads(out)["scores"][0]["raw_score"] == 1.033


def test_explain_of_an_absent_member_exits_with_3_and_does_not_tell_the_id(run):
    code, out, err = run("explain", "--members", "m.csv", "--diagnoses", "d.csv",
                         "--member-id", "SECRETID7", *YEAR)  # fmt: skip

    assert (code, out) == (3, "")
    assert err == "error: members: no row has this member_id\n"


@pytest.mark.parametrize("code_typed", ["[bold]", "[/x]", "[", "E11.21]"])
def test_explain_shows_a_code_with_brackets_as_it_is(code_typed, run):
    code, out, err = run("explain", "--age", "70", "--sex", "F", "--orec", "0",
                         "--dx", code_typed, *YEAR)  # fmt: skip

    assert code == 0
    assert "Traceback" not in err
    assert code_typed.upper().replace(".", "") in out


@pytest.mark.parametrize(
    "changed", [("--age", "150"), ("--sex", "X"), ("--orec", "9"), ("--dual", "77")], ids=" ".join
)
def test_explain_refuses_what_score_refuses(changed, run):
    code, out, err = run("explain", *TYPED_IN, *YEAR, *changed)

    assert (code, out) == (3, "")
    assert err.startswith("error: members: of 1 rows,")


# ---- models, sql, import ---------------------------------------------------------------------


def test_models_list_is_the_registry(run):
    code, out, _ = run("models", "list", "--json")

    assert code == 0
    assert [m["key"] for m in json.loads(out)] == [entry.key for entry in list_models()]


def test_models_list_as_text_names_every_model(run):
    _, out, _ = run("models", "list")

    assert all(entry.key in out for entry in list_models())


def test_models_show_tells_facts_and_coefficients(run):
    code, out, _ = run("models", "show", "cms-hcc-v28/2026")

    assert code == 0
    row = next(line for line in out.splitlines() if line.startswith("F70_74"))
    assert "0.395" in row
    assert "Evidence: " in out


def test_models_show_as_json(run):
    _, out, _ = run("models", "show", "cms-hcc-v28/2026", "--json")

    assert json.loads(out)["payment_year"] == 2026


@pytest.fixture
def folder(models, tmp_path):
    return shutil.copytree(models / "published" / "cms-hcc-v28" / "2026", tmp_path / "own")


def changed_coefficient(folder):
    path = folder / "coefficients.csv"
    path.write_text(path.read_text().replace("0.395", "0.400", 1))


def test_a_changed_model_folder_exits_with_4_until_it_is_sealed(run, folder):
    changed_coefficient(folder)

    before, _, err = run("models", "show", folder)
    sealed, out, _ = run("models", "seal", folder)
    after, _, _ = run("models", "show", folder)

    assert (before, sealed, after) == (4, 0, 0)
    assert "changed since it was sealed: coefficients.csv" in err
    assert out == f"wrote {folder / 'manifest.json'}\n"


def test_a_folder_that_is_no_model_is_not_sealed(run, folder):
    (folder / "coefficients.csv").write_text("nonsense\n")
    seal = (folder / "manifest.json").read_bytes()

    code, out, _ = run("models", "seal", folder)

    assert (code, out) == (4, "")
    assert (folder / "manifest.json").read_bytes() == seal


def test_sql_of_a_model_runs_in_duckdb(run):
    code, out, _ = run("sql", "cms-hcc-v28/2026")

    assert code == 0
    assert len(duckdb.extract_statements(out)) >= 1


def test_sql_goes_to_a_file(run, tmp_path):
    _, printed, _ = run("sql", "cms-hcc-v28/2026")
    code, out, _ = run("sql", "cms-hcc-v28/2026", "--out", "m.sql")

    assert (code, out) == (0, "wrote m.sql\n")
    assert (tmp_path / "m.sql").read_text() == printed


def test_sql_into_a_folder_that_is_not_there_is_refused(run):
    code, _, err = run("sql", "cms-hcc-v28/2026", "--out", "nowhere/m.sql")

    assert code in (2, 3)
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "arguments",
    [("import", "cms-python", "nowhere", "--out", "new"),
     ("import", "published", "nowhere", "--models", "new")],
    ids=" ".join,
)  # fmt: skip
def test_import_of_a_missing_package_exits_with_3_and_writes_nothing(arguments, run, tmp_path):
    code, out, err = run(*arguments)

    assert (code, out) == (3, "")
    assert "error: nowhere: " in err
    assert_nothing_was_written(tmp_path)


# ---- Claims ----------------------------------------------------------------------------------


def eob(**changes):
    coded = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "E11.21"}]}
    service = {"system": "https://bluebutton.cms.gov/resources/codesystem/hcpcs", "code": "99213"}
    kind = {"system": "https://bluebutton.cms.gov/resources/codesystem/eob-type", "code": "CARRIER"}
    return {
        "resourceType": "ExplanationOfBenefit", "id": "c1", "status": "active", "use": "claim",
        "type": {"coding": [kind]}, "patient": {"reference": "Patient/A0"},
        "billablePeriod": {"start": "2025-05-01", "end": "2025-05-06"},
        "diagnosis": [{"diagnosisCodeableConcept": coded}],
        "item": [{"productOrService": {"coding": [service]}}],
    } | changes  # fmt: skip


def score_claims(run, folder, *lines, more=()):
    (folder / "eob.ndjson").write_text("".join(f"{line}\n" for line in lines))
    return run("score", "--members", "m.csv", "--eob", "eob.ndjson", *YEAR, "--out", "s.parquet",
               "--json", *more)  # fmt: skip


def test_claims_are_scored_end_to_end(run, tmp_path):
    void = json.dumps(eob(id="c2", status="cancelled"))

    code, out, _ = score_claims(run, tmp_path, json.dumps(eob()), void)

    said = json.loads(out)
    assert code == 0
    assert pq.read_table("s.parquet")["raw_score"].to_pylist() == [0.561, 0.626]
    assert (said["diagnoses"], said["diagnoses_mapped"]) == (2, 1)
    assert said["diagnoses_set_aside"] == {"not_accepted_claim": 1}
    assert said["claims"]["claims accepted"] == 1


def test_a_damaged_claim_exits_with_3_and_its_line(run, tmp_path):
    code, _, err = score_claims(run, tmp_path, json.dumps(eob()), '{"id": "SECRETID7", ')

    assert code == 3
    assert err == ("error: eob.ndjson: line 2 is not valid JSON (the file may be truncated)\n")


def test_a_damaged_claim_is_counted_in_quarantine(run, tmp_path):
    more = ("--on-error", "quarantine")

    code, out, _ = score_claims(run, tmp_path, json.dumps(eob()), '{"id": "SECRETID7", ', more=more)

    assert code == 0
    assert json.loads(out)["claims"]["resources rejected"] == 1
    assert "SECRETID7" not in out


def test_a_damaged_claim_is_among_the_rejected(run, tmp_path):
    more = ("--on-error", "quarantine", "--rejected", "r.csv")

    score_claims(run, tmp_path, json.dumps(eob()), "{", more=more)

    assert len((tmp_path / "r.csv").read_text().splitlines()) == 2


# ---- The installed command -------------------------------------------------------------------


@pytest.mark.parametrize(("members", "expected"), [("m.csv", 0), ("bad.csv", 3)])
def test_the_command_as_a_process_exits_with_the_same_code(members, expected, run, tmp_path):
    code = "import sys; from riskadj.cli import main; sys.exit(main())"
    arguments = ["score", "--members", members, "--diagnoses", "d.csv", *YEAR, "--out", "s.csv"]

    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "COLUMNS": "80"}, check=False,
    )  # fmt: skip

    assert done.returncode == expected
    assert "SECRETID7" not in done.stdout + done.stderr


POPULATION = ("synthesize", "--members", 2000, "--seed", 7, "--out", "population")


def test_synthesize_writes_a_population_and_says_how_near_it_is(run, tmp_path) -> None:
    code, out, err = run(*POPULATION, "--first-year", 2024)

    assert (code, err) == (0, "")
    names = {path.name for path in (tmp_path / "population").iterdir()}
    tables = {"members-2024", "members-2025", "members-2026", "diagnoses", "costs", "truth"}
    assert names == {f"{name}.parquet" for name in tables} | {"population.json"}
    assert all(name in out for name in names)
    head = json.loads((tmp_path / "population" / "population.json").read_text())
    assert f"{head['achieved']['zero_share']:,}" in out
    assert "svi_decile >= 9" in out


def test_synthesize_replaces_a_population_only_when_told_to(run) -> None:
    assert run(*POPULATION)[0] == 0

    code, _, err = run(*POPULATION)
    again = run(*POPULATION, "--overwrite")

    assert code == 2
    assert "holds a population already (population.json)" in err
    assert again[0] == 0


@pytest.mark.parametrize(("option", "value", "message"), [
    ("--preset", "mars", "No preset 'mars'. There is: adults, medicare"),
    ("--members", "999", "at least 1,000"),
])  # fmt: skip
def test_synthesize_refuses_what_cannot_be_drawn(run, option, value, message) -> None:
    code, _, err = run(*POPULATION, option, value)

    assert code == 2
    assert message in err


def test_demo_scores_the_invented_members_and_explains_one(run, tmp_path) -> None:
    code, out, _ = run("demo", "--out", "demo")

    assert code == 0
    assert "10,000 members scored" in out
    assert "One member, M" in out
    assert pq.read_metadata(tmp_path / "demo" / "members.parquet").num_rows == 10_000


# ---- compare-models and bridge ---------------------------------------------------------------

PAIR = ("compare-models", "cms-hcc-v24/2025", "cms-hcc-v28/2025", "--members")
YEARS = ("bridge", "--model", "cms-hcc-v24/2025", "--members", "m.csv", "--diagnoses", "d.csv",
         "--to-model", "cms-hcc-v28/2025", "--to-members", "next.csv", "--to-diagnoses",
         "d.csv")  # fmt: skip
NEXT = "member_id,age,sex,orec,dual\nA1,72,M,0,\nA2,75,M,0,\n"


def rows_of(path):
    with path.open(newline="") as file:
        return [tuple(row.values()) for row in csv.DictReader(file)]


def test_compare_models_tells_the_parts_and_no_member(run):
    """V24: 386 + HCC18 302, and 600 for a full dual of 71; V28: 395 + HCC37 166 + HCC226 360 +
    their interaction 112, and 626; V24 has no row for I28.1 but HCC85 331, interaction 121.
    """
    code, out, err = run(*PAIR, "m.csv", "--diagnoses", "d.csv")

    assert code == 0
    assert "Mean raw score of the 2 members that both models score" in out
    assert all(part in out for part in ("mapping", "hierarchy", "coefficients", "demographics"))
    assert re.search(r"cms-hcc-v24/2025 +1\.740 +0\.8700", out)
    assert re.search(r"cms-hcc-v28/2025 +1\.659 +0\.8295", out)
    assert re.search(r"change +-0\.081 +-0\.0405", out)
    assert "of the mapped: of members not in the table 1" in " ".join(out.split())
    assert "note: raw scores are compared: no payment year was given" in err
    assert "A0" not in out + err


def test_compare_models_writes_parts_that_add_up(run, tmp_path):
    code, out, _ = run(*PAIR, "m.csv", "--diagnoses", "d.csv", "--payment-year", "2025",
                       "--out", "parts.csv", "--json")  # fmt: skip

    assert code == 0
    found = json.loads(out)
    assert found["payment"] == ["ma/2025", "ma/2025"]
    assert (tmp_path / "parts.csv").read_text().startswith("level,key,part,members,points\n")
    total = {part: points for level, _, part, _, points in rows_of(tmp_path / "parts.csv")
             if level == "total"}  # fmt: skip
    parts = {part: round(float(points) * 1000) for part, points in total.items()}
    assert parts.pop("change") == sum(parts.values())
    assert parts == {n: round(p["points"] * 1000) for n, p in found["parts"].items()}
    assert re.fullmatch(r"-?\d+\.\d{3}", total["normalization"])
    assert names_in(tmp_path) == [*INPUTS, "parts.csv"]


def test_compare_models_stops_at_bad_members_and_leaves_them_out_in_quarantine(run, tmp_path):
    command = (*PAIR, "bad.csv", "--diagnoses", "d.csv", "--out", "parts.csv")
    code, out, err = run(*command)
    again, counted, _ = run(*command, "--on-error", "quarantine")

    assert (code, out, again) == (3, "", 0)
    assert "SECRETID7" not in err + counted
    assert "members set aside: age is not whole years from 0 to 120" in counted
    assert rows_of(tmp_path / "parts.csv")[0][:4] == ("total", "", "change", "1")


def test_compare_models_reads_claims_of_the_year_before_the_second_model(run, tmp_path):
    """E11.21 of 2025: V24 386 + 302 and 600, V28 395 + 166 and 626; a claim of 2024 is left."""
    old = eob(id="c2", billablePeriod={"start": "2024-05-01", "end": "2024-05-06"})
    (tmp_path / "e.ndjson").write_text(f"{json.dumps(eob())}\n{json.dumps(old)}\n")

    code, out, _ = run("compare-models", "cms-hcc-v24/2025", "cms-hcc-v28/2026", "--members",
                       "m.csv", "--eob", "e.ndjson", "--json")  # fmt: skip

    said = json.loads(out)
    assert code == 0
    assert said["mean"] == {"first": 0.644, "second": 0.5935, "change": -0.0505}
    assert said["quality"]["diagnoses_mapped"] == 1
    assert said["claims"]["claims accepted"] == 1


def test_bridge_tells_the_lines_and_no_member(run, tmp_path):
    """The man of 71, a full dual, turns 72 and is no dual any more: V28 626, then 396."""
    (tmp_path / "next.csv").write_text(NEXT)

    code, out, err = run(*YEARS, "--out", "b.csv")

    assert code == 0
    assert "Mean raw score: 1 members are in both years" in out
    rows = {row[:3]: row[3:] for row in rows_of(tmp_path / "b.csv")}
    assert rows["stayers", "first", "score"] == ("1", "0.600")
    assert rows["line", "", "model_change"] == ("1", "0.026")
    assert rows["line", "", "ageing"] == ("0", "0.000")
    assert rows["line", "", "status_change"] == ("1", "-0.230")
    assert rows["line", "", "joiners"] == ("1", "0.502")
    assert re.search(r"leavers +1 +-0\.2700", out)
    assert not re.search(r"\bA[012]\b", out + err)


def test_bridge_as_json_is_json_alone(run, tmp_path):
    (tmp_path / "next.csv").write_text(NEXT)

    code, out, _ = run(*YEARS, "--json")

    found = json.loads(out)
    assert code == 0
    assert found["mean"]["change"] == pytest.approx(sum(n["mean"] for n in found["lines"]))
    assert found["stayers"] == {"members": 1, "first": 0.6, "second": 0.396}


def test_bridge_without_a_common_member_exits_with_3(run, tmp_path):
    (tmp_path / "next.csv").write_text(NEXT.replace("A1", "B1"))

    code, out, err = run(*YEARS, "--out", "b.csv")

    assert (code, out) == (3, "")
    assert "no member is in both years" in err
    assert not (tmp_path / "b.csv").exists()
