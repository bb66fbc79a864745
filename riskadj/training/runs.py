"""A retraining run on disk: prepared rows, internal statistics, the draft model.

``runs/<name>/`` holds member-level rows and block statistics: it stays with who holds the data.
What may leave it is the folder ``published/``.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from riskadj.catalog import model_folder, resolve_model
from riskadj.connection import connect
from riskadj.errors import OptionError
from riskadj.features.rulebook import Rulebook, compile_rulebook
from riskadj.manifest import read_sealed
from riskadj.training.prepare import Sources, Split, prepared_batches
from riskadj.training.reduction import check_names
from riskadj.training.spec import Period, Spec, read_spec
from riskadj.training.statistics import BATCH_ROWS

Progress = Callable[[str, int], None]
TRAIN, OUT_OF_TIME = "train", "out_of_time"


@dataclass(frozen=True, slots=True)
class Run:
    """A spec, where its data lie and where its run is kept.

    Attributes
    ----------
    spec_path
        The spec's file; ``base`` folders are relative to it.
    data
        The folder that data paths are relative to.
    folder
        Of the run.
    """

    spec: Spec
    spec_path: Path
    data: Path
    folder: Path

    @property
    def base(self) -> str | Path:
        """The base model: a registry key, or a folder relative to the spec."""
        own = self.spec_path.parent / self.spec.base
        return own if (own / "manifest.json").is_file() else self.spec.base

    def book(self) -> Rulebook:
        """Compile the base model.

        Raises
        ------
        OptionError
            It is an ESRD model: its months since transplant and divisors are not refitted here.
        """
        book = compile_rulebook(resolve_model(self.base))
        if (book.segment_of < 0).any() or book.model.divisors:
            raise OptionError(f"base = {self.base}: an ESRD model cannot be retrained here")
        return book

    def base_folder(self) -> Path:
        """Return where the base model's tables lie."""
        return model_folder(self.base)

    def prepared(self, period: str) -> Path:
        """Return the prepared rows of a period."""
        return self.folder / f"{period}.parquet"

    @property
    def model(self) -> Path:
        """The draft model folder."""
        return self.folder / "model"

    @property
    def published(self) -> Path:
        """Where ``publish`` writes unless told otherwise."""
        return self.folder / "published"

    @property
    def statistics(self) -> Path:
        """The internal statistics, blocks included."""
        return self.folder / "statistics.npz"

    @property
    def periods(self) -> dict[str, Period]:
        """The periods that the spec names."""
        found: dict[str, Period] = {TRAIN: self.spec.data}
        return found | ({OUT_OF_TIME: self.spec.out_of_time} if self.spec.out_of_time else {})


def open_run(spec_path: Path, data: Path | None, folder: Path | None) -> Run:
    """Open a run of a spec; by default data lie beside the spec and runs in ``runs/<name>``."""
    spec = read_spec(spec_path)
    return Run(spec, spec_path, data or spec_path.parent, folder or Path("runs") / spec.name)


def prepare(run: Run, quarantine: bool, progress: Progress) -> dict[str, Any]:
    """Read, check and join every period's tables into prepared rows; return the counts.

    Raises
    ------
    InputError
        A table cannot be read or breaks its contract.
    """
    run.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    book, said = run.book(), {}
    check_names(book.model, run.spec.fit)
    for name, period in run.periods.items():
        progress(f"preparing {name}", 0)
        said[name] = _prepare_period(run, book, name, period, quarantine)
    head = {"schema": 1, "spec_sha256": run.spec.prepared_sha256, "base": book.model.key, **said}
    write_private(run.folder / "prepare.json", json.dumps(head, indent=2) + "\n")
    return head


