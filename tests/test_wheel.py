"""The built wheel, installed in a new environment, scores a member."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.conftest import KEYS, REPOSITORY

SCORE = (
    "import riskadj, pathlib; "
    "assert 'site-packages' in riskadj.__file__, riskadj.__file__; "
    "m = riskadj.score_member(age=70, sex='F', original_reason_entitlement_code=0, "
    "diagnoses=['E11.21', 'I28.1'], model='cms-hcc-v28/2026'); print(m.raw_score)"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    done = subprocess.run([*command, str(REPOSITORY)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.glob("*.whl"))


def test_the_wheel_holds_every_model_and_no_test(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()

    for key in KEYS:
        assert f"riskadj/_models/published/{key}/code_map.csv" in names
    assert "riskadj/_models/payment/ma/2026.toml" in names
    assert "riskadj/_models/accepted_claims/hcpcs/2025.csv" in names
    assert "riskadj/importers/overlays/cms-hcc-v28.toml" in names
    assert "riskadj/py.typed" in names
    assert "benchmarks/programs/mssp.toml" in names
    assert "benchmarks/parameters/mssp_sharing_rate.toml" in names
    assert "benchmarks/series/gdp_nominal_calendar.csv" in names
    assert "benchmarks/report/templates/ledger.html.j2" in names
    assert not [n for n in names if n.startswith("tests/") or "/test_" in n or ".cache" in n]


def test_the_wheel_scores_a_member_in_a_new_environment(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "new", with_pip=True)
    python = tmp_path / "new" / ("Scripts" if os.name == "nt" else "bin") / "python"
    pins = REPOSITORY / ".ci" / "constraints.txt"
    install = [str(python), "-m", "pip", "install", "--quiet", "-c", str(pins), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)

    scored = subprocess.run([str(python), "-c", SCORE], cwd=tmp_path, capture_output=True,
                            text=True, check=True)  # fmt: skip
    command = subprocess.run([str(python), "-m", "riskadj", "models", "list", "--json"],
                             cwd=tmp_path, capture_output=True, text=True, check=True)  # fmt: skip

    assert scored.stdout.strip() == "1.033"
    benchmarks = subprocess.run(
        [str(python), "-m", "benchmarks", "programs", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"mssp"' in benchmarks.stdout
    assert "cms-hcc-v24/2020" in command.stdout
