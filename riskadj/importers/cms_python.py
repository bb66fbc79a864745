"""Read the CSV tables of CMS's own Python software (payment year 2026)."""

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from riskadj.errors import ImportFormatError
from riskadj.importers.draft import Row, SourceTables, write_model_folder
from riskadj.importers.overlay import draft_model, load_overlay, load_overlays
from riskadj.model import AGE_LIMIT

CONDITIONS = ("MCE_AGE_CONDITION", "AGE_EDIT_CONDITION", "SEX_EDIT_CONDITION")
HIERARCHY = ("HCC|RXHCC", "SecondaryHCC_|SecondaryRxHCC_")
GROUPS, INTERACTIONS = ("diag_category", "hcc_"), ("interaction", "var_")
"""The columns of CMS's wide tables."""
SEX = {"": "", "1.0": "M", "2.0": "F"}


@dataclass(frozen=True, slots=True)
class Package:
    """The files of one package of CMS's Python software, as its overlay names them.

    Attributes
    ----------
    code_map
        With ``{year}`` for the payment year.
    factors, prices
        Tables of a column a segment, and of one price a variable.
    groups, interactions
        None where the overlay has them, because no file does.
    category
        What precedes the number of a category: ``HCC`` or ``RXHCC``.
    renamed
        Columns and variables that the overlay, shared with SAS packages, names otherwise.
    """

    code_map: str
    factors: tuple[str, ...]
    hierarchy: str
    groups: str | None = None
    interactions: str | None = None
    prices: tuple[str, ...] = ()
    category: str = "HCC"
    renamed: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, overlay: Mapping[str, Any]) -> "Package":
        """Read an overlay's ``package``."""
        row: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in overlay["package"].items()
        }
        return cls(**row)

    def name(self, theirs: str) -> str:
        """Return the overlay's name of a column or variable."""
        return self.renamed.get(theirs, theirs)

    def names(self, year: int) -> set[str]:
        """Return the files of a payment year's package."""
        optional = [n for n in (self.groups, self.interactions) if n]
        code_map = self.code_map.format(year=year)
        return {code_map, self.hierarchy, *self.factors, *self.prices, *optional}


def find_package(path: Path) -> tuple[str, int, dict[str, bytes]]:
    """Find CMS's tables under a folder, and the model whose overlay names just these files.

    Returns
    -------
    (model, payment year, file name to content)

    Raises
    ------
    ImportFormatError
        No model, or more than one, has these files.
    """
    there = {p.name: p for p in sorted(path.rglob("*.csv"))}
    candidates = [(model, year, package)
                  for model, overlay in load_overlays().items() if "package" in overlay
                  for package in (Package.of(overlay),)
                  if (year := _year_of(package, there))]  # fmt: skip
    found = [c for c in candidates if c[2].names(c[1]) <= there.keys()]
    if len(found) != 1:
        raise ImportFormatError(_not_one(path, candidates, there))
    model, year, package = found[0]
    beside = {p.name for p in there[package.code_map.format(year=year)].parent.rglob("*.csv")}
    if odd := sorted(beside - package.names(year)):
        raise ImportFormatError(f"{path}: unknown files beside those of {model}: {', '.join(odd)}")
    return model, year, {n: there[n].read_bytes() for n in sorted(package.names(year))}


def _not_one(
    path: Path, candidates: Sequence[tuple[str, int, Package]], there: Mapping[str, Path]
) -> str:
    """Say why a folder is not one package."""
    whole = [model for model, year, package in candidates if package.names(year) <= there.keys()]
    if whole:
        return f"{path}: holds the packages of {', '.join(whole)}: give the folder of one"
    lacks = [f"{model} lacks {', '.join(sorted(package.names(year) - there.keys()))}"
             for model, year, package in candidates]  # fmt: skip
    said = "; ".join(lacks) or "no code map like ICD10_CC_mappings_CMS_HCC_2026_v28.csv"
    return f"{path}: not a package of CMS's Python software: {said}"


