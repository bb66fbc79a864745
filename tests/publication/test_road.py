"""From tables to a published folder and back: the whole road on a small invented population."""

import csv
import io
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riskadj import load_model
from riskadj.cli import app
from riskadj.errors import InputError, ModelFolderError, OptionError
from riskadj.importers.draft import csv_text
from riskadj.manifest import seal
from riskadj.training.archive import arrays_hash, load_arrays, save_arrays
from riskadj.training.folder import read_fit
from riskadj.training.runs import Run, open_run, prepare, read_rows
from riskadj.training.signoff import read_events, status_of
from riskadj.training.train import train
from tests.publication.road import quiet, small_spec


def command(monkeypatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["riskadj", *map(str, arguments)])
    with pytest.raises(SystemExit) as done:
        app.main()
    return int(done.value.code or 0)


@pytest.fixture(scope="session")
def trained(population: Path, tmp_path_factory) -> Run:
    folder = tmp_path_factory.mktemp("trained")
    run = open_run(small_spec(folder), population, folder / "run")
    prepare(run, quarantine=False, progress=quiet)
    train(run, 2, quiet)
    return run


@pytest.fixture
def run(trained: Run, tmp_path: Path) -> Run:
    """A trained run of one's own."""
    shutil.copytree(trained.folder, tmp_path / "run")
    shutil.copy(trained.spec_path, tmp_path / "spec.toml")
    return open_run(tmp_path / "spec.toml", trained.data, tmp_path / "run")


@pytest.fixture(scope="session")
def published(trained: Run, tmp_path_factory) -> Path:
    """The folder that validate and publish make of the trained run."""
    from riskadj.publication.publish import publish
    from riskadj.validation.validate import Override, validate

    folder = tmp_path_factory.mktemp("published")
    shutil.copytree(trained.folder, folder / "run")
    run = open_run(trained.spec_path, trained.data, folder / "run")
    override = Override("A. Tester", "a small population misses wide gates", run.spec.dated)
    validate(run, 1, override, quiet)
    return publish(run, folder / "model", None, None, quiet)


def test_every_row_is_counted(trained: Run) -> None:
    head = json.loads((trained.folder / "prepare.json").read_text("utf-8"))
    costs = pq.read_table(trained.data / "costs.parquet")

    for period, year in (("train", 2024), ("out_of_time", 2025)):
        said = head[period]
        rows = int((costs["year"].to_numpy() == year).sum())
        assert said["cost_rows"] == costs.num_rows
        assert said["prepared"] + said["costs_of_unknown_members"] == rows
        assert said["prepared"] + said["members_without_costs"] == said["scoring"]["members_scored"]
        assert sum(b.num_rows for b in read_rows(trained, period)) == said["prepared"]


def test_prepared_rows_hold_no_ids_and_are_private(trained: Run) -> None:
    names = pq.read_schema(trained.prepared("train")).names

    assert "member_id" not in names
    assert trained.prepared("train").stat().st_mode & 0o777 == 0o600
    assert trained.folder.stat().st_mode & 0o777 == 0o700


def test_a_trained_folder_scores_like_any_model(trained: Run) -> None:
    members = trained.data / "members-2024.parquet"
    diagnoses = pq.read_table(trained.data / "diagnoses.parquet",
                              columns=["member_id", "diagnosis_code"])  # fmt: skip

    scores = load_model(trained.model).score(members, diagnoses)

    factors = scores.factors()
    assert scores.table.num_rows == pq.read_metadata(members).num_rows
    by_member = factors.group_by("member_id").aggregate([("coefficient", "sum")])
    assert np.isclose(
        np.sort(by_member["coefficient_sum"].to_numpy()).sum(),
        scores.table["raw_score"].to_numpy().sum(), atol=1e-6,
    )  # fmt: skip


def test_fitting_tables_in_memory_is_fitting_prepared_rows(trained: Run) -> None:
    from riskadj.training.model_fit import count_statistics, fit_model, fit_tables
    from riskadj.training.prepare import Sources

    data, book, how = trained.data, trained.book(), trained.spec.fit
    sources = Sources(data / "members-2024.parquet", data / "diagnoses.parquet",
                      data / "costs.parquet", 2024, 2023)  # fmt: skip

    memory = fit_tables(book, sources, how, 250_000)
    rows = count_statistics(read_rows(trained, "train"), book, 250_000, 500)

    assert memory.statistics.sha256 == rows.sha256
    np.testing.assert_array_equal(memory.cents, fit_model(rows, book, how).cents)


