"""The committed demonstration model: rebuilt byte for byte, scored like any model, verified."""

from pathlib import Path

import pytest

from riskadj import list_models, score_member
from riskadj.catalog import resolve_model
from riskadj.publication.publish import publish
from riskadj.publication.verify import verify
from riskadj.sources.synthetic import write_population
from riskadj.training.runs import open_run, prepare
from riskadj.training.train import train
from riskadj.validation.validate import validate

MEMBERS, SEED = 200_000, 20261125  # as `make retrain-demo` says


@pytest.fixture(scope="module")
def demo(models: Path) -> Path:
    return models / "trained" / "demo"


def quiet(what: str, done: int) -> None:
    """Show no progress."""


def test_rebuild_is_identical(demo: Path, tmp_path: Path) -> None:
    base = resolve_model("cms-hcc-v28/2026")
    write_population(tmp_path / "population", MEMBERS, SEED, "medicare", base, 2023, quiet)
    run = open_run(demo / "spec.toml", tmp_path / "population", tmp_path / "run")
    prepare(run, quarantine=False, progress=quiet)
    train(run, 2, quiet)
    validate(run, 2, None, quiet)

    made = publish(run, tmp_path / "model", None, None, quiet)

    assert {p.name for p in made.iterdir()} == {p.name for p in demo.iterdir()}
    for path in sorted(demo.iterdir()):
        assert (made / path.name).read_bytes() == path.read_bytes(), path.name


def test_committed_model_verifies_at_both_levels(demo: Path) -> None:
    checks = verify(demo)

    assert all(c.passed for c in checks)
    assert {c.level for c in checks} == {"folder", "exact", "public"}


def test_it_is_in_the_registry_and_scores() -> None:
    entry = next(e for e in list_models() if e.key == "trained/demo")
    member = score_member(age=72, sex="F", original_reason_entitlement_code=0,
                          diagnoses=["E11.9"], model="trained/demo")  # fmt: skip

    assert entry.status == "trained"
    worth = resolve_model("trained/demo").coefficients
    assert member.raw_score == (worth["CNA", "F70_74"] + worth["CNA", "HCC38"]) / 1000
