"""One measured task in a process of its own; prints wall and CPU seconds and peak memory."""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

MODEL = "cms-hcc-v28/2026"


def score(members: str, diagnoses: str, memory_limit: str = "") -> None:
    from riskadj.catalog import resolve_model
    from riskadj.scoring.scorer import Options, plan_model
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


def main() -> None:
    import duckdb  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    task, arguments = {"score": score, "count": count}[sys.argv[1]], sys.argv[2:]
    wall, cpu = time.perf_counter(), time.process_time()
    task(*arguments)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    sys.stdout.write(json.dumps({"wall": wall, "cpu": cpu, "gigabytes": peak}))


if __name__ == "__main__":
    main()
