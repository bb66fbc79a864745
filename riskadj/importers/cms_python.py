"""Read the CSV tables of CMS's own Python software (payment year 2026)."""

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from riskadj.errors import ImportFormatError
from riskadj.importers.draft import Row, SourceTables, write_model_folder
from riskadj.importers.overlay import draft_model, load_overlay
from riskadj.model import AGE_LIMIT

MAPPING = re.compile(r"ICD10_CC_mappings_CMS_HCC_(\d{4})_v(\d\d)\.csv")
MAPPING_HEADER = ("ICD10", "CC", "MCE_AGE_CONDITION", "AGE_EDIT_CONDITION", "SEX_EDIT_CONDITION")
SEX = {"": "", "1.0": "M", "2.0": "F"}


def find_package(path: Path) -> tuple[str, int, dict[str, bytes]]:
    """Find CMS's tables under a folder.

    Returns
    -------
    (model, payment year, file name to content)

    Raises
    ------
    ImportFormatError
        None, or more than one, CMS-HCC code map lies under the folder.
    """
    found = [(m, p) for p in sorted(path.rglob("*.csv")) if (m := MAPPING.fullmatch(p.name))]
    if len(found) != 1:
        raise ImportFormatError(
            f"{path}: {len(found)} files named like ICD10_CC_mappings_CMS_HCC_2026_v28.csv; "
            "expected one. Give the folder of one CMS-HCC package."
        )
    match, mapping = found[0]
    files = {p.name: p.read_bytes() for p in sorted(mapping.parent.glob("*.csv"))}
    return f"cms-hcc-v{match[2]}", int(match[1]), files


def read_cms_tables(
    version: str, files: Mapping[str, bytes], package: Mapping[str, str]
) -> SourceTables:
    """Read one package's tables.

    Parameters
    ----------
    version
        Such as ``V28``, the prefix of CMS's file names.
    files
        File name to content.
    package
        ``package``, ``version`` and ``folder`` that the provenance names.

    Raises
    ------
    ImportFormatError
        A file is missing or unknown, or a column or condition is not as expected.
    """
    mapping = [n for n in files if MAPPING.fullmatch(n)]
    names = {k: f"{version}_{k}.csv" for k in (
        "CE_Relative_Factors", "NE_Relative_Factors", "HCC_Hierarchies",
        "Interactions", "Diagnosis_Categories")}  # fmt: skip
    if odd := sorted(set(files).symmetric_difference({*names.values(), *mapping})):
        raise ImportFormatError(f"missing or unknown files: {', '.join(odd)}")
    read = {k: list(_rows(files[n], n)) for k, n in names.items()}
    coefficients, labels = _factors(read["CE_Relative_Factors"], "Label")
    new, _ = _factors(read["NE_Relative_Factors"], "New Enrollees")
    return SourceTables(
        code_rows=code_rows(files[mapping[0]], mapping[0]),
        coefficients={**coefficients, **new},
        labels=labels,
        groups=_wide_lists(read["Diagnosis_Categories"], "diag_category", "hcc_"),
        interactions={
            name: " & ".join(parts)
            for name, parts in _wide_lists(read["Interactions"], "interaction", "var_").items()
        },
        hierarchy=[
            (parent, child)
            for parent, children in _wide_lists(
                read["HCC_Hierarchies"], "HCC", "SecondaryHCC_"
            ).items()
            for child in children
        ],
        files=[provenance(package, name, data) for name, data in sorted(files.items())],
    )


def provenance(package: Mapping[str, str], name: str, data: bytes) -> dict[str, str]:
    """Say where a source file came from, with its sha256."""
    return {**package, "file": name, "sha256": hashlib.sha256(data).hexdigest()}


def code_rows(data: bytes, name: str) -> list[Row]:
    """Read CMS's code map with its age and sex conditions."""
    rows: list[Row] = []
    for row in _rows(data, name, MAPPING_HEADER):
        low, high = _ages(row["AGE_EDIT_CONDITION"], name)
        mce_low, mce_high = _ages(row["MCE_AGE_CONDITION"], name)
        category = re.fullmatch(r"(\d+)\.0", row["CC"])
        if row["SEX_EDIT_CONDITION"] not in SEX or not category:
            raise ImportFormatError(f"{name}: unknown sex condition or category in a row")
        rows.append((row["ICD10"], f"HCC{category[1]}", low, high, SEX[row["SEX_EDIT_CONDITION"]],
                     mce_low, mce_high, ""))  # fmt: skip
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


def _rows(
    data: bytes, name: str, header: tuple[str, ...] | None = None
) -> Iterator[dict[str, str]]:
    """Yield a CSV file's rows with names and values stripped."""
    reader = csv.reader(io.StringIO(data.decode("utf-8-sig")))
    found = tuple(h.strip() for h in next(reader))
    if header and found != header:
        raise ImportFormatError(f"{name}: columns {found}; expected {header}")
    for row in reader:
        if len(row) != len(found):
            raise ImportFormatError(f"{name}: line {reader.line_num} has {len(row)} fields")
        yield dict(zip(found, (v.strip() for v in row), strict=True))


def _factors(
    rows: list[dict[str, str]], label: str
) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """Split a factor table into coefficients and labels; a blank cell is left out."""
    if rows[0].keys() < {"Variable", label}:
        raise ImportFormatError(f"factor table without Variable and {label}")
    coefficients = {
        r["Variable"]: {k: v for k, v in r.items() if k not in ("Variable", label) and v}
        for r in rows
    }
    return coefficients, {r["Variable"]: r[label] for r in rows}


def _wide_lists(rows: list[dict[str, str]], key: str, prefix: str) -> dict[str, list[str]]:
    """Read ``name, member_1, member_2, ...`` rows, refusing another column."""
    columns = [c for c in rows[0] if c != key]
    if key not in rows[0] or not all(c.startswith(prefix) for c in columns):
        raise ImportFormatError(f"columns {list(rows[0])}; expected {key} and {prefix}1, ...")
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
    version = "V" + model.removeprefix("cms-hcc-v")
    overlay = load_overlay(model)
    tables = read_cms_tables(version, files, {"package": path.name, "version": ""})
    release = {
        "release": path.name, "status": "final", "sources": 1,
        "evidence": "read from one package of CMS's Python software",
    }  # fmt: skip
    return write_model_folder(draft_model(tables, overlay, year, release), out, str(out))
