"""A model folder in the making: what the importers fill and one function writes."""

import csv
import io
import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from riskadj.errors import ModelFolderError
from riskadj.features.rulebook import compile_rulebook
from riskadj.folder import read_model
from riskadj.manifest import MANIFEST, seal

Row = Sequence[str]


@dataclass(frozen=True, slots=True)
class SourceTables:
    """What a source package says of a model, in its own names.

    Attributes
    ----------
    code_rows
        ``code, category, age_min, age_max, sex, mce_age_min, mce_age_max, carried`` as text.
    coefficients
        Variable to source column to decimal text; a blank cell is left out.
    labels, groups, interactions
        By variable; ``interactions`` as guards such as ``HCC85 & HCC96``.
    hierarchy
        ``(parent, child)`` in the order in which the rule-maker applies them.
    files
        Where each table came from: package, version, file, sha256.
    prices
        Variables with one price in every segment that lists them: graft duration, transplant.
    """

    code_rows: Sequence[Row]
    coefficients: Mapping[str, Mapping[str, str]]
    labels: Mapping[str, str]
    groups: Mapping[str, Sequence[str]]
    interactions: Mapping[str, str]
    hierarchy: Sequence[tuple[str, str]]
    files: Sequence[Mapping[str, str]]
    prices: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelDraft:
    """A folder's head and tables as text: file name to (header, rows); ``files`` as they are."""

    facts: Mapping[str, object]
    tables: Mapping[str, tuple[str, Sequence[Row]]]
    files: Mapping[str, bytes] = field(default_factory=dict)


def write_model_folder(draft: ModelDraft, folder: Path, key: str) -> Path:
    """Write, seal, read back and compile a model folder; it appears whole or not at all.

    Raises
    ------
    ModelFolderError
        The folder would not be a whole model, or holds what is none; nothing is written.
    """
    if folder.exists() and not (folder / MANIFEST).is_file() and any(folder.iterdir()):
        raise ModelFolderError(f"{folder} holds files and is no model folder: name a new folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".import-") as temporary:
        made = Path(temporary) / folder.name
        made.mkdir()
        _write_text(made / "model.toml", toml_text(draft.facts))
        for name, (header, rows) in draft.tables.items():
            _write_text(made / name, csv_text(header.split(","), rows))
        for name, data in draft.files.items():
            (made / name).write_bytes(data)
        seal(made)
        compile_rulebook(read_model(made, key))
        if folder.exists():
            shutil.rmtree(folder)
        made.rename(folder)
    return folder


def csv_text(header: Row, rows: Iterable[Row]) -> str:
    """Return CSV text with line feeds."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def toml_text(values: Mapping[str, object]) -> str:
    """Return TOML text of strings, integers, lists of strings and lists of tables."""
    lines, tables = [], []
    for key, value in values.items():
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            tables += [f"\n[[{key}]]\n" + toml_text(row).rstrip("\n") for row in value]
        else:
            lines.append(f"{key} = {_toml_value(value)}")
    return "\n".join([*lines, *tables]) + "\n"


def _toml_value(value: object) -> str:
    if isinstance(value, list):
        return "[" + "".join(f"\n    {_toml_value(v)}," for v in value) + ("\n]" if value else "]")
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value)


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