def test_mean_score_of_the_training_members_is_one(trained: Run) -> None:
    metrics = json.loads((trained.model / "metrics.json").read_text("utf-8"))

    assert metrics["fit"]["mean_score"] == pytest.approx(1, abs=2e-3)


def test_training_again_gives_the_same_bytes(run: Run, trained: Run) -> None:
    prepare(run, quarantine=False, progress=quiet)
    train(run, 1, quiet)

    for path in sorted(trained.model.iterdir()):
        assert (run.model / path.name).read_bytes() == path.read_bytes(), path.name


def test_a_changed_spec_is_not_trained(run: Run) -> None:
    text = run.spec_path.read_text("utf-8").replace("test_share = 0.25", "test_share = 0.2")
    run.spec_path.write_text(text, encoding="utf-8")
    changed = open_run(run.spec_path, run.data, run.folder)

    with pytest.raises(OptionError, match="changed since it was prepared"):
        train(changed, 1, quiet)


def test_a_comment_needs_no_preparing_but_training(run: Run) -> None:
    from riskadj.validation.validate import validate

    run.spec_path.write_text(run.spec_path.read_text("utf-8") + "\n# said\n", encoding="utf-8")
    changed = open_run(run.spec_path, run.data, run.folder)

    with pytest.raises(OptionError, match="changed since it was trained"):
        validate(changed, 1, None, quiet)
    train(changed, 1, quiet)


def test_rows_prepared_again_need_training_again(run: Run) -> None:
    from riskadj.validation.validate import validate

    head = json.loads((run.folder / "prepare.json").read_text("utf-8"))
    head["train"]["rows_sha256"] = "another"
    (run.folder / "prepare.json").write_text(json.dumps(head), encoding="utf-8")

    with pytest.raises(OptionError, match="prepared again since it was trained"):
        validate(run, 1, None, quiet)


def test_a_blank_reason_leaves_a_run_as_it_was(run: Run) -> None:
    from riskadj.validation.validate import Override, validate

    before = {p.name: p.read_bytes() for p in run.model.iterdir()}

    with pytest.raises(OptionError, match="needs a name and a reason"):
        validate(run, 1, Override("Bob", "  ", run.spec.dated), quiet)
    assert {p.name: p.read_bytes() for p in run.model.iterdir()} == before


def test_a_failed_gate_exits_5_and_an_override_is_recorded(run: Run, monkeypatch, capsys) -> None:
    text = run.spec_path.read_text("utf-8")
    strict = text.replace("\ndecile_ratio = 0.1\n", "\ndecile_ratio = 0.0001\n")
    run.spec_path.write_text(strict, encoding="utf-8")
    options = ["--data", run.data, "--run", run.folder]
    assert command(monkeypatch, "prepare", run.spec_path, *options) == 0
    assert command(monkeypatch, "train", run.spec_path, *options) == 0

    assert command(monkeypatch, "validate", run.spec_path, *options) == 5
    shown = capsys.readouterr().out
    assert "FAILED" in shown
    assert "decile, test" in shown
    assert status_of(run.model) == "draft"

    who = ["--override", "A. Actuary", "--reason", "known drift", "--on", "2026-11-25"]
    assert command(monkeypatch, "validate", run.spec_path, *options, *who) == 0
    event = read_events(run.model)[-1]
    assert (event.status, event.who, event.when) == ("validated", "A. Actuary", "2026-11-25")
    assert "known drift" in event.reason
    assert "decile, test" in event.reason


def test_an_override_needs_a_name_and_a_reason(run: Run, monkeypatch, capsys) -> None:
    options = ["--data", run.data, "--run", run.folder]

    assert command(monkeypatch, "validate", run.spec_path, *options, "--override", "A. A.") == 2
    assert "needs a name and a reason" in capsys.readouterr().err


def test_publishing_needs_validation(run: Run, tmp_path: Path) -> None:
    from riskadj.publication.publish import publish

    with pytest.raises(OptionError, match="is draft, not validated"):
        publish(run, tmp_path / "out", None, None, quiet)
    assert not (tmp_path / "out").exists()


