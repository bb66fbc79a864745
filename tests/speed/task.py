"""One measured task in a process of its own; prints wall and CPU seconds and peak memory."""

import importlib
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa

MODEL = "cms-hcc-v28/2026"


def score(members: str, diagnoses: str, memory_limit: str = "") -> None:
    from riskadj.catalog import resolve_model
    from riskadj.scoring.plan import Options, plan_model
    from riskadj.scoring.sink import Outputs, score_to_files

    with tempfile.TemporaryDirectory() as folder:
        options = Options(memory_limit=memory_limit or None, threads=2)
        outputs = Outputs(Path(folder) / "scores.parquet")
        score_to_files(plan_model(resolve_model(MODEL)), (members, diagnoses), outputs, options)


def count(members: str, diagnoses: str) -> None:
    import duckdb

    connection = duckdb.connect(config={"threads": 2})
    connection.read_parquet(diagnoses).create_view("diagnoses")
    connection.execute(
        "select count(*) from (select member_id, count(*) from diagnoses group by member_id)"
    ).fetchall()


def fit(members: str, diagnoses: str, costs: str, memory_limit: str = "") -> None:
    from riskadj.catalog import resolve_model
    from riskadj.features.rulebook import compile_rulebook
    from riskadj.training.model_fit import fit_tables
    from riskadj.training.prepare import Sources
    from riskadj.training.spec import Fit
    from tests.speed.population import CAP_USD, COST_YEAR, HOW

    year = COST_YEAR - 1
    sources = Sources(members, diagnoses, costs, COST_YEAR, year)
    fit_tables(compile_rulebook(resolve_model(MODEL)), sources, Fit(**HOW), CAP_USD,
               memory_limit=memory_limit or None)  # fmt: skip


def synthesize(n: str) -> None:
    from riskadj.catalog import resolve_model
    from riskadj.sources.synthetic import write_population

    with tempfile.TemporaryDirectory() as folder:
        write_population(Path(folder), int(n), 1, "medicare", resolve_model(MODEL), 2023,
                         lambda what, done: None)  # fmt: skip


def peak_gigabytes() -> float:
    """Return this process's own peak (``ru_maxrss`` starts at its parent's)."""
    status = Path("/proc/self/status")
    if status.exists():
        text = status.read_text()
        return int(text.split("VmHWM:")[1].split()[0]) / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def warm_up() -> None:
    """Load every module that scoring loads when first used: not what is measured."""
    from riskadj.scoring.scorer import load_model

    importlib.import_module("riskadj.training.model_fit")
    importlib.import_module("riskadj.sources.synthetic")
    members = pa.table({"member_id": [1], "age": [70], "sex": ["F"], "orec": [0]})
    load_model(MODEL).score(members, pa.table({"member_id": [1], "diagnosis_code": ["E119"]}))


def main() -> None:

    warm_up()
    tasks = {"score": score, "count": count, "fit": fit, "synthesize": synthesize}
    task, arguments = tasks[sys.argv[1]], sys.argv[2:]
    wall, cpu = time.perf_counter(), time.process_time()
    task(*arguments)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    sys.stdout.write(json.dumps({"wall": wall, "cpu": cpu, "gigabytes": peak_gigabytes()}))


if __name__ == "__main__":
    main()
