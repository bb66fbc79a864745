"""A model folder becomes a whole, checked model, or an error."""

import csv
import io
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from riskadj.errors import ModelFolderError
from riskadj.manifest import read_sealed
from riskadj.model import (
    AGE_64_RULES,
    AGE_LIMIT,
    RULE_KINDS,
    STATUSES,
    Cell,
    CodeRow,
    Count,
    Divisor,
    Flag,
    ModelFacts,
    RiskModel,
    Rule,
    Segment,
    Term,
)

SCHEMA = 1
UNPRICED = "-"
"""What stands in ``coefficients.csv`` for a condition that a segment leaves without a price."""


def read_model(folder: Path, key: str) -> RiskModel:
    """Read a model folder, checking its seal and that it is whole.

    Raises
    ------
    ModelFolderError
        Unsealed or changed bytes, an unknown schema, key or column, a name that no table
        defines, a term in a segment's list without a coefficient, or a coefficient without one.
    """
    tables = Tables(folder, read_sealed(folder))
    try:
        model = _model(tables, key)
    except ValueError:
        raise ModelFolderError(
            f"{folder}: a table has a row with another number of columns than its header, or text "
            "where a number belongs"
        ) from None
    if faults := list(_faults(model)):
        shown = "\n  ".join(faults[:10])
        raise ModelFolderError(f"{folder}: {len(faults)} faults:\n  {shown}")
    return model


def _model(tables: "Tables", key: str) -> RiskModel:
    return RiskModel(
        key=key,
        facts=tables.facts(),
        segments=tuple(
            Segment(k, label, when, uses == "1")
            for k, label, when, uses in tables.rows(
                "segments.csv", "segment,label,when,uses_diagnoses"
            )
        ),
        flags=tuple(Flag(*r) for r in tables.rows("flags.csv", "flag,when")),
        cells=tables.cells(),
        code_map=tables.code_map(),
        categories=dict(tables.rows("categories.csv", "category,label")),
        rules=tuple(
            Rule(k, t, tuple(s.split()))
            for k, t, s in tables.rows("rules.csv", "type,target,sources")
        ),
        hierarchy=tuple((p, c) for _, p, c in tables.rows("hierarchy.csv", "rank,parent,child")),
        groups=tables.groups(),
        terms=tables.terms(),
        counts=tables.counts(),
        **tables.coefficients(),
        divisors=tables.divisors(),
    )


class Tables:
    """The text tables of one folder; every reader checks its header."""

    def __init__(self, folder: Path, content: Mapping[str, bytes]) -> None:
        self.folder = folder
        self.content = content

    def rows(self, name: str, header: str) -> Iterator[list[str]]:
        """Yield the rows under exactly this header."""
        if name not in self.content:
            raise ModelFolderError(f"{self.folder}: {name} is missing")
        reader = csv.reader(io.StringIO(self.content[name].decode("utf-8")))
        found = next(reader, [])
        if found != header.split(","):
            raise ModelFolderError(
                f"{self.folder}/{name}: columns {','.join(found)}; expected {header}"
            )
        return reader

    def facts(self) -> ModelFacts:
        """Read ``model.toml``, refusing an unknown schema or key."""
        if "model.toml" not in self.content:
            raise ModelFolderError(f"{self.folder}: model.toml is missing")
        head = tomllib.loads(self.content["model.toml"].decode("utf-8"))
        if head.get("schema") != SCHEMA:
            raise ModelFolderError(
                f"{self.folder}: schema {head.get('schema')} is not known, only {SCHEMA}"
            )
        fields = set(ModelFacts.__slots__)
        if wrong := sorted(fields.symmetric_difference(head)):
            raise ModelFolderError(f"{self.folder}/model.toml: unknown or missing {wrong}")
        facts = ModelFacts(
            **{**head, "unverified": tuple(head["unverified"]), "files": tuple(head["files"])}
        )
        _one_of(self.folder, "age_64_rule", facts.age_64_rule, AGE_64_RULES)
        _one_of(self.folder, "status", facts.status, STATUSES)
        return facts

    def cells(self) -> tuple[Cell, ...]:
        """Read ``demographics.csv``; a blank age or sex means any."""
        header = "variable,label,sex,age_min,age_max,when,segments"
        return tuple(
            Cell(v, label, sex, int(lo or 0), int(hi or AGE_LIMIT), when, tuple(segs.split()))
            for v, label, sex, lo, hi, when, segs in self.rows("demographics.csv", header)
        )

    def code_map(self) -> tuple[CodeRow, ...]:
        """Read ``code_map.csv``; a blank bound means any."""
        header = "code,category,age_min,age_max,sex,mce_age_min,mce_age_max,carried"
        return tuple(
            CodeRow(row[0], row[1], 0, AGE_LIMIT, "", 0, AGE_LIMIT, False)
            if not any(row[2:])
            else _conditional(row)
            for row in self.rows("code_map.csv", header)
        )

    def groups(self) -> dict[str, tuple[str, ...]]:
        """Read ``groups.csv``: one row a member of a group."""
        found: dict[str, tuple[str, ...]] = {}
        for group, member in self.rows("groups.csv", "group,member"):
            found[group] = (*found.get(group, ()), member)
        return found

    def terms(self) -> tuple[Term, ...]:
        """Read ``terms.csv``: conjunctions such as ``DIABETES_V28 & HF_V28``."""
        return tuple(
            Term(name, label, tuple(p.strip() for p in when.split("&")), tuple(segs.split()))
            for name, label, when, segs in self.rows("terms.csv", "variable,label,when,segments")
        )

    def counts(self) -> tuple[Count, ...]:
        """Read ``counts.csv``; a blank maximum means open-ended."""
        return tuple(
            Count(name, label, int(lo), int(hi) if hi else None, tuple(segs.split()))
            for name, label, lo, hi, segs in self.rows(
                "counts.csv", "variable,label,min,max,segments"
            )
        )

    def divisors(self) -> tuple[Divisor, ...]:
        """Read ``divisors.csv``, which only a model with such a segment has."""
        if "divisors.csv" not in self.content:
            return ()
        where = f"{self.folder}/divisors.csv"
        return tuple(
            Divisor(segment, name, label, _thousandths(text, f"{where}: {segment}"))
            for segment, name, label, text in self.rows(
                "divisors.csv", "segment,variable,label,divisor"
            )
        )

    def coefficients(self) -> dict[str, Any]:
        """Read ``coefficients.csv``: a row a variable, a column a segment, blank = not in it.

        ``-`` says of a condition that its segment knows it and leaves it without a price.
        """
        name = "coefficients.csv"
        if name not in self.content:
            raise ModelFolderError(f"{self.folder}: {name} is missing")
        header, *rows = csv.reader(io.StringIO(self.content[name].decode("utf-8")))
        if header[:1] != ["variable"]:
            raise ModelFolderError(f"{self.folder}/{name}: the first column is not 'variable'")
        if len({row[0] for row in rows}) != len(rows):
            raise ModelFolderError(f"{self.folder}/{name}: a variable stands twice")
        cells = [
            (segment, row[0], text)
            for row in rows
            for segment, text in zip(header[1:], row[1:], strict=True)
            if text
        ]
        return {
            "coefficients": {
                (s, v): _thousandths(text, f"{self.folder}/{name}: {v} {s}")
                for s, v, text in cells
                if text != UNPRICED
            },
            "unpriced": frozenset((s, v) for s, v, text in cells if text == UNPRICED),
        }


