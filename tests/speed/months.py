"""All models of a year in one pass against single passes; monthly statuses against one status."""

import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

MODELS = ("cms-hcc-v28/2026", "cms-hcc-v22/2026", "rxhcc-v08-x/2026", "rxhcc-v08-t/2026",
          "esrd-v24/2026", "esrd-v21/2026")  # fmt: skip
"""Every model of 2026, whichever program pays by it."""
YEAR = 2026


def make_months(folder: Path, members: Path) -> Path:
    """Return twelve months a member, made once: one in six changes its dual status in a month."""
    path = folder / "months.parquet"
    if not path.exists():
        rng = np.random.default_rng(3)
        people = pq.read_table(members)
        n = people.num_rows
        change = np.where(rng.random(n) < 1 / 6, rng.integers(2, 13, n), 13)
        own, new = people["dual_status_code"].to_numpy(zero_copy_only=False), rng.choice(
            np.array(["00", "02"]), n)  # fmt: skip
        month = np.tile(np.arange(1, 13), n)
        row = np.repeat(np.arange(n), 12)
        first = np.array([f"{YEAR}-{m:02d}-01" for m in range(1, 13)], dtype="datetime64[D]")
        pq.write_table(pa.table({
            "member_id": people["member_id"].take(pa.array(row)),
            "month": pa.array(first[month - 1]),
            "dual_status_code": pa.array(np.where(month < change[row], own[row], new[row])),
            "long_term_institutional": people["long_term_institutional"].take(pa.array(row)),
            "new_enrollee": people["new_enrollee"].take(pa.array(row)),
        }), path, compression="zstd")  # fmt: skip
    return path


def with_esrd(folder: Path, members: Path) -> Path:
    """Return the members with an ESRD status for one in a hundred, and low income; made once."""
    path = folder / "esrd.parquet"
    if not path.exists():
        rng = np.random.default_rng(4)
        people = pq.read_table(members)
        n = people.num_rows
        status = np.where(rng.random(n) < 0.01, "dialysis", "none")
        low = pa.array(rng.random(n) < 0.2)
        people = people.append_column("esrd_status", pa.array(status))
        pq.write_table(people.append_column("low_income", low), path, compression="zstd")
    return path


def row_stage(keys: tuple[str, ...], members: str, diagnoses: str) -> float:
    """Return the seconds from files to one row of words a member."""
    from riskadj.catalog import resolve_model
    from riskadj.connection import connect
    from riskadj.scoring.batches import reduced
    from riskadj.scoring.plan import Options, plan_models

    plan = plan_models([resolve_model(k) for k in keys])
    quarantine = Options(on_error="quarantine", threads=2)
    start = time.perf_counter()
    with connect(None, 2) as connection:
        reduced(plan, connection, members, diagnoses, quarantine)
        return time.perf_counter() - start


def measure_passes(members: str, diagnoses: str, repeats: int) -> tuple[float, float]:
    """Return the row stage of all models at once, and the sum over models one at a time."""
    best: dict[tuple[str, ...], float] = {}
    for _ in range(repeats):
        for keys in (MODELS, *((key,) for key in MODELS)):
            seconds = row_stage(keys, members, diagnoses)
            best[keys] = min(best.get(keys, seconds), seconds)
    return best[MODELS], sum(best[(key,)] for key in MODELS)


def measure_months(
    members: str, months: str, diagnoses: str, folder: Path, repeats: int
) -> tuple[float, float, float]:
    """Return the seconds of one status, of monthly ones to year rows, and to month rows too."""
    from riskadj.engine.months import Months
    from riskadj.scoring.months import MonthOutputs, months_to_files
    from riskadj.scoring.plan import Options, Terms
    from riskadj.scoring.programs import plan_payers
    from riskadj.scoring.sink import Outputs, score_to_files

    plan, options = plan_payers(["ma"], YEAR), Options(threads=2)
    run = (options, lambda what, done: None)
    sources = (members, months, diagnoses)
    rule, terms = Months(YEAR), Terms()
    years = MonthOutputs(folder / "y.parquet")
    both = MonthOutputs(folder / "y.parquet", folder / "m.parquet")
    tasks = (
        lambda: score_to_files(plan, (members, diagnoses), Outputs(folder / "s.parquet"), options),
        lambda: months_to_files(plan, sources, years, rule, terms, run),
        lambda: months_to_files(plan, sources, both, rule, terms, run),
    )
    best = [float("inf")] * 3
    for _ in range(repeats):
        for i, task in enumerate(tasks):
            start = time.perf_counter()
            task()
            best[i] = min(best[i], time.perf_counter() - start)
    return best[0], best[1], best[2]
