"""Write scores to files: batch by batch, whole or not at all."""

import json
import os
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pcompute
import pyarrow.csv as pc
import pyarrow.parquet as pq

from riskadj.connection import connect
from riskadj.engine.duck import Quality, none_left
from riskadj.engine.inputs import Source
from riskadj.errors import OptionError
from riskadj.scoring.batches import as_kind, reduced, score_batches
from riskadj.scoring.explain import factor_table, status_table
from riskadj.scoring.plan import Options, Plan

SUFFIXES = (".parquet", ".csv")
Progress = Callable[[str, int], None]
"""Called with what is going on and how many members are done."""


@dataclass(frozen=True, slots=True)
class Paths:
    """Output paths by what they hold; None is not written."""

    def refuse_inputs(self, inputs: Iterable[str | Path]) -> None:
        """Refuse to write over what is read."""
        kept = {Path(path).resolve() for path in inputs}
        if overwritten := [p for p in self.written() if p.resolve() in kept]:
            raise OptionError(f"{overwritten[0]} is an input: choose another output")

    def written(self) -> list[Path]:
        """Return the paths that were asked for."""
        return [path for path in asdict(self).values() if path is not None]


@dataclass(frozen=True, slots=True)
class Outputs(Paths):
    """Where results go; None is not written.

    Attributes
    ----------
    scores, factors, statuses
        ``.parquet`` or ``.csv``.
    rejected
        Rows set aside in quarantine, as ``table, row, why``.
    quality
        JSON: counts, assumptions and caveats.
    """

    scores: Path
    factors: Path | None = None
    statuses: Path | None = None
    rejected: Path | None = None
    quality: Path | None = None


class Writer(Protocol):
    """What ParquetWriter and CSVWriter have in common."""

    def write_table(self, table: pa.Table) -> None:
        """Append a table."""

    def close(self) -> None:
        """Finish the file."""


def score_to_files(
    plan: Plan,
    sources: tuple[Source, Source],
    outputs: Outputs,
    options: Options,
    progress: Progress = lambda what, done: None,
    claims_rejected: Sequence[tuple[int, str]] = (),
) -> Quality:
    """Score members and diagnoses (``sources``) into files.

    Memory stays flat, but for statuses, which hold every distinct diagnosis.

    ``claims_rejected`` are the lines of a claims file that could not be read, with reasons.

    Raises
    ------
    InputError
        Input cannot be read or breaks the contract; no output is left behind.
    """
    outputs.refuse_inputs(s for s in sources if isinstance(s, (str, Path)))
    with connect(options.memory_limit, options.threads) as connection:
        progress("reading members and diagnoses", 0)
        population = reduced(plan, connection, *sources, options)
        about = {"models": plan.models, "caveats": population.quality.caveats}
        with Files(outputs, about) as files:
            done, kept_batches = 0, []
            for table, batch in score_batches(plan, population):
                files.write("scores", table)
                if files.wants("factors"):
                    files.write("factors", factor_table(plan, pa.table(batch), population.words))
                if files.wants("statuses"):
                    kept_batches.append(batch)
                done += batch.num_rows
                progress("scoring members", done)
            if done == 0:
                raise none_left("members", population.quality.members_rejected)
            if kept_batches:
                progress("finding the status of every diagnosis", 0)
                members = pa.Table.from_batches(kept_batches)
                files.write(
                    "statuses", status_table(plan, members, population.words, sources[1], options)
                )
            files.write("rejected", with_claims(population.rejected, claims_rejected))
            files.write_quality(population.quality)
    return population.quality


def with_claims(rejected: pa.Table, claims: Sequence[tuple[int, str]]) -> pa.Table:
    """Add the lines of a claims file that could not be read to ``table, row, why``."""
    columns = [["claims"] * len(claims), [n for n, _ in claims], [why for _, why in claims]]
    return pa.concat_tables([rejected, pa.table(columns, schema=rejected.schema)])


class Files:
    """The output files, each written beside its place and renamed only when all is done."""

    def __init__(self, outputs: Paths, about: Mapping[str, object]) -> None:
        named = {k: v for k, v in asdict(outputs).items() if v is not None}
        self.paths: Mapping[str, Path] = named
        self.about = {"riskadj": json.dumps(about)}
        self.writers: dict[str, Writer] = {}
        self.suffix = f".{secrets.token_hex(4)}.part"
        for what, path in named.items():
            _check(path, what)
        if len({path.resolve() for path in named.values()}) < len(named):
            raise OptionError("two outputs have the same path")

    def wants(self, what: str) -> bool:
        """Whether this output was asked for."""
        return what in self.paths

    def write(self, what: str, table: pa.Table) -> None:
        """Append rows to an output, if it was asked for."""
        if what in self.paths:
            if what not in self.writers:
                _create_private(self._temporary(what))
                first = _writable(table, self.paths[what]).replace_schema_metadata(self.about)
                self.writers[what] = _open(self._temporary(what), self.paths[what], first.schema)
            part = _writable(table, self.paths[what]).replace_schema_metadata(self.about)
            self.writers[what].write_table(part)

    def write_quality(self, quality: Quality, months: Mapping[str, object] | None = None) -> None:
        """Write counts, assumptions and caveats as JSON, if asked for."""
        if "quality" in self.paths:
            more = {} if months is None else {"member_months": months}
            said = {**asdict(quality), **more}
            text = json.dumps(said, indent=2)
            _create_private(self._temporary("quality"))
            self._temporary("quality").write_text(text + "\n", encoding="utf-8")

    def __enter__(self) -> "Files":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            for writer in self.writers.values():
                writer.close()
            if kind is None:
                for what in self.writers.keys() | {"quality"} & self.paths.keys():
                    self._temporary(what).replace(self.paths[what])
        finally:
            for what in self.paths:
                self._temporary(what).unlink(missing_ok=True)

    def _temporary(self, what: str) -> Path:
        path = self.paths[what]
        return path.with_name(f".{path.name}{self.suffix}")


def _check(path: Path, what: str) -> None:
    wanted = (".json",) if what == "quality" else SUFFIXES
    if path.is_dir():
        raise OptionError(f"{what}: {path} is a folder")
    if not path.parent.is_dir():
        raise OptionError(f"{what}: there is no folder {path.parent}")
    if path.suffix not in wanted:
        raise OptionError(f"{what}: {path.name} does not end in {' or '.join(wanted)}")


def _create_private(path: Path) -> None:
    """Create a file that only its owner can read, and never one that is there already."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _open(temporary: Path, path: Path, schema: pa.Schema) -> Writer:
    if path.suffix == ".csv":
        return _CsvWriter(pc.CSVWriter(temporary, schema))
    coded = [f"{f.name}.list.element" if pa.types.is_list(f.type) else f.name for f in schema]
    writer: Writer = pq.ParquetWriter(
        temporary, schema, compression="zstd", use_dictionary=[n for n in coded if n != "member_id"]
    )  # fmt: skip
    return writer


class _CsvWriter:
    def __init__(self, writer: pc.CSVWriter) -> None:
        self.writer = writer

    def write_table(self, table: pa.Table) -> None:
        self.writer.write_table(table)

    def close(self) -> None:
        self.writer.close()


def _writable(table: pa.Table, path: Path) -> pa.Table:
    """Return a table that the format can hold: CSV has text for lists, separated by spaces."""
    if path.suffix != ".csv":
        return table
    plain = as_kind(table, table)
    for i, name in enumerate(plain.schema.names):
        if pa.types.is_list(plain.schema.field(i).type):
            joined = pcompute.binary_join(plain[name], " ")
            plain = plain.set_column(i, name, joined)
    return plain