def _conditional(row: list[str]) -> CodeRow:
    code, category, low, high, sex, mce_low, mce_high, carried = row
    return CodeRow(
        code, category, int(low or 0), int(high or AGE_LIMIT), sex,
        int(mce_low or 0), int(mce_high or AGE_LIMIT), carried == "1",
    )  # fmt: skip


def _thousandths(text: str, where: str) -> int:
    """Turn a decimal with at most three places into integer thousandths, exactly."""
    match = re.fullmatch(r"(-?)(\d+)(?:\.(\d{1,3}))?", text)
    if not match:
        raise ModelFolderError(f"{where}: {text!r} is not a decimal with at most 3 places")
    sign, whole, part = match.groups()
    value = int(whole) * 1000 + int((part or "0").ljust(3, "0"))
    return -value if sign else value


def _one_of(folder: Path, name: str, value: str, allowed: Iterable[str]) -> None:
    if value not in allowed:
        raise ModelFolderError(f"{folder}: {name} is {value!r}; known: {', '.join(allowed)}")


def _faults(model: RiskModel) -> Iterator[str]:
    yield from _unknown_names(model)
    for segment in model.segments:
        listed = _listed(model, segment)
        priced = {v for s, v in model.coefficients if s == segment.key}
        blank = {v for s, v in model.unpriced if s == segment.key}
        for v in sorted(listed - priced - blank):
            yield f"coefficients.csv: {v} is in segment {segment.key} but has no coefficient"
        for v in sorted((priced | blank) - listed):
            yield f"coefficients.csv: {v} has a coefficient in {segment.key}, where nothing uses it"


def _listed(model: RiskModel, segment: Segment) -> set[str]:
    """Every variable that the segment must price."""
    key = segment.key
    listed = {c.variable for c in model.cells if key in c.segments}
    listed |= {t.name for t in model.terms if key in t.segments}
    listed |= {c.name for c in model.counts if key in c.segments}
    return listed | (set(model.categories) if segment.uses_diagnoses else set())


def _unknown_names(model: RiskModel) -> Iterator[str]:
    known = set(model.categories)
    flags = {f.name for f in model.flags}
    segments = {s.key for s in model.segments}
    used = {
        "code_map.csv": {r.category for r in model.code_map},
        "rules.csv": {n for r in model.rules for n in (r.target, *r.sources)},
        "hierarchy.csv": {n for pair in model.hierarchy for n in pair},
        "groups.csv": {n for members in model.groups.values() for n in members},
        "terms.csv": {n for t in model.terms for n in t.parts} - flags - set(model.groups),
    }
    for table, names in used.items():
        for name in sorted(names - known):
            yield f"{table}: {name} is not defined"
    in_segments = {
        "demographics.csv": [c.segments for c in model.cells],
        "terms.csv": [t.segments for t in model.terms],
        "counts.csv": [c.segments for c in model.counts],
    }
    for table, listed in in_segments.items():
        for key in sorted({s for row in listed for s in row} - segments):
            yield f"{table}: segment {key} is not in segments.csv"
    yield from (f"rules.csv: type {r.kind} is not known" for r in model.rules
                if r.kind not in RULE_KINDS)  # fmt: skip
    yield from (f"rules.csv: {r.kind} of {r.target} with sources {' '.join(r.sources) or 'none'}"
                for r in model.rules if (r.kind == "drop") == bool(r.sources))  # fmt: skip
    yield from (f"divisors.csv: segment {d.segment} is not in segments.csv, or {d.name} divides "
                "by nothing" for d in model.divisors
                if d.segment not in segments or d.thousandths <= 0)  # fmt: skip
