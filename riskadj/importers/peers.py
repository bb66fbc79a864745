"""Read the forms in which PyPI wheels carry CMS's tables.

Figures only: formats, coefficient rows, and the SAS macros' hierarchies and labels.
"""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from riskadj.errors import ImportFormatError
from riskadj.importers.draft import Row

Pairs = set[tuple[str, str]]
CODE = re.compile(r"[A-Z][0-9][0-9A-Z]{1,5}")


def tab_pairs(data: bytes, name: str) -> Pairs:
    """Read ``code <tab> category`` lines, the form of CMS's SAS format files.

    A third field ``D`` marks a code's second category.
    """
    pairs = set()
    for number, line in enumerate(data.decode("ascii").splitlines(), start=1):
        fields = [f.strip() for f in line.split("\t") if f.strip()]
        if fields:
            if len(fields) not in (2, 3) or fields[2:] not in ([], ["D"]):
                raise ImportFormatError(f"{name}: line {number} is not code, category and maybe D")
            pairs.add(_pair(fields[0], fields[1], name))
    return pairs


def model_pairs(data: bytes, name: str, model: str) -> Pairs:
    """Read ``diagnosis_code,cc,model_name`` rows of one model."""
    reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig")))
    if reader.fieldnames != ["diagnosis_code", "cc", "model_name"]:
        raise ImportFormatError(f"{name}: columns {reader.fieldnames}")
    pairs = {
        _pair(r["diagnosis_code"], r["cc"].removesuffix(".0"), name)
        for r in reader
        if r["model_name"] == model
    }
    if not pairs:
        raise ImportFormatError(f"{name}: no rows of {model}")
    return pairs


def _pair(code: str, category: str, name: str) -> tuple[str, str]:
    if not CODE.fullmatch(code) or not category.isdigit():
        raise ImportFormatError(f"{name}: {code!r}, {category!r} is not a code and a category")
    return code, f"HCC{category}"


def wide_coefficients(data: bytes, name: str) -> dict[str, dict[str, str]]:
    """Read one header row ``CNA_HCC1,...`` and one row of values."""
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))
    if len(rows) != 2 or len(rows[0]) != len(rows[1]):
        raise ImportFormatError(f"{name}: expected one row of names and one of values")
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for variable, value in zip(*rows, strict=True):
        segment, _, rest = variable.strip().partition("_")
        found[rest][segment] = value
    return dict(found)


def macro_hierarchy(data: bytes, name: str) -> list[tuple[str, str]]:
    """Read the ``%SET0(CC=17, HIER=%STR(18, 19))`` lines of a hierarchy macro, in order."""
    text = data.decode("latin-1")
    calls = re.findall(r"%SET0\(CC=\s*(\d+)\s*,\s*HIER=%STR\(([\d,\s]+)\)\)", text)
    if len(calls) != len(re.findall(r"%SET0\(CC=\s*\d", text)):
        raise ImportFormatError(f"{name}: a %SET0 line has another form")
    return [(f"HCC{p}", f"HCC{c.strip()}") for p, children in calls for c in children.split(",")]


def macro_labels(data: bytes, name: str) -> dict[str, str]:
    """Read the ``HCC1 ="HIV/AIDS"`` entries of a label macro; a label may start a new line."""
    labels = dict(re.findall(r'^\s*(HCC\d+)\s*=\s*"([^"]+)"', data.decode("latin-1"), re.MULTILINE))
    if not labels:
        raise ImportFormatError(f"{name}: no labels")
    return {k: " ".join(v.split()) for k, v in labels.items()}


def carry_conditions(base: Pairs, conditional: Sequence[Row]) -> list[Row]:
    """Give a year's plain (code, category) pairs the conditions of CMS's table, by code.

    A row of the conditional table is taken when its category is one of the code's own that year,
    or the age or sex alternative of one (the edit macros' overrides, such as V24 J430 under 18).
    A category that the table no longer gives the code keeps the code's MCE ages.

    Raises
    ------
    ImportFormatError
        A category of the year has no row, and the code's rows differ in their MCE ages.
    """
    rows_of: Mapping[str, list[Row]] = defaultdict(list)
    for row in conditional:
        rows_of[row[0]].append(row)
    own: Mapping[str, set[str]] = defaultdict(set)
    for code, category in base:
        own[code].add(category)
    return [row for code in sorted(own) for row in _carried(code, own[code], rows_of[code])]


def _carried(code: str, categories: set[str], table: Sequence[Row]) -> list[Row]:
    edited = any(r[1] in categories and any(r[2:5]) for r in table)
    taken = [r for r in table if r[1] in categories or (edited and any(r[2:5]))]
    rows: list[Row] = [(*r[:7], "1" if any(r[2:7]) else "") for r in taken]
    if lost := categories - {r[1] for r in taken}:
        ages = {tuple(r[5:7]) for r in table} or {("", "")}
        if len(ages) > 1:
            raise ImportFormatError(f"{code}: {sorted(lost)} cannot take MCE ages {sorted(ages)}")
        mce = ages.pop()
        rows += [(code, c, "", "", "", *mce, "1" if any(mce) else "") for c in sorted(lost)]
    return rows


def confirmed(pairs: Pairs, others: Mapping[str, Pairs], how: str, name: str) -> None:
    """Check a map against independent ones: ``identical`` to each, or each pair in ``any``.

    Raises
    ------
    ImportFormatError
        The sources disagree, so the map must not be built.
    """
    if how == "identical":
        for other, theirs in others.items():
            if theirs != pairs:
                raise ImportFormatError(f"{name} and {other} differ in {len(theirs ^ pairs)} pairs")
    elif alone := sorted(pairs - set().union(*others.values())):
        raise ImportFormatError(f"{name}: {len(alone)} pairs stand in no other source: {alone[:5]}")