def _year_of(package: Package, there: Iterable[str]) -> int | None:
    before, _, after = package.code_map.partition("{year}")
    years = [int(n[len(before) : len(before) + 4]) for n in there
             if re.fullmatch(f"{re.escape(before)}\\d{{4}}{re.escape(after)}", n)]  # fmt: skip
    return years[0] if len(years) == 1 else None


def read_cms_tables(
    overlay: Mapping[str, Any], year: int, files: Mapping[str, bytes], package: Mapping[str, str]
) -> SourceTables:
    """Read one package's tables.

    Parameters
    ----------
    overlay
        The model's overlay, whose ``package`` names the files.
    files
        File name to content.
    package
        ``package``, ``version`` and ``folder`` that the provenance names.

    Raises
    ------
    ImportFormatError
        A file is missing or unknown, or a column or condition is not as expected.
    """
    named = Package.of(overlay)
    if odd := sorted(set(files).symmetric_difference(named.names(year))):
        raise ImportFormatError(f"missing or unknown files: {', '.join(odd)}")
    coefficients, labels = _all_factors(named, files)
    code_map = named.code_map.format(year=year)
    hierarchy = _wide_lists(files[named.hierarchy], named.hierarchy, HIERARCHY)
    own = overlay.get("interactions", {})
    return SourceTables(
        code_rows=code_rows(files[code_map], code_map, named.category),
        coefficients=coefficients,
        labels=labels | {name: label for name, (_, label) in own.items()},
        groups=_groups(named, overlay, files),
        interactions=_interactions(named, overlay, files),
        hierarchy=[
            (_category(parent, named.category), _category(child, named.category))
            for parent, children in hierarchy.items()
            for child in children
        ],
        files=[provenance(package, name, data) for name, data in sorted(files.items())],
        prices={row["variable"]: row["Score"] for name in named.prices
                for row in _price_rows(files[name], name)},
    )  # fmt: skip


def _groups(
    named: Package, overlay: Mapping[str, Any], files: Mapping[str, bytes]
) -> dict[str, list[str]]:
    if named.groups is None:
        return {g: members.split() for g, members in overlay.get("groups", {}).items()}
    return _wide_lists(files[named.groups], named.groups, GROUPS)


def _interactions(
    named: Package, overlay: Mapping[str, Any], files: Mapping[str, bytes]
) -> dict[str, str]:
    if named.interactions is None:
        return {name: when for name, (when, _) in overlay.get("interactions", {}).items()}
    lists = _wide_lists(files[named.interactions], named.interactions, INTERACTIONS)
    return {name: " & ".join(parts) for name, parts in lists.items()}


def _category(name: str, prefix: str) -> str:
    """Name a category: files of Part D have bare numbers."""
    return f"{prefix}{name}" if name.isdigit() else name


def provenance(package: Mapping[str, str], name: str, data: bytes) -> dict[str, str]:
    """Say where a source file came from, with its sha256."""
    return {**package, "file": name, "sha256": hashlib.sha256(data).hexdigest()}


def code_rows(data: bytes, name: str, prefix: str = "HCC") -> list[Row]:
    """Read CMS's code map with its age and sex conditions; Part D's has MCE ages only."""
    rows: list[Row] = []
    for row in _rows(data, name):
        if odd := sorted(set(row) - {"ICD10", "CC", *CONDITIONS, ""}):
            raise ImportFormatError(f"{name}: unknown columns {', '.join(odd)}")
        mce, age, sex = (row.get(c, "") for c in CONDITIONS)
        category = re.fullmatch(r"(\d+)\.0", row["CC"])
        if sex not in SEX or not category:
            raise ImportFormatError(f"{name}: unknown sex condition or category in a row")
        rows.append((row["ICD10"], f"{prefix}{category[1]}", *_ages(age, name), SEX[sex],
                     *_ages(mce, name), ""))  # fmt: skip
    return rows


