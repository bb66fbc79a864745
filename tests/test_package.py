"""What the package promises as a whole."""

import re
import subprocess
import sys
from pathlib import Path

import benchmarks
import benchmarks.cli.app
import riskadj
from riskadj.cli.app import app
from tests.conftest import REPOSITORY

TOP_LEVEL = {"riskadj", "benchmarks", "models", "tests", "pyproject.toml", "Makefile", "README.md",
             "LICENSE", "CHANGELOG.md"}  # fmt: skip


def test_public_names_are_what_is_visible() -> None:
    assert sorted(riskadj.__all__) == dir(riskadj)
    assert all(getattr(riskadj, name).__name__ == name for name in riskadj.__all__)


def test_importing_loads_numpy_at_most() -> None:
    heavy = "{'duckdb', 'pyarrow', 'pandas', 'polars', 'narwhals', 'typer', 'rich'}"
    code = f"import sys, riskadj; riskadj.list_models(); print({heavy} & set(sys.modules))"

    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert loaded.stdout.strip() == "set()"


def test_scoring_one_member_needs_no_engine() -> None:
    code = (
        "import sys, riskadj\n"
        "riskadj.score_member(age=70, sex='F', original_reason_entitlement_code=0, diagnoses=[],\n"
        "    model='cms-hcc-v28/2026')\n"
        "print({'duckdb', 'pyarrow'} & set(sys.modules))"
    )

    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert loaded.stdout.strip() == "set()"


def test_top_level_is_the_agreed_one() -> None:
    if not (REPOSITORY / ".git").exists():
        return
    listed = subprocess.run(["git", "ls-tree", "--name-only", "HEAD"], cwd=REPOSITORY,
                            capture_output=True, text=True, check=True).stdout.split()  # fmt: skip

    assert {n for n in listed if not n.startswith(".")} <= TOP_LEVEL


def test_models_hold_no_python() -> None:
    assert not list((REPOSITORY / "models").rglob("*.py"))


def test_readme_code_runs(tmp_path: Path, monkeypatch) -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert blocks
    for block in blocks:
        done = subprocess.run([sys.executable, "-W", "error", "-c", block], cwd=tmp_path,
                              capture_output=True, text=True, check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr


def test_readme_speed_is_the_last_run_on_record() -> None:
    from tests.speed.__main__ import last_run, readme_table

    assert readme_table(*last_run()) in (REPOSITORY / "README.md").read_text(encoding="utf-8")


def test_readme_commands_exist() -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))

    assert set(re.findall(r"`?make ([a-z-]+)", text)) <= targets
    named = "|".join([*(c.name for c in app.registered_commands),
                      *(g.name for g in app.registered_groups)])  # fmt: skip
    for command in set(re.findall(rf"riskadj ({named})\b", text)):
        subprocess.run([sys.executable, "-m", "riskadj", command, "--help"], check=True,
                       capture_output=True)  # fmt: skip
    tcoc = {str(c.name) for c in benchmarks.cli.app.app.registered_commands}
    assert set(re.findall(r"bin/tcoc ([a-z]+)", text)) <= tcoc


def test_docstring_examples_run() -> None:
    import doctest
    import importlib
    import pkgutil

    for package in (riskadj, benchmarks):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                failed, _ = doctest.testmod(importlib.import_module(module.name))
                assert failed == 0, module.name
    assert doctest.testmod(riskadj).failed == 0