def test_a_published_folder_is_whole(published: Path) -> None:
    names = {p.name for p in published.iterdir()}

    assert {"spec.toml", "fit.csv", "statistics.npz", "metrics.json", "trees.txt", "residual.txt",
            "signoff.toml", "CARD.md", "report.html", "manifest.json"} <= names  # fmt: skip
    assert load_model(published).model.facts.status == "trained"
    assert status_of(published) == "validated"


def test_final_publication_needs_every_statement(published: Path, trained: Run) -> None:
    from riskadj.publication.publish import Approval, publish

    run = open_run(trained.spec_path, trained.data, published.parent / "run")
    answers = {k: v for k, v in run.spec.asop.items() if k != "credibility"} | {"gaming": "  "}
    lacking = replace(run, spec=run.spec.model_copy(update={"asop": answers}))
    approval = Approval("A. Actuary", "adopted", run.spec.dated)

    with pytest.raises(OptionError, match="mandatory statements are blank: credibility, gaming"):
        publish(lacking, published.parent / "final", approval, None, quiet)
    publish(run, published.parent / "final", approval, published, quiet)

    assert status_of(published.parent / "final") == "approved"
    assert "APPROVED" in (published.parent / "final" / "CARD.md").read_text("utf-8")


def test_verify_solves_again_to_the_cent(published: Path, monkeypatch, capsys) -> None:
    assert command(monkeypatch, "verify", published, "--json") == 0

    checks = json.loads(capsys.readouterr().out)
    assert all(c["passed"] for c in checks)
    assert {"exact", "folder"} <= {c["level"] for c in checks}


@pytest.mark.parametrize("name", ["coefficients.csv", "fit.csv", "statistics.npz", "metrics.json",
                                  "spec.toml", "signoff.toml", "trees.txt", "report.html",
                                  "CARD.md", "code_map.csv"])  # fmt: skip
def test_one_altered_byte_fails(published: Path, tmp_path: Path, name: str, monkeypatch) -> None:
    folder = tmp_path / "model"
    shutil.copytree(published, folder)
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(bytes(data))

    assert command(monkeypatch, "verify", folder) in (4, 5)