def _ages(condition: str, name: str) -> tuple[str, str]:
    """Read ``age >= 15``, ``age < 2``, ``age = 0`` or ``9 <= age <= 64``, bounds inclusive.

    >>> _ages("age < 2", ""), _ages("6 <= age <= 18", ""), _ages("", "")
    (('', '1'), ('6', '18'), ('', ''))
    """
    if not condition:
        return "", ""
    if both := re.fullmatch(r"(\d+) <= age <= (\d+)", condition):
        return both[1], both[2]
    one = re.fullmatch(r"age (>=|<|=) (\d+)", condition)
    if not one or int(one[2]) > AGE_LIMIT:
        raise ImportFormatError(f"{name}: cannot read the age condition {condition!r}")
    sign, age = one.groups()
    return {">=": (age, ""), "<": ("", str(int(age) - 1)), "=": (age, age)}[sign]


def _rows(data: bytes, name: str) -> Iterator[dict[str, str]]:
    """Yield a CSV file's rows with names and values stripped; empty rows are left out."""
    reader = csv.reader(io.StringIO(data.decode("utf-8-sig")))
    found = tuple(h.strip() for h in next(reader))
    for row in reader:
        if len(row) != len(found):
            raise ImportFormatError(f"{name}: line {reader.line_num} has {len(row)} fields")
        if any(v.strip() for v in row):
            yield dict(zip(found, (v.strip() for v in row), strict=True))


def _all_factors(
    named: Package, files: Mapping[str, bytes]
) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """Join the factor tables; a blank cell is left out.

    Returns
    -------
    variable to column to decimal text, and labels
    """
    coefficients: dict[str, dict[str, str]] = {}
    labels: dict[str, str] = {}
    for name in named.factors:
        for row in _rows(files[name], name):
            label = next((n for n in ("Label", "New Enrollees") if n in row), None)
            if "Variable" not in row or label is None:
                raise ImportFormatError(f"{name}: factor table without Variable and Label")
            variable = named.name(row.pop("Variable"))
            labels[variable] = row.pop(label)
            own = coefficients.setdefault(variable, {})
            own |= {named.name(column): value for column, value in row.items() if value}
    return coefficients, labels


def _price_rows(data: bytes, name: str) -> Iterator[dict[str, str]]:
    """Yield ``variable`` and ``Score`` of a table of one price a variable."""
    for row in _rows(data, name):
        key = next((n for n in ("Variable", "Graft Duration") if n in row), None)
        if key is None or "Score" not in row:
            raise ImportFormatError(f"{name}: columns {list(row)}; expected Variable and Score")
        yield {"variable": row[key], "Score": row["Score"]}


def _wide_lists(data: bytes, name: str, header: tuple[str, str]) -> dict[str, list[str]]:
    """Read ``name, member_1, member_2, ...`` rows, refusing another column.

    Parameters
    ----------
    header
        Patterns of the first column and of what precedes the numbers of the others.
    """
    rows = list(_rows(data, name))
    key, *columns = rows[0]
    if not re.fullmatch(header[0], key) or not all(
        re.fullmatch(rf"(?:{header[1]})\d+|", c) for c in columns
    ):
        raise ImportFormatError(
            f"{name}: columns {list(rows[0])}; expected {header[0]} and {header[1]}1, 2, ..."
        )
    return {r[key]: [r[c] for c in columns if r[c]] for r in rows}


def import_package(path: Path, out: Path) -> Path:
    """Turn one package of CMS's Python software into a sealed model folder.

    Parameters
    ----------
    path
        The package's folder, at any depth above its CSV tables.
    out
        The model folder to write; replaced if it is there.

    Raises
    ------
    ImportFormatError
        The package has an unknown name, file, column or condition, or no overlay.
    """
    model, year, files = find_package(path)
    overlay = load_overlay(model)
    tables = read_cms_tables(overlay, year, files, {"package": path.name, "version": ""})
    release = {
        "release": path.name, "status": "final", "sources": 1,
        "evidence": "read from one package of CMS's Python software",
    }  # fmt: skip
    return write_model_folder(draft_model(tables, overlay, year, release), out, str(out))
