"""One table in every form in which it may arrive."""

from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

FORMS = ("pyarrow", "pandas", "polars", "csv", "parquet")


def arriving(form, table, folder, name="table"):
    """Return an Arrow table as a frame, or as the path of a file in ``folder``."""
    if form == "pandas":
        return table.to_pandas()
    if form == "polars":
        return pl.from_arrow(table)
    if form == "csv":
        pc.write_csv(table, folder / f"{name}.csv")
        return folder / f"{name}.csv"
    if form == "parquet":
        pq.write_table(table, folder / f"{name}.parquet")
        return folder / f"{name}.parquet"
    return table


def rows_of(frame):
    """Return any frame as a list of dicts."""
    if isinstance(frame, pd.DataFrame):
        return frame.to_dict("records")
    return frame.to_pylist() if isinstance(frame, pa.Table) else frame.to_dicts()


def raw_by_member(scores):
    """Return the raw scores by member id, whatever the frame."""
    return {row["member_id"]: row["raw_score"] for row in rows_of(scores.table)}


def member_table(n=3, **columns):
    """Return good members A0, A1, ...: women of 70, not dual; columns replace or add."""
    good = {
        "member_id": [f"A{i}" for i in range(n)], "age": [70] * n, "sex": ["F"] * n,
        "original_reason_entitlement_code": [0] * n,
    }  # fmt: skip
    return pa.table({**good, **columns})


def diagnosis_table(*pairs, **columns):
    """Return diagnoses from (member id, code) pairs."""
    return pa.table({
        "member_id": pa.array([i for i, _ in pairs], None if pairs else pa.string()),
        "diagnosis_code": pa.array([c for _, c in pairs], None if pairs else pa.string()),
        **columns,
    })  # fmt: skip


def text_file(folder: Path, name, *lines):
    """Write lines and return the path."""
    path = folder / name
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())
    return path
