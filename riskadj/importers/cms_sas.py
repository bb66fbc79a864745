"""Read the text form of one of CMS's SAS packages: format, macros and coefficient row.

The edit macro's mandatory age and sex edits become conditions of code rows. The MCE edits of the
same macro look their ages up in SAS format catalogues, which the text form lacks.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from riskadj.errors import ImportFormatError
from riskadj.importers.cms_python import provenance
from riskadj.importers.draft import Row, SourceTables, write_model_folder
from riskadj.importers.overlay import draft_model, load_overlay
from riskadj.importers.peers import (
    Pairs,
    macro_hierarchy,
    macro_labels,
    tab_pairs,
    wide_coefficients,
)
from riskadj.model import AGE_LIMIT

# How a model version's files are named: the pattern, and a name like it.
FILES = {
    "format": (r"F{version}{year}[0-9A-Z]+\.TXT", "F{version}{year}O1P.TXT"),
    "edit macro": (r"V{version}I0ED\d\.TXT", "V{version}I0ED2.TXT"),
    "hierarchy": (r"V{version}H\d+H\d\.TXT", "V{version}H79H1.TXT"),
    "labels": (r"V{version}H\d+L\d\.TXT", "V{version}H79L1.TXT"),
    "coefficients": (r"V{version}hcccoefn\.csv", "V{version}hcccoefn.csv"),
}
NO_MCE = (
    "MCE age and sex edits are not applied: CMS's SAS package holds them in format catalogues "
    "that its text form lacks"
)
SEX = {"1": "M", "2": "F"}
EVERY_AGE = frozenset(range(AGE_LIMIT + 1))
EDIT = re.compile(
    r"""(ELSE\s+)?IF\s+(.+?)\s+AND\s+&ICD10\s*(?:=|IN\b)\s*\(?\s*("\w+"(?:\s*,\s*"\w+")*)\s*\)?\s*
        THEN\s+CC\s*=\s*"(-1\.0|\d+)"\s*""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Edit:
    """One branch of an edit macro.

    Attributes
    ----------
    codes
        The diagnosis codes that it changes.
    sex
        ``F``, ``M``, or empty for both.
    ages
        The ages that it changes, in years.
    category
        What such a code counts as instead, such as ``HCC48``; empty if it is invalid.
    """

    codes: frozenset[str]
    sex: str
    ages: frozenset[int]
    category: str

    def holds(self, sex: str, age: int) -> bool:
        """Say whether the branch takes a member of this sex and age."""
        return self.sex in ("", sex) and age in self.ages


def macro_edits(data: bytes, name: str) -> list[Edit]:
    """Read the mandatory edits of an edit macro such as V22I0ED2, in the chain's order.

    Raises
    ------
    ImportFormatError
        A statement before the MCE edits is not a branch of one IF/ELSE chain; its line is named.
    """
    edits: list[Edit] = []
    for line, statement in _statements(data.decode("latin-1")):
        match = EDIT.fullmatch(statement)
        where = match and _where(match[2])
        if not match or not where or bool(match[1]) != bool(edits):
            raise ImportFormatError(f"{name}: line {line} is not a branch of an age and sex edit")
        category = "" if match[4] == "-1.0" else f"HCC{match[4]}"
        edits.append(Edit(frozenset(re.findall(r"\w+", match[3])), *where, category))
    if not edits:
        raise ImportFormatError(f"{name}: no age and sex edits")
    return edits


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield each statement up to the MCE edits with its first line, without comments."""
    blank = re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m[0]), text, flags=re.DOTALL)
    line = 1
    for piece in blank.split(";"):
        statement = piece.strip()
        first = line + piece[: len(piece) - len(piece.lstrip())].count("\n")
        line += piece.count("\n")
        if statement.upper().startswith(("%IF", "%MEND")):
            return
        if statement and not statement.upper().startswith(("%MACRO", "%*", "*")):
            yield first, statement


def _where(condition: str) -> tuple[str, frozenset[int]] | None:
    """Read ``&SEX="2"``, ``&AGE < 18`` or ``(&AGE < 6 OR &AGE > 18)``, joined by AND."""
    sex, ages = "", EVERY_AGE
    for part in re.split(r"\s+AND\s+", condition.upper()):
        if match := re.fullmatch(r'&SEX\s*=\s*"([12])"', part):
            sex = SEX[match[1]]
            continue
        bounds = [
            re.fullmatch(r"&AGE\s*(<=|>=|<|>|=)\s*(\d+)", side)
            for side in re.split(r"\s+OR\s+", re.sub(r"^\((.*)\)$", r"\1", part))
        ]
        if not all(bounds):
            return None
        ages &= frozenset().union(*(_ages(b[1], int(b[2])) for b in bounds if b))
    return sex, ages


def _ages(sign: str, bound: int) -> frozenset[int]:
    low = {">": bound + 1, ">=": bound, "=": bound}.get(sign, 0)
    high = {"<": bound - 1, "<=": bound, "=": bound}.get(sign, AGE_LIMIT)
    return frozenset(range(low, high + 1)) & EVERY_AGE


def edited_rows(pairs: Pairs, edits: Sequence[Edit]) -> list[Row]:
    """Give a format's (code, category) pairs the conditions of an edit macro.

    An edit replaces all of a code's own categories for the ages and sex that it names, so these
    get the complement. The first branch that holds is the one. A code that the format lacks has
    only what the edits give it.

    Returns
    -------
    list of Row
        ``code, category, age_min, age_max, sex`` and three empty fields, as in
        ``SourceTables.code_rows``; a bound at 0 or the oldest age is left empty.
    """
    own: Mapping[str, set[str]] = defaultdict(set)
    for code, category in pairs:
        own[code].add(category)
    edited = frozenset().union(*(e.codes for e in edits))
    return [
        (code, category, low, high, sex, "", "", "")
        for code in sorted(own.keys() | edited)
        for category, low, high, sex in _conditions(
            sorted(own.get(code, ())), [e for e in edits if code in e.codes]
        )
    ]


def _conditions(own: list[str], chain: list[Edit]) -> Iterator[tuple[str, str, str, str]]:
    """Yield a code's categories with the ages and sex at which each counts."""
    if not chain:
        yield from ((category, "", "", "") for category in own)
        return
    every = range(AGE_LIMIT + 1)
    by_sex = {sex: [_outcome(own, chain, sex, age) for age in every] for sex in ("F", "M")}
    sexes = {"": by_sex["F"]} if by_sex["F"] == by_sex["M"] else by_sex
    for sex, outcomes in sexes.items():
        for categories, ages in groupby(every, outcomes.__getitem__):
            first, *more = ages
            last = more[-1] if more else first
            low, high = str(first or ""), "" if last == AGE_LIMIT else str(last)
            yield from ((category, low, high, sex) for category in categories)