def test_an_altered_statistic_fails_even_when_sealed_again(
    published: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(published, folder)
    arrays = load_arrays(folder / "statistics.npz")
    arrays["CNA.gram"] = arrays["CNA.gram"].copy()
    arrays["CNA.gram"][0, 0] += 12_000
    save_arrays(folder / "statistics.npz", arrays)
    seal(folder)

    assert command(monkeypatch, "verify", folder) == 5
    assert "statistics are the published ones" in capsys.readouterr().out

    metrics = json.loads((folder / "metrics.json").read_text("utf-8"))
    metrics["fit"]["statistics_sha256"] = arrays_hash(arrays)
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    seal(folder)

    assert command(monkeypatch, "verify", folder, "--json") == 5
    failed = {c["what"] for c in json.loads(capsys.readouterr().out) if not c["passed"]}
    assert "coefficients re-solved to the cent" in failed


def test_an_altered_coefficient_fails_even_when_sealed_again(
    published: Path, tmp_path: Path, monkeypatch
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(published, folder)
    path = folder / "coefficients.csv"
    lines = path.read_text("utf-8").splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith("F70_74,"))
    cells = lines[place].split(",")
    cells[-2] = "0.999"
    lines[place] = ",".join(cells)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    seal(folder)

    assert command(monkeypatch, "verify", folder) == 5


def reseal_after(published: Path, folder: Path, name: str, change) -> Path:
    """A copy of a published folder with one file changed, sealed again by the forger."""
    shutil.copytree(published, folder)
    path = folder / name
    path.write_text(change(path.read_text("utf-8")), encoding="utf-8", newline="\n")
    seal(folder)
    return folder


def in_fit(column: str, value: str, status: str):
    """Change a column of the first line of ``fit.csv`` with a status, in segment CNA."""

    def change(text: str) -> str:
        header, *rows = list(csv.reader(io.StringIO(text)))
        row = next(r for r in rows if r[0] == "CNA" and r[header.index("status")] == status
                   and r[header.index("term")] != r[1])  # fmt: skip
        row[header.index(column)] = value
        return csv_text(header, rows)

    return change


FORGERIES = {
    "a factor": ("coefficients.csv", lambda t: re.sub(r"(\nHCC111,,,)[\d.]+", r"\g<1>9.999", t)),
    "a column too many": ("coefficients.csv", lambda t: t.replace("\nHCC111,", "\nHCC111,1,")),
    "the denominator": ("model.toml", lambda t: re.sub(r'denominator_usd = "[\d.]+"',
                                                       'denominator_usd = "1.00"', t)),
    "dollars of a merged variable": ("fit.csv", in_fit("usd", "99999.00", "merged")),
    "dollars of a pooled variable": ("fit.csv", in_fit("usd", "99999.00", "pooled")),
    "a gate": ("metrics.json", lambda t: t.replace('"passed": false', '"passed": true')),
    "a metric": ("metrics.json", lambda t: re.sub(r'"r2": 0\.\d+', '"r2": 0.99', t, count=1)),
    "a signature": ("signoff.toml", lambda t: t.replace('"validated"', '"approved"')),
    "the report": ("report.html", lambda t: t.replace("</main>", "<p>approved</p></main>")),
    "the spec": ("spec.toml", lambda t: t.replace("order = true", "order = false")),
}  # fmt: skip


@pytest.mark.parametrize("what", FORGERIES)
def test_a_forged_folder_without_statistics_does_not_verify(
    published: Path, tmp_path: Path, what: str, monkeypatch
) -> None:
    name, change = FORGERIES[what]
    bare = tmp_path / "bare"
    shutil.copytree(published, bare)
    (bare / "statistics.npz").unlink()
    before = (bare / name).read_text("utf-8")
    folder = reseal_after(bare, tmp_path / "model", name, change)
    assert (folder / name).read_text("utf-8") != before

    assert command(monkeypatch, "verify", folder) in (4, 5)


def test_no_column_tells_a_hidden_count(published: Path) -> None:
    rows = read_fit((published / "fit.csv").read_text("utf-8"), "")
    hidden = [r for r in rows if not r.members.isdigit()]

    assert hidden
    assert {(r.z_limited, r.z_buhlmann) for r in hidden} == {("", "")}
    assert not any(r.se_usd or r.low_usd for r in rows if not r.term)


def test_a_folder_of_somebody_elses_is_not_replaced(
    published: Path, trained: Run, tmp_path
) -> None:
    from riskadj.publication.publish import publish

    run = open_run(trained.spec_path, trained.data, published.parent / "run")
    for name in ("manifest.json", "budget.xlsx"):
        folder = tmp_path / name
        shutil.copytree(published, folder)
        (folder / name).write_text("{}", encoding="utf-8")

        with pytest.raises(OptionError, match="would be lost"):
            publish(run, folder, None, None, quiet)
        assert (folder / name).read_text("utf-8") == "{}"


def test_statements_added_after_training_do_not_count(run: Run, tmp_path: Path) -> None:
    from riskadj.publication.publish import publish

    text = run.spec_path.read_text("utf-8").replace('gaming = "', 'gaming = "More: ')
    run.spec_path.write_text(text, encoding="utf-8")
    changed = open_run(run.spec_path, run.data, run.folder)

    with pytest.raises(OptionError, match="changed since it was trained"):
        publish(changed, tmp_path / "out", None, None, quiet)


def test_signing_off_keeps_the_folder_whole(published: Path, tmp_path: Path, monkeypatch) -> None:
    folder = tmp_path / "model"
    shutil.copytree(published, folder)
    signed = ["--name", 'A. "Quote" Actuary', "--reason", "two\nlines", "--on", "2026-11-25"]

    assert command(monkeypatch, "signoff", folder, "--status", "approved", *signed) == 0
    assert command(monkeypatch, "verify", folder) == 0
    assert status_of(folder) == "approved"
    assert read_events(folder)[-1].reason == "two\nlines"
    assert command(monkeypatch, "signoff", folder, "--status", "approved", *signed) == 2


@pytest.mark.parametrize("name", ["model.pkl", "trees.joblib", "notes.txt"])
def test_a_foreign_file_is_refused(published: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(published, folder)
    (folder / name).write_bytes(b"x")
    seal(folder)

    with pytest.raises(ModelFolderError, match="is no file of a model folder"):
        load_model(folder)


def test_the_holder_of_the_statistics_verifies_a_folder_without_them(
    published: Path, tmp_path: Path, monkeypatch
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(published, folder)
    (folder / "statistics.npz").unlink()
    seal(folder)
    exact = published.parent / "run" / "exact.npz"

    assert command(monkeypatch, "verify", folder, "--statistics", exact) == 0


def test_compare_two_models_on_members(published: Path, trained: Run, monkeypatch, capsys) -> None:
    assert command(monkeypatch, "compare", "cms-hcc-v28/2026", published, "--spec",
                   trained.spec_path, "--data", trained.data, "--run", trained.folder,
                   "--json") == 0  # fmt: skip

    said = json.loads(capsys.readouterr().out)
    found = said["on_members"]
    assert said["only_first"] == said["only_second"] == 0
    assert found["r2"]["low"] < found["r2"]["estimate"] < found["r2"]["high"]

    assert command(monkeypatch, "compare", published, published, "--spec", trained.spec_path,
                   "--data", trained.data, "--run", trained.folder, "--json") == 0  # fmt: skip
    same = json.loads(capsys.readouterr().out)
    assert same["largest"] == same["mean"] == 0
    assert {tuple(d.values()) for n, d in same["on_members"].items() if n != "members"} == {
        (0.0, 0.0, 0.0)
    }


def test_nothing_beats_the_oracle(published: Path) -> None:
    periods = json.loads((published / "metrics.json").read_text("utf-8"))["periods"]

    for period in ("test", "out_of_time"):
        differences = periods[period]["differences_to_linear"]
        best = max(d["r2"]["low"] for n, d in differences.items() if n != "oracle")
        assert best < differences["oracle"]["r2"]["estimate"]
        assert differences["oracle"]["r2"]["low"] > 0
        truth = periods[period]["truth"]
        assert max(m["r2_of_true_mean"] for m in truth.values()) < 1


def test_race_and_ethnicity_never_predict(trained: Run) -> None:
    header = (trained.model / "fit.csv").read_text("utf-8")
    trees = (trained.model / "trees.txt").read_text("utf-8")

    assert "race" not in header
    assert "svi" not in header
    n_features = next(x for x in trees.splitlines() if x.startswith("max_feature_idx"))
    assert n_features == "max_feature_idx=122"  # 7 of status, 115 conditions, their number


def test_a_shuffled_cost_explains_nothing(trained: Run, tmp_path: Path) -> None:
    from riskadj.measures.metrics import balanced, r2
    from riskadj.training.model_fit import count_statistics, fit_model, rows_of

    rng = np.random.default_rng(0)
    batch = pa.Table.from_batches(read_rows(trained, "train", "train")).combine_chunks()
    mixed = batch.take(pa.array(rng.permutation(batch.num_rows)))
    shuffled = batch
    for name in ("paid_cents", "months"):
        shuffled = shuffled.set_column(shuffled.schema.get_field_index(name), name, mixed[name])
    book = trained.book()
    nothing_published = trained.spec.fit.model_copy(update={"small_terms": "drop"})
    statistics = count_statistics(shuffled.to_batches(), book, 250_000, 500)
    fitted = fit_model(statistics, book, nothing_published)

    test = list(rows_of(read_rows(trained, "train", "test"), book, fitted.columns, 250_000))
    predicted = np.concatenate([t.design @ fitted.cents for t in test])
    cost = np.concatenate([t.cost / t.months for t in test])
    weight = np.concatenate([t.months / 12 for t in test])
    fit_here = [i for i, f in enumerate(fitted.segments) if f.solved]  # not published factors
    mine = np.isin(np.concatenate([t.segment for t in test]), fit_here)
    cost, weight, predicted = cost[mine], weight[mine], predicted[mine]
    assert r2(cost, balanced(predicted, cost, weight), weight) <= 0.01


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("[target]", "[targets]"), "targets: unknown key"),
        (("cap_usd = 250000", "cap = 250000"), "unknown key"),
        (("cost_year = 2025", "cost_year = 2024"), "years overlap"),
        (('method = "', 'method = "magic-'), "method"),
        (('name = "demo"', 'name = "../demo"'), "name"),
        (("synthetic = true", "synthetic = false"), "only synthetic data have one"),
        (("seed = 20261125", ""), "seed: missing"),
        (('column = "svi_decile"', 'columns = "svi_decile"'), "unknown key"),
    ],
)
def test_a_wrong_spec_says_what_is_wrong(tmp_path: Path, change, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        open_run(small_spec(tmp_path, change), None, None)


def costs_of(population: Path, folder: Path, change) -> Path:
    """The population with other costs."""
    for path in population.iterdir():
        if path.name != "costs.parquet":
            (folder / path.name).symlink_to(path)
    table = pq.read_table(population / "costs.parquet").to_pandas()
    pq.write_table(pa.Table.from_pandas(change(table), preserve_index=False),
                   folder / "costs.parquet")  # fmt: skip
    return folder


def with_value(column: str, value: object, rows: int = 3):
    def change(table):
        table = table.astype({column: "object"}) if isinstance(value, str) else table
        table = table.astype({column: "float64"}) if isinstance(value, float) else table
        table.loc[table.index[:rows], column] = value
        return table.astype({column: "string"}) if isinstance(value, str) else table

    return change


def twice(table):
    import pandas as pd

    return pd.concat([table, table.iloc[:2]], ignore_index=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_value("months", 0), "3 rows: no exposure: months is 0"),
        (with_value("months", 13), "3 rows: months is not a whole number 1-12"),
        (with_value("months", 5.5), "3 rows: months is not a whole number 1-12"),
        (with_value("paid_cents", -1), "3 rows: paid_cents is negative"),
        (with_value("paid_cents", float("nan")), "3 rows: paid_cents is not a whole number"),
        (with_value("paid_cents", "12.345"), "3 rows: paid_cents is not a whole number"),
        (with_value("paid_cents", 6_000_000_000), "3 rows: paid_cents is over 57,266,230 dollars"),
        (with_value("year", "soon"), "3 rows: year is not a whole number"),
        (twice, "4 rows: member_id and year stand more than once"),
        (lambda t: t.rename(columns={"months": "month"}), "no column 'months'"),
        (lambda t: t[t.year != 2024], "no member of the members table has a row for 2024"),
    ],
)
def test_bad_costs(population: Path, tmp_path: Path, change, message: str) -> None:
    data = costs_of(population, tmp_path, change)
    run = open_run(small_spec(tmp_path), data, tmp_path / "run")

    with pytest.raises(InputError, match=message) as error:
        prepare(run, quarantine=False, progress=quiet)
    assert "M00" not in str(error.value)
    assert not run.prepared("train").exists()


