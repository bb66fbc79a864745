"""Other specs on the same road: each is published and verifies."""

import json
import shutil
from pathlib import Path

import pytest

from riskadj.publication.publish import publish
from riskadj.publication.verify import verify
from riskadj.training.runs import Run, open_run, prepare
from riskadj.training.train import train
from riskadj.validation.validate import Override, validate
from tests.publication.road import quiet, small_spec

EQUITY = ("[gates]", '[[equity]]\ngroup = "svi_high"\nclose = 0.25\n\n[gates]')
VARIANTS = {
    "shrunk to published factors": (
        ('method = "wls"', 'method = "shrinkage"'), ('"merge"', '"published"')),
    "stepwise, nothing merged": (
        ('method = "wls"', 'method = "cms-stepwise"'), ('"merge"', '"drop"')),
    "concurrent": (('timing = "prospective"', 'timing = "concurrent"'),),
    "one year, no test members, no cap": (
        ("test_share = 0.25", "test_share = 0"), ("cap_usd = 250000", "cap_usd = 0")),
    "fixed": (("order = true", 'order = true\nfixed_usd = { HCC38 = 1500.0 }'),
              ('["HCC36", "HCC37", "HCC38"]', '["HCC36", "HCC37"]')),
    "tweedie": (('family = "lightgbm"', 'family = "lightgbm"\nobjective = "tweedie"'),),
    "the older design": (
        ('base = "cms-hcc-v28/2026"', 'base = "cms-hcc-v24/2025"'),
        ('["HCC36", "HCC37", "HCC38"]', '["HCC17", "HCC18", "HCC19"]'),
        ('    ["HCC224", "HCC225", "HCC226"],\n', "")),
}  # fmt: skip


def published(spec: Path, data: Path, folder: Path) -> tuple[Run, Path]:
    run = open_run(spec, data, folder / "run")
    prepare(run, quarantine=False, progress=quiet)
    train(run, 2, quiet)
    validate(run, 1, Override("A. Tester", "a variant", run.spec.dated), quiet)
    return run, publish(run, folder / "model", None, None, quiet)


LONG = ("concurrent", "tweedie", "the older design", "stepwise, nothing merged")
"""Run by make slow: each takes seven to ten seconds."""
NAMES = [pytest.param(n, marks=pytest.mark.slow) if n in LONG else n for n in VARIANTS]


@pytest.mark.parametrize("name", NAMES)
def test_a_variant_is_published_and_verifies(population, tmp_path, name: str) -> None:
    _, model = published(small_spec(tmp_path, *VARIANTS[name]), population, tmp_path)

    checks = verify(model)

    assert [c.what for c in checks if not c.passed] == []
    assert "exact" in {c.level for c in checks}


def test_an_equity_constraint_closes_the_gap_and_releases_no_groups(
    population, tmp_path: Path
) -> None:
    _, model = published(small_spec(tmp_path, EQUITY, ("cap_usd = 250000", "cap_usd = 100000"),
                                    ("small_members = 200", "small_members = 300")),
                         population, tmp_path)  # fmt: skip

    release = json.loads((model / "metrics.json").read_text("utf-8"))["release"]
    assert not release["released"]
    assert "groups, which are not released" in release["why"]
    assert not (model / "public.npz").exists()
    assert all(c.passed for c in verify(model))


def test_only_the_hash_leaves_when_members_are_real(population, tmp_path: Path) -> None:
    spec = small_spec(tmp_path, ("synthetic = true", "synthetic = false"),
                      ('truth = "truth.parquet"\n', ""))  # fmt: skip
    run, model = published(spec, population, tmp_path)

    assert not (model / "statistics.npz").exists()
    assert "exact" not in {c.level for c in verify(model)}
    assert all(c.passed for c in verify(model, run.folder / "exact.npz"))


def test_what_changed_is_told(population, tmp_path: Path) -> None:
    run, model = published(small_spec(tmp_path), population, tmp_path)
    shutil.copytree(model, tmp_path / "before")

    publish(run, tmp_path / "model", None, tmp_path / "before", quiet)

    assert "0.000" in (model / "report.html").read_text("utf-8")
