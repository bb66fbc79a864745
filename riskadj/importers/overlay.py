"""Join a package's tables with the cited overlay that says what they do not."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from riskadj.errors import ImportFormatError
from riskadj.folder import SCHEMA, UNPRICED
from riskadj.importers.draft import ModelDraft, Row, SourceTables

OVERLAYS = Path(__file__).parent / "overlays"


def load_overlay(model: str) -> dict[str, Any]:
    """Read the overlay of a model family, such as ``cms-hcc-v28``."""
    overlays = load_overlays()
    if model not in overlays:
        known = ", ".join(sorted(overlays))
        raise ImportFormatError(f"No overlay for model {model!r}. There are: {known}")
    return overlays[model]


def load_overlays() -> dict[str, dict[str, Any]]:
    """Read every overlay, by model; what models of one file differ in is its ``variants``."""
    found = {}
    for path in sorted(OVERLAYS.glob("*.toml")):
        shared = tomllib.loads(path.read_text(encoding="utf-8"))
        for own in shared.pop("variants", [{}]):
            found[{**shared, **own}["model"]] = {**shared, **own}
    return found


def draft_model(
    tables: SourceTables, overlay: Mapping[str, Any], year: int, release: Mapping[str, Any]
) -> ModelDraft:
    """Make a model folder's tables.

    Parameters
    ----------
    release
        ``release``, ``status``, ``sources``, ``evidence`` and ``unverified`` of the model-year.

    Raises
    ------
    ImportFormatError
        A variable of the source that neither overlay nor tables explain.
    """
    cells = _listed_cells(tables, overlay)
    categories = sorted({row[1] for row in tables.code_rows}, key=_number)
    terms = _terms(tables, overlay)
    counts = _counts(overlay)
    variables = [*dict.fromkeys(c[0] for c in cells if c[6]), *categories,
                 *(t[0] for t in terms), *(c[0] for c in counts)]  # fmt: skip
    if unknown := sorted({*tables.coefficients, *tables.prices} - set(variables)):
        raise ImportFormatError(f"coefficients for unknown variables: {', '.join(unknown[:10])}")
    return ModelDraft(
        facts=_facts(tables, overlay, year, release),
        tables={
            "segments.csv": ("segment,label,when,uses_diagnoses", [
                (s["key"], s["label"], s["when"], "1" if s["uses_diagnoses"] else "0")
                for s in overlay["segments"]]),
            "flags.csv": ("flag,when", [(f["name"], f["when"]) for f in overlay["flags"]]),
            "demographics.csv": ("variable,label,sex,age_min,age_max,when,segments", [
                c for c in cells if c[6]]),
            "code_map.csv": (
                "code,category,age_min,age_max,sex,mce_age_min,mce_age_max,carried",
                sorted(set(map(tuple, tables.code_rows)), key=lambda r: (r[0], _number(r[1]), *r))),
            "categories.csv": ("category,label", [(c, _label(tables, c)) for c in categories]),
            "rules.csv": ("type,target,sources", [
                (r["type"], r["target"], r["sources"]) for r in overlay.get("rules", [])]),
            "hierarchy.csv": ("rank,parent,child", [
                (str(i + 1), p, c) for i, (p, c) in enumerate(tables.hierarchy)]),
            "groups.csv": ("group,member", [
                (g, m) for g, members in tables.groups.items() for m in members]),
            "terms.csv": ("variable,label,when,segments", terms),
            "counts.csv": ("variable,label,min,max,segments", counts),
            "coefficients.csv": _coefficients(tables, overlay, variables, cells),
            **_divisors(overlay),
        },
    )  # fmt: skip


def _divisors(overlay: Mapping[str, Any]) -> dict[str, tuple[str, list[Row]]]:
    rows: list[Row] = [(d["segment"], d["variable"], d["label"], d["divisor"])
                       for d in overlay.get("divisors", [])]  # fmt: skip
    return {"divisors.csv": ("segment,variable,label,divisor", rows)} if rows else {}


def _facts(
    tables: SourceTables, overlay: Mapping[str, Any], year: int, release: Mapping[str, Any]
) -> dict[str, object]:
    age_64 = overlay["age_64"].get(str(year), overlay["age_64"]["default"])
    return {
        "schema": SCHEMA,
        "title": f"{overlay['title']}, payment year {year}",
        "model": overlay["model"],
        "payment_year": year,
        "payer": overlay["payer"],
        "status": release["status"],
        "release": release["release"],
        "age_reference": overlay["age_reference"],
        "age_64_rule": age_64["rule"],
        "age_64_evidence": age_64["evidence"],
        "denominator_usd": overlay["denominator_usd"],
        "sources": release["sources"],
        "evidence": release["evidence"],
        "unverified": list(release.get("unverified", [])),
        "files": [dict(f) for f in tables.files],
    }


SEXES = (("F", "Female"), ("M", "Male"))


def _listed_cells(tables: SourceTables, overlay: Mapping[str, Any]) -> list[Row]:
    """Return the demographic variables, each in the segments whose table has a price for it.

    Only where the overlay says ``blank_is_absent``: there a blank cell of a status variable means
    that the segment does not know it.
    """
    rows = list(_cells(overlay))
    if not overlay.get("blank_is_absent"):
        return rows
    column = {s["key"]: s["column"] for s in overlay["segments"]}
    return [
        (*row[:6], " ".join(s for s in row[6].split()
                            if tables.coefficients.get(row[0], {}).get(column[s])))
        for row in rows
    ]  # fmt: skip


CELL_LISTS = {"disabled": "disabled institutional", "aged": "aged institutional"}
"""Which lists the age-sex cells of a kind are in, unless the overlay says otherwise."""


def _cells(overlay: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the demographic variables: age-sex cells, new-enrollee cells, status variables."""
    for kind in ("disabled", "aged"):
        segments = _segments(overlay, overlay.get("cell_lists", CELL_LISTS)[kind])
        for letter, word in SEXES:
            for suffix, low, high in overlay["cells"][kind]:
                label = f"{word} {_ages(suffix)}"
                yield (f"{letter}{suffix}", label, letter, str(low), str(high), "", segments)
    yield from _new_enrollee_cells(overlay)
    for row in overlay["demographics"]:
        yield (row["variable"], row["label"], row["sex"], "", "", row["when"],
               _segments(overlay, row["list"]))  # fmt: skip
    for variable, label, when, lists, low, high in overlay.get("add_ons", {}).get("rows", []):
        yield (variable, label, "", str(low), str(high), when, _segments(overlay, lists))