def _outcome(own: list[str], chain: list[Edit], sex: str, age: int) -> list[str]:
    held = next((e for e in chain if e.holds(sex, age)), None)
    if held is None:
        return own
    return [held.category] if held.category else []


def sas_tables(
    code_rows: Sequence[Row],
    parts: Mapping[str, tuple[bytes, str]],
    overlay: Mapping[str, Any],
    files: Sequence[Mapping[str, str]],
) -> SourceTables:
    """Join code rows with the coefficient row, hierarchy and labels of a SAS package.

    Parameters
    ----------
    code_rows, files
        As in ``SourceTables``.
    parts
        ``coefficients``, ``hierarchy`` and ``labels``, each as content and file name.
    overlay
        Groups and interactions, which stand in the macro's code, are the overlay's.
    """
    interactions = overlay["interactions"]
    return SourceTables(
        code_rows=code_rows,
        coefficients=wide_coefficients(*parts["coefficients"]),
        labels={
            **macro_labels(*parts["labels"]),
            **{name: label for name, (_, label) in interactions.items()},
        },
        groups={g: members.split() for g, members in overlay["groups"].items()},
        interactions={name: when for name, (when, _) in interactions.items()},
        hierarchy=macro_hierarchy(*parts["hierarchy"]),
        files=files,
    )


def find_package(path: Path, version: str, year: int) -> dict[str, tuple[bytes, str]]:
    """Find the files of one package in a folder, by the names that CMS gives them.

    Returns
    -------
    dict
        ``format``, ``edit macro``, ``hierarchy``, ``labels`` and ``coefficients``, each as
        content and file name.

    Raises
    ------
    ImportFormatError
        A file is missing, or two have the same part; the message names it.
    """
    if not path.is_dir():
        raise ImportFormatError(f"{path} is not a folder")
    names = sorted(p.name for p in path.iterdir() if p.is_file())
    return {part: _one_file(path, names, part, version, f"{year % 100:02}") for part in FILES}


def _one_file(
    path: Path, names: list[str], part: str, version: str, year: str
) -> tuple[bytes, str]:
    pattern, like = (text.format(version=version, year=year) for text in FILES[part])
    found = [n for n in names if re.fullmatch(pattern, n, re.IGNORECASE)]
    if not found:
        raise ImportFormatError(f"{path} has no {part}, a file named like {like}")
    if len(found) > 1:
        raise ImportFormatError(f"{path}: keep one {part} of {', '.join(found)}")
    return (path / found[0]).read_bytes(), found[0]


def import_package(path: Path, model: str, year: int, out: Path) -> Path:
    """Turn the text form of one of CMS's SAS packages into a sealed model folder.

    Parameters
    ----------
    path
        The folder of the package's files.
    model
        Such as ``cms-hcc-v22``.
    year
        The payment year, which the format's name carries (F2218O1P: 2018).
    out
        The model folder to write; replaced if it is there.

    Raises
    ------
    ImportFormatError
        A file is missing or has another form, or the model's overlay leaves the interactions to
        CMS's CSV tables.
    """
    overlay = load_overlay(model)
    version = re.fullmatch(r"cms-hcc-v(\d\d)", model)
    if not version or "interactions" not in overlay:
        raise ImportFormatError(f"{model} has no overlay for SAS packages; try import cms-python")
    parts = find_package(path, version[1], year)
    rows = edited_rows(tab_pairs(*parts["format"]), macro_edits(*parts["edit macro"]))
    package = {"package": path.resolve().name, "version": ""}
    files = [provenance(package, name, data) for data, name in parts.values()]
    release = {
        "release": Path(parts["format"][1]).stem, "status": "final", "sources": 1,
        "evidence": "read from the text form of one of CMS's SAS packages", "unverified": [NO_MCE],
    }  # fmt: skip
    tables = sas_tables(rows, parts, overlay, files)
    return write_model_folder(draft_model(tables, overlay, year, release), out, str(out))
