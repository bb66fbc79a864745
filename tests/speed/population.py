"""Large seeded inputs: Parquet, six diagnosis rows a member, unsorted.

Sixty per cent of members have diagnoses; codes follow a power law over some 74,000 spellings, of
which about a quarter of the rows map, as in claims.
"""

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from riskadj.catalog import resolve_model

COST_YEAR, CAP_USD = 2026, 250_000
HOW = {"method": "wls", "order": True, "drop": ("D1", "D2", "D3"), "small_segments": "published"}
"""What training is measured on: costs of the model's payment year, as specs say it."""
ROWS_A_MEMBER, MAPPED_SHARE, STEP = 6, 0.26, 10_000_000


def make(folder: Path, n_members: int, ids: str) -> tuple[Path, Path]:
    """Return the paths of members and diagnoses, made once; ``ids`` is ``int`` or ``str``."""
    place = folder / f"{n_members}-{ids}"
    members, diagnoses = place / "members.parquet", place / "diagnoses.parquet"
    if not (place / "done").exists():
        place.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(1)
        numbers = np.sort(rng.choice(n_members * 10, n_members, replace=False)) + 10**6
        pq.write_table(_members(rng, numbers, ids), members, compression="zstd")
        _write_diagnoses(rng, numbers, ids, diagnoses)
        (place / "done").touch()
    return members, diagnoses


def make_costs(folder: Path, n_members: int) -> tuple[Path, Path, Path]:
    """Return members, dated diagnoses and costs for training, made once; whole-number ids."""
    members, diagnoses = make(folder, n_members, "int")
    dated, costs = members.with_name("dated.parquet"), members.with_name("costs.parquet")
    if not (members.parent / "costs-done").exists():
        duckdb.read_parquet(str(diagnoses)).select(
            f"*, date '{COST_YEAR - 1}-06-01' as thru_date"
        ).write_parquet(str(dated), compression="zstd")
        rng = np.random.default_rng(2)
        ids = pq.read_table(members, columns=["member_id"])["member_id"]
        pq.write_table(pa.table({
            "member_id": ids, "year": np.full(len(ids), COST_YEAR, np.int16),
            "months": np.where(rng.random(len(ids)) < 0.9, 12, rng.integers(1, 13, len(ids))),
            "paid_cents": rng.lognormal(12, 1.5, len(ids)).astype(np.int64),
        }), costs, compression="zstd")  # fmt: skip
        (members.parent / "costs-done").touch()
    return members, dated, costs


def _ids(numbers: NDArray[np.int64], ids: str) -> pa.Array:
    if ids == "int":
        return pa.array(numbers)
    return pa.array(np.char.add(np.char.zfill(numbers.astype("U"), 9), "XQ"))


def _members(rng: np.random.Generator, numbers: NDArray[np.int64], ids: str) -> pa.Table:
    n = len(numbers)
    age = np.where(rng.random(n) < 0.15, rng.integers(20, 65, n), rng.integers(65, 100, n))
    duals = np.array(["00", "02", "08", "01", "03"])
    return pa.table({
        "member_id": _ids(numbers, ids), "age": age.astype(np.int16),
        "sex": np.where(rng.random(n) < 0.55, "F", "M"),
        "original_reason_entitlement_code": np.where(age < 65, 1, 0).astype(np.int8),
        "dual_status_code": duals[rng.choice(5, n, p=[0.8, 0.1, 0.05, 0.02, 0.03])],
        "long_term_institutional": rng.random(n) < 0.02, "new_enrollee": rng.random(n) < 0.05,
        "chronic_snp": rng.random(n) < 0.03,
    })  # fmt: skip


def _codes() -> tuple[pa.Array, NDArray[np.float64]]:
    """Return codes and their cumulative shares."""
    rng = np.random.default_rng(0)
    mapped = {r.code for r in resolve_model("cms-hcc-v28/2026").code_map}
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    other = {
        f"{letters[rng.integers(26)]}{rng.integers(10)}{rng.integers(10)}{rng.integers(10_000):04d}"
        for _ in range(66_000)
    } - mapped
    codes = np.array([*sorted(other), *sorted(mapped)])[rng.permutation(len(other) + len(mapped))]
    share = 1 / np.arange(1, len(codes) + 1) ** 1.05
    maps = np.isin(codes, list(mapped))
    share[maps] *= MAPPED_SHARE / share[maps].sum()
    share[~maps] *= (1 - MAPPED_SHARE) / share[~maps].sum()
    return pa.array(codes), np.cumsum(share)


def _write_diagnoses(
    rng: np.random.Generator, numbers: NDArray[np.int64], ids: str, path: Path
) -> None:
    codes, cumulative = _codes()
    ill = numbers[rng.random(len(numbers)) < 0.6]
    kind = pa.int64() if ids == "int" else pa.string()
    schema = pa.schema(
        [("member_id", kind), ("diagnosis_code", pa.dictionary(pa.int32(), pa.string()))]
    )
    left = len(numbers) * ROWS_A_MEMBER
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while left > 0:
            n = min(STEP, left)
            left -= n
            drawn = np.searchsorted(cumulative, rng.random(n)).clip(0, len(codes) - 1)
            coded = pa.DictionaryArray.from_arrays(pa.array(drawn.astype(np.int32)), codes)
            who = _ids(rng.choice(ill, n), ids)
            writer.write_table(pa.table([who, coded], schema=schema), row_group_size=1_000_000)