def _new_enrollee_cells(overlay: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the new-enrollee cells: each group's ``when, label, youngest, list``.

    The list, ``new_enrollee`` unless it is given, names the cells too.
    """
    between = overlay.get("new_enrollee_infix", "_NE")
    for group, (when, who, youngest, *own) in overlay["new_enrollee_groups"].items():
        name = own[0] if own else "new_enrollee"
        segments = _segments(overlay, name)
        old_enough = [c for c in overlay["cells"][name] if c[1] >= youngest]
        for letter, word in SEXES:
            for suffix, low, high, *guard in old_enough:
                label = f"{who}, {word} {_ages(suffix)}"
                both = " & ".join([when, *guard])
                yield (f"{group}{between}{letter}{suffix}", label, letter, str(low), str(high),
                       both, segments)  # fmt: skip


def _ages(suffix: str) -> str:
    return suffix.replace("_GT", "+").replace("_", "-")


def _terms(tables: SourceTables, overlay: Mapping[str, Any]) -> list[Row]:
    """Return the interactions, in the overlay's order; both sides must name the same ones."""
    listed, whens = overlay.get("terms", {}), _flat(tables.interactions)
    if odd := sorted(set(listed).symmetric_difference(whens)):
        raise ImportFormatError(f"interactions that only one side knows: {', '.join(odd)}")
    return [
        (name, _label(tables, name), whens[name], _segments(overlay, lists))
        for name, lists in listed.items()
    ]


def _flat(interactions: Mapping[str, str]) -> dict[str, str]:
    """Write an interaction of an interaction as one conjunction.

    >>> _flat({"a_b": "a & b", "young_a_b": "young & a_b"})["young_a_b"]
    'young & a & b'
    """
    parts = {name: when.split(" & ") for name, when in interactions.items()}
    return {
        name: " & ".join(p for part in own for p in parts.get(part, [part]))
        for name, own in parts.items()
    }


def _counts(overlay: Mapping[str, Any]) -> list[Row]:
    if "counts" not in overlay:  # V22 and V23 have no payment-HCC counts
        return []
    segments = _segments(overlay, overlay["counts"]["lists"])
    exact = [
        (name, f"{n} payment condition{'s' if n > 1 else ''}", str(n), str(n), segments)
        for n, name in enumerate(overlay["counts"]["exact"], start=1)
    ]
    most = len(exact) + 1
    return [*exact, (overlay["counts"]["open_ended"], f"{most} or more payment conditions",
                     str(most), "", segments)]  # fmt: skip


def _segments(overlay: Mapping[str, Any], lists: str) -> str:
    return " ".join(overlay["lists"][name] for name in lists.split())


def _coefficients(
    tables: SourceTables, overlay: Mapping[str, Any], variables: list[str], cells: list[Row]
) -> tuple[str, list[Row]]:
    segments = {s["key"]: s["column"] for s in overlay["segments"]}
    known = set(segments.values())
    if odd := sorted({c for row in tables.coefficients.values() for c in row} - known):
        raise ImportFormatError(f"coefficients for unknown segments: {', '.join(odd)}")
    prices = {(s, c[0]): tables.prices[c[0]]
              for c in cells if c[0] in tables.prices for s in c[6].split()}  # fmt: skip
    blank = _blanks(tables, overlay)
    rows: list[Row] = [
        (v, *(_decimal(prices.get((key, v)) or tables.coefficients.get(v, {}).get(column, ""), v)
              or (UNPRICED if (key, v) in blank else "") for key, column in segments.items()))
        for v in variables
    ]  # fmt: skip
    return ",".join(["variable", *segments]), rows


def _blanks(tables: SourceTables, overlay: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return the conditions that a table leaves without a price, if the overlay allows it."""
    if not overlay.get("blank_is_absent"):
        return set()
    return {
        (s["key"], category)
        for s in overlay["segments"] if s["uses_diagnoses"]
        for category in {row[1] for row in tables.code_rows}
        if not tables.coefficients[category].get(s["column"])
    }  # fmt: skip


def _decimal(text: str, variable: str) -> str:
    """Write a coefficient with three places, refusing one that has more."""
    if not text.strip():
        return ""
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        raise ImportFormatError(f"coefficient of {variable} is not a number") from None
    rounded = value.quantize(Decimal("0.001"))
    if rounded != value:
        raise ImportFormatError(f"coefficient of {variable} has more than three places: {text}")
    return str(rounded)


def _label(tables: SourceTables, name: str) -> str:
    if name not in tables.labels:
        raise ImportFormatError(f"{name} has no label in the source")
    return tables.labels[name]


def _number(category: str) -> int:
    found = re.fullmatch(r"(?:RX)?HCC(\d+)", category)
    if not found:
        raise ImportFormatError(f"category {category!r} is not HCC or RXHCC and a number")
    return int(found[1])