def _prepare_period(
    run: Run, book: Rulebook, name: str, period: Period, quarantine: bool
) -> dict[str, Any]:
    lag = 1 if run.spec.data.timing == "prospective" else 0
    sources = Sources(
        run.data / period.members, run.data / period.diagnoses, run.data / period.costs,
        period.cost_year, period.cost_year - lag, run.spec.columns,
        run.data / run.spec.truth if run.spec.truth else None,
    )  # fmt: skip
    share = run.spec.data.test_share
    target = run.prepared(name)
    temporary = target.with_suffix(".part")
    with connect() as connection:
        split = Split(run.spec.blocks, share)
        batches, counts = prepared_batches(connection, book, sources, split, quarantine)
        digest = _write(batches, temporary)
    temporary.replace(target)
    return {**asdict(counts), "rows_sha256": digest, "cost_year": period.cost_year}


def _write(batches: Iterator[pa.RecordBatch], path: Path) -> str:
    """Write rows to a private file; return the sha256 of every column's values."""
    path.unlink(missing_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    writer, digests = None, {}
    try:
        for batch in batches:
            if writer is None:
                writer = pq.ParquetWriter(path, batch.schema, compression="zstd")
                digests = {n: hashlib.sha256() for n in batch.schema.names}
            for name, digest in digests.items():
                digest.update(_bytes(batch.column(name)))
            writer.write_batch(batch)
    finally:
        if writer is not None:
            writer.close()
    whole = hashlib.sha256()
    for name, digest in digests.items():
        whole.update(f"{name} {digest.hexdigest()}\n".encode())
    return whole.hexdigest()


def _bytes(column: pa.Array) -> bytes:
    if pa.types.is_integer(column.type):
        return np.ascontiguousarray(column.fill_null(-1).to_numpy(zero_copy_only=False)).tobytes()
    return "".join(f"{v}\n" for v in column.to_pylist()).encode()


def read_rows(run: Run, period: str, which: str = "all") -> Iterator[pa.RecordBatch]:
    """Yield a period's prepared rows: ``all``, ``train`` or ``test`` ones.

    Raises
    ------
    OptionError
        The period was not prepared, or was prepared from another spec.
    """
    path = run.prepared(period)
    if not path.is_file():
        raise OptionError(f"{run.folder} has no prepared rows of {period}: run `riskadj prepare`")
    for batch in pq.ParquetFile(path).iter_batches(BATCH_ROWS):
        if which == "all":
            yield batch
        else:
            test = batch.column("test").to_numpy(zero_copy_only=False)
            keep: NDArray[np.bool_] = test if which == "test" else ~test
            yield batch.filter(pa.array(keep))


def check_prepared(run: Run) -> dict[str, Any]:
    """Return what ``prepare`` counted, if it was for this very spec.

    Raises
    ------
    OptionError
        Nothing was prepared, or the spec changed since.
    """
    path = run.folder / "prepare.json"
    if not path.is_file():
        raise OptionError(f"{run.folder} is not prepared: run `riskadj prepare {run.spec_path}`")
    head: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if head["spec_sha256"] != run.spec.prepared_sha256:
        raise OptionError(f"{run.spec_path} changed since it was prepared: prepare and train again")
    return head


def rows_hash(prepared: dict[str, Any]) -> str:
    """Return the hash of all prepared rows, of every period."""
    parts = [prepared[p]["rows_sha256"] for p in (TRAIN, OUT_OF_TIME) if p in prepared]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()


def check_trained(run: Run) -> dict[str, Any]:
    """Return the metrics of a draft model that was trained on these rows by this very spec.

    Raises
    ------
    OptionError
        Nothing was trained, or the spec or the rows changed since.
    """
    prepared = check_prepared(run)
    if not (run.model / "manifest.json").is_file():
        raise OptionError(f"{run.folder} is not trained: run `riskadj train {run.spec_path}`")
    content = read_sealed(run.model)
    metrics: dict[str, Any] = json.loads(content["metrics.json"])
    if content["spec.toml"] != run.spec_path.read_bytes():
        raise OptionError(f"{run.spec_path} changed since it was trained: train again")
    if metrics["rows_sha256"] != rows_hash(prepared):
        raise OptionError(f"{run.folder} was prepared again since it was trained: train again")
    return metrics


def write_private(path: Path, text: str) -> None:
    """Write a text file that only its owner can read."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text, encoding="utf-8", newline="\n")
