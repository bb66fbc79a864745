"""Join a package's tables with the cited overlay that says what they do not."""

import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from riskadj.errors import ImportFormatError
from riskadj.folder import SCHEMA
from riskadj.importers.draft import ModelDraft, Row, SourceTables

OVERLAYS = Path(__file__).parent / "overlays"


def load_overlay(model: str) -> dict[str, Any]:
    """Read the overlay of a model family, such as ``cms-hcc-v28``."""
    path = OVERLAYS / f"{model}.toml"
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in OVERLAYS.glob("*.toml")))
        raise ImportFormatError(f"No overlay for model {model!r}. There are: {known}")
    return tomllib.loads(path.read_text(encoding="utf-8"))


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
    cells = list(_cells(overlay))
    categories = sorted({row[1] for row in tables.code_rows}, key=_number)
    terms = _terms(tables, overlay)
    counts = _counts(overlay)
    variables = [*dict.fromkeys(c[0] for c in cells), *categories,
                 *(t[0] for t in terms), *(c[0] for c in counts)]  # fmt: skip
    if unknown := sorted(set(tables.coefficients) - set(variables)):
        raise ImportFormatError(f"coefficients for unknown variables: {', '.join(unknown[:10])}")
    return ModelDraft(
        facts=_facts(tables, overlay, year, release),
        tables={
            "segments.csv": ("segment,label,when,uses_diagnoses", [
                (s["key"], s["label"], s["when"], "1" if s["uses_diagnoses"] else "0")
                for s in overlay["segments"]]),
            "flags.csv": ("flag,when", [(f["name"], f["when"]) for f in overlay["flags"]]),
            "demographics.csv": ("variable,label,sex,age_min,age_max,when,segments", cells),
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
            "coefficients.csv": _coefficients(tables, overlay, variables),
        },
    )  # fmt: skip


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


def _cells(overlay: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the demographic variables: age-sex cells, new-enrollee cells, status variables."""
    named = overlay["lists"]
    for kind in ("disabled", "aged"):
        segments = f"{named[kind]} {named['institutional']}"
        for letter, word in SEXES:
            for suffix, low, high in overlay["cells"][kind]:
                label = f"{word} {_ages(suffix)}"
                yield (f"{letter}{suffix}", label, letter, str(low), str(high), "", segments)
    yield from _new_enrollee_cells(overlay)
    for row in overlay["demographics"]:
        yield (row["variable"], row["label"], row["sex"], "", "", row["when"], named[row["list"]])


def _new_enrollee_cells(overlay: Mapping[str, Any]) -> Iterator[Row]:
    segments = overlay["lists"]["new_enrollee"]
    for group, (when, who, youngest) in overlay["new_enrollee_groups"].items():
        old_enough = [c for c in overlay["cells"]["new_enrollee"] if c[1] >= youngest]
        for letter, word in SEXES:
            for suffix, low, high, *guard in old_enough:
                name, label = f"{group}_NE{letter}{suffix}", f"{who}, {word} {_ages(suffix)}"
                both = " & ".join([when, *guard])
                yield (name, label, letter, str(low), str(high), both, segments)


def _ages(suffix: str) -> str:
    return suffix.replace("_GT", "+").replace("_", "-")


def _terms(tables: SourceTables, overlay: Mapping[str, Any]) -> list[Row]:
    """Return the interactions, in the overlay's order; both sides must name the same ones."""
    listed = overlay["terms"]
    if odd := sorted(set(listed).symmetric_difference(tables.interactions)):
        raise ImportFormatError(f"interactions that only one side knows: {', '.join(odd)}")
    return [
        (name, _label(tables, name), tables.interactions[name], _segments(overlay, lists))
        for name, lists in listed.items()
    ]


def _counts(overlay: Mapping[str, Any]) -> list[Row]:
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
    tables: SourceTables, overlay: Mapping[str, Any], variables: list[str]
) -> tuple[str, list[Row]]:
    segments = {s["key"]: s["column"] for s in overlay["segments"]}
    known = set(segments.values())
    if odd := sorted({c for row in tables.coefficients.values() for c in row} - known):
        raise ImportFormatError(f"coefficients for unknown segments: {', '.join(odd)}")
    rows: list[Row] = [
        (v, *(_decimal(tables.coefficients.get(v, {}).get(column, ""), v)
              for column in segments.values()))
        for v in variables
    ]  # fmt: skip
    return ",".join(["variable", *segments]), rows


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
    digits = category.removeprefix("HCC")
    if not digits.isdigit():
        raise ImportFormatError(f"category {category!r} is not HCC and a number")
    return int(digits)