def test_bad_costs_can_be_set_aside(population: Path, tmp_path: Path) -> None:
    data = costs_of(population, tmp_path, with_value("paid_cents", -1))
    run = open_run(small_spec(tmp_path), data, tmp_path / "run")

    said = prepare(run, quarantine=True, progress=quiet)

    assert said["train"]["costs_set_aside"] == {"paid_cents is negative": 3}


def test_diagnoses_need_dates(population: Path, tmp_path: Path) -> None:
    for path in population.iterdir():
        if path.name != "diagnoses.parquet":
            (tmp_path / path.name).symlink_to(path)
    table = pq.read_table(population / "diagnoses.parquet").drop_columns("thru_date")
    pq.write_table(table, tmp_path / "diagnoses.parquet")
    run = open_run(small_spec(tmp_path), tmp_path, tmp_path / "run")

    with pytest.raises(InputError, match="no column 'thru_date'"):
        prepare(run, quarantine=False, progress=quiet)


def test_a_report_column_must_exist(population: Path, tmp_path: Path) -> None:
    spec = small_spec(tmp_path, ('"race_ethnicity", "svi_decile"', '"religion"'))
    run = open_run(spec, population, tmp_path / "run")

    with pytest.raises(InputError, match="no column 'religion'"):
        prepare(run, quarantine=False, progress=quiet)


def test_small_segments_are_refused_by_name(trained: Run, tmp_path: Path) -> None:
    spec = small_spec(tmp_path, ('small_segments = "published"', 'small_segments = "refuse"'))
    run = open_run(spec, trained.data, tmp_path / "run")
    prepare(run, quarantine=False, progress=quiet)

    with pytest.raises(InputError, match="segments with fewer than 200 members: SNPNE"):
        train(run, 1, quiet)
