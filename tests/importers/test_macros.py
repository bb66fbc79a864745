"""What the overlays say in place of CMS's SAS code is what the macros' text says, line by line."""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from riskadj.catalog import resolve_model
from riskadj.importers.overlay import OVERLAYS
from riskadj.model import guard_atoms
from tests.importers.sas import Macro

CITATION = re.compile(r"\b([A-Z][A-Z0-9]{5,8}) lines? (\d+(?:-\d+)?(?:(?:, | and )\d+(?:-\d+)?)*)")


@dataclass(frozen=True)
class Held:
    """An overlay and the macro that it speaks for.

    ``lists`` names, for each of the overlay's lists, the %LET with its interactions and the %LET
    with its whole regression; ``cells`` the macro of the age and sex cells.
    """

    overlay: str
    macro: str
    year: int
    lists: Mapping[str, tuple[str, str]]
    cells: str = "AGESEXV2"

    @property
    def text(self) -> str:
        return (OVERLAYS / f"{self.overlay}.toml").read_text(encoding="utf-8")


CMS_HCC = {
    "aged": ("INTERRACC_VARSA", "COMM_REGA"),
    "disabled": ("INTERRACC_VARSD", "COMM_REGD"),
    "institutional": ("INTERRACI_VARS", "INST_REG"),
}
HELD = {
    h.overlay: h
    for h in (
        Held("cms-hcc-v22", "V2218O1M", 2018, CMS_HCC),
        Held("cms-hcc-v23", "V2318P1M", 2018, CMS_HCC),
        Held("cms-hcc-v24", "V2419P1M", 2020, CMS_HCC),
        Held("cms-hcc-v28", "V2823T2M", 2024, CMS_HCC),
    )
}


# What the overlay says, and what the macro says, in one form.


def said(overlay: Mapping[str, Any], held: Held) -> dict[str, Any]:
    flags = {f["name"]: f["when"] for f in overlay["flags"]}
    counts = overlay.get("counts")
    found = {
        "terms": {name: set(lists.split()) for name, lists in overlay["terms"].items()},
        "counts": [*counts["exact"], counts["open_ended"]] if counts else [],
        "counted lists": set(counts["lists"].split()) if counts else set(),
        "rules": {r["target"]: set(r["sources"].split()) for r in overlay.get("rules", [])},
        "age 64": overlay["age_64"].get(str(held.year), overlay["age_64"]["default"])["rule"],
        "demographics": {(r["variable"].replace("ORIGDIS", "ORIGDS"), r["list"])
                         for r in overlay["demographics"]},
        "new enrollees": {name: ({p.strip() for p in when.split("&")}, youngest)
                          for name, (when, _, youngest) in overlay["new_enrollee_groups"].items()},
        "cells": set(overlay_cells(overlay["cells"])),
    }  # fmt: skip
    if "groups" in overlay:
        found["groups"] = {name: set(m.split()) for name, m in overlay["groups"].items()}
        found["interactions"] = {
            name: {factor(atom, flags) for atom in guard_atoms(when)}
            for name, (when, _) in overlay["interactions"].items()
        }
    return found


def factor(atom: tuple[bool, str, str, str], flags: Mapping[str, str]) -> str:
    """Write a guard's atom as the macro does: its own flag UNDER_65 is (AGEF < 65) there."""
    no, name, sign, value = atom
    assert not no
    return (flags[name] if name == "UNDER_65" else name + sign + value).upper()


def overlay_cells(cells: Mapping[str, Any]) -> Iterator[tuple[str, int, int, str]]:
    for kind, rows in cells.items():
        for suffix, low, high, *guard in rows:
            for sex in "FM":
                name = f"{'NE' if kind == 'new_enrollee' else ''}{sex}{suffix}"
                yield name, low, high, guard[0] if guard else ""


def written(macro: Macro, cells: Macro, held: Held, overlay: Mapping[str, Any]) -> dict[str, Any]:
    regressions = {name: macro.expanded(regression) for name, (_, regression) in held.lists.items()}
    terms = {name: set(macro.lets[variables]) for name, (variables, _) in held.lists.items()}
    every = set().union(*terms.values())
    status = {"OriginallyDisabled_Female", "OriginallyDisabled_Male", "ORIGDS", "LTIMCAID"}
    found = {
        "terms": {v: {name for name in terms if v in terms[name]} for v in every},
        "counts": macro.counts,
        "counted lists": {n for n, words in regressions.items() if words & set(macro.counts)},
        "rules": macro.requires_any,
        "age 64": macro.age_64,
        "demographics": {(v, n) for n, words in regressions.items() for v in words & status},
        "new enrollees": macro.new_enrollee_groups,
        "cells": cells.cells,
    }
    if "groups" in overlay:
        found["groups"] = macro.groups
        found["interactions"] = {v: macro.products[v] for v in every}
    return found


def differences(text: str, held: Held, macros: Callable[[str], Macro]) -> list[str]:
    """Name the parts in which an overlay's text and the macro differ."""
    overlay = tomllib.loads(text)
    ours = said(overlay, held)
    theirs = written(macros(held.macro), macros(held.cells), held, overlay)
    return [part for part in ours if ours[part] != theirs[part]]


@pytest.fixture(scope="module")
def macros(wheels: Path) -> Callable[[str], Macro]:
    known: dict[str, Macro] = {}

    def read(name: str) -> Macro:
        if name not in known:
            known[name] = Macro(wheels, name)
        return known[name]

    return read


@pytest.mark.parametrize("held", HELD.values(), ids=HELD)
def test_an_overlay_says_what_its_macro_says(held: Held, macros: Callable[[str], Macro]) -> None:
    assert differences(held.text, held, macros) == []


@pytest.mark.parametrize(
    ("overlay", "old", "new", "part"),
    [
        ("v22", 'HCC136 HCC137"', 'HCC136 HCC137 HCC138"', "groups"),
        ("v22", '_gPsychiatric = "disabled"', '_gPsychiatric = "aged disabled"', "terms"),
        ("v22", '"HCC57 & HCC79"', '"HCC57 & HCC78"', "interactions"),
        ("v22", '2018 = { rule = "ne_cells"', '2018 = { rule = "all_cells"', "age 64"),
        ("v22", '["60_64", 60, 63]', '["60_64", 60, 64]', "cells"),
        ("v22", '!NE_ORIGDS", "Medicaid', 'NE_ORIGDS", "Medicaid', "new enrollees"),
        ("v23", '"UNDER_65 & ', '"DISABL & ', "interactions"),
        ("v23", 'HCC59 HCC60"', 'HCC59"', "groups"),
        ("v24", '"HCC157 HCC158 HCC159"', '"HCC157 HCC158"', "groups"),
        ("v24", '"D8", "D9"]', '"D8"]', "counts"),
        ("v24", 'lists = "aged disabled"', 'lists = "aged disabled institutional"',
         "counted lists"),
        ("v24", '2020 = { rule = "all_cells"', '2020 = { rule = "ne_cells"', "age 64"),
        ("v28", 'HF_HCC238_V28 = "aged disabled"', 'HF_HCC238_V28 = "aged"', "terms"),
        ("v28", '"HCC221 HCC222', '"HCC222', "rules"),
        ("v28", 'when = "medicaid"\nlist = "institutional"', 'when = "medicaid"\nlist = "aged"',
         "demographics"),
    ],
)  # fmt: skip
def test_a_changed_overlay_is_noticed(
    overlay: str, old: str, new: str, part: str, macros: Callable[[str], Macro]
) -> None:
    held = HELD[f"cms-hcc-{overlay}"]
    assert held.text.count(old) == 1
    assert differences(held.text.replace(old, new), held, macros) == [part]


def test_the_v28_tables_of_2026_are_those_of_the_macro(macros: Callable[[str], Macro]) -> None:
    model, macro = resolve_model("cms-hcc-v28/2026"), macros("V2823T2M")

    assert {g: set(m) for g, m in model.groups.items()} == macro.groups
    factors = {t.name: {p.upper() for p in t.parts} for t in model.terms}
    assert factors == {name: macro.products[name] for name in factors}


# Each block of an overlay cites the lines that hold what it names.


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """Yield each table's header and text; the first lines are ``head``."""
    head, *tables = re.split(r"^(?=\[)", text, flags=re.MULTILINE)
    yield "head", head
    for table in tables:
        yield re.match(r"\[+([\w]+)", table)[1], table


def names_of(block: str, text: str) -> set[str]:
    """Return the names that a block's cited lines must hold."""
    fixed = {
        "head": {"DATE_ASOF"},
        "age_64": {"AGEF"},
        "lists": {"COMM_REGA", "COMM_REGD", "INST_REG", "NE_REG"},
        "cells": {"_AGESEX", "NE_AGESEX"},
    }
    if block in fixed:
        return fixed[block]
    (table,) = tomllib.loads(text).values()
    if block == "counts":
        return {*table["exact"][:1], *table["exact"][-1:], table["open_ended"]}
    if block == "demographics":
        return {table[0]["variable"].replace("ORIGDIS", "ORIGDS")}
    if block == "rules":
        return {table[0]["target"].removeprefix("H")}
    if block == "flags":
        return {table[0]["source"].split(": ")[1].split(" = ")[0]}
    return {*table, *({"ONE_AGESEXV"} if block == "new_enrollee_groups" else ())}


def miscited(text: str, macros: Callable[[str], Macro]) -> list[str]:
    """Name what the cited lines do not hold: a name, a range without any of them, a quotation."""
    wrong = []
    for block, part in blocks(text):
        if block in ("segments", "package"):  # cited to a memo and a manual; of another form
            continue
        end = r"\s*=" if block in ("groups", "interactions") else r"\b"
        names = {name: re.compile(rf"\b{name}{end}") for name in names_of(block, part)}
        lines = [(m[1], text) for m in CITATION.finditer(part) for text in macros(m[1]).cited(m[2])]
        quotes = re.findall(r'source = "\w+ lines? [^:]*: (.*)"', part)
        lost = [n for n, named in names.items() if not any(named.search(t) for _, t in lines)]
        idle = [macro for macro, t in lines if not any(n.search(t) for n in names.values())]
        misquoted = [q for q in quotes if not any(plain(q) in plain(t) for _, t in lines)]
        wrong += [f"{block}: {what}" for what in (*lost, *idle, *misquoted)]
    return wrong


def plain(text: str) -> str:
    return re.sub(r"\s", "", text).replace('"', "'")


@pytest.mark.parametrize("held", HELD.values(), ids=HELD)
def test_cited_lines_hold_what_a_block_names(held: Held, macros: Callable[[str], Macro]) -> None:
    assert miscited(held.text, macros) == []


@pytest.mark.parametrize(
    ("overlay", "old", "new", "wrong"),
    [
        ("v22", "[groups]    # V2218O1M lines 423-431", "[groups]    # V2218O1M lines 424-431",
         "groups: CANCER"),
        ("v22", "433-439, 443-454", "433-438, 443-454",
         "interactions: gSubstanceAbuse_gPsychiatric"),
        ("v23", "lines 465-466: disable", "line 465: disable",
         "flags: disable_substAbuse_psych_V23 = "
         "(AGEF < 65 & gSubstanceAbuse_gPsychiatric_V23 > 0)"),
        ("v23", "V2318P1M line 405: NE", "V2318P1M line 404: NE", "flags: NE_ORIGDS"),
        ("v24", "117-133 and 159-173", "117-133, 159-173 and 175-181", "terms: V2419P1M"),
        ("v24", "V2419P1M line 348", "V2419P1M line 345", "age_64: AGEF"),
        ("v24", "ORIGDS = (&OREC = '1')*", "ORIGDS = (&OREC = '2')*",
         "flags: ORIGDS = (&OREC = '2')*(DISABL = 0)"),
        ("v28", "lines 449-450, heart", "lines 452-453, heart", "rules: CC223"),
    ],
)  # fmt: skip
def test_a_wrong_citation_is_noticed(
    overlay: str, old: str, new: str, wrong: str, macros: Callable[[str], Macro]
) -> None:
    text = HELD[f"cms-hcc-{overlay}"].text
    assert text.count(old) == 1

    assert wrong in miscited(text.replace(old, new), macros)


def test_the_age_64_line_of_v24_stands_where_it_is_cited(macros: Callable[[str], Macro]) -> None:
    (block,) = [t for name, t in blocks(HELD["cms-hcc-v24"].text) if name == "age_64"]
    (citation,) = CITATION.findall(block)

    (line,) = macros(citation[0]).cited(citation[1])
    assert line.strip() == "IF AGEF=64 & OREC='0' THEN AGEF=65;"


# ESRD V21: tables are CMS's of 2026, lists and logic those of the macro of 2018.

REGRESSIONS = {"dialysis": ("DID", "DDC"), "community": ("DIC", "DDC"),
               "institutional": ("DII", "DDI")}  # fmt: skip
ESRD_LINES = [
    ("42-43", "DATE_ASOF"), ("379", "IF AGEF=64 & OREC='0' THEN AGEF=65"),
    ("433-436", "NEF85_GT"), ("433-436", "NEM65_69"), ("439-442", "MCAID_Female_Aged"),
    ("439-442", "MCAID_Male_NonAged"), ("445-446", "OriginallyDisabled_Male"),
    ("449-452", "Originally_ESRD_Male"), ("459-475", "NMCAID_NORIGDIS "),
    ("459-475", "MCAID_ORIGDIS_G"), ("471", "NE_ORIGDS_G       = (AGEF>=65)*(OREC='1')"),
    ("486", "CC134=0"), ("575-577", "SCORE_TRANS_KIDNEY_ONLY_3M"),
    ("587-637", "GE65_DUR4_9 * (AGEF >= 65)"), ("228", "AGESEX MCAID ORIGDS"),
    ("135", "MOD_DIAL"), ("203", "MOD_GRAFT_COMM"),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "text"), ESRD_LINES)
def test_the_esrd_overlays_cite_the_lines_that_say_it(
    lines: str, text: str, macros: Callable[[str], Macro]
) -> None:
    cited = "".join(macros("E2118P1M").cited(lines))
    overlays = [(OVERLAYS / f"esrd-v{v}.toml").read_text("utf-8") for v in (21, 24)]

    assert text in cited
    assert any(lines in overlay for overlay in overlays)


def test_esrd_v21_has_the_terms_of_the_macros_regressions(macros: Callable[[str], Macro]) -> None:
    macro = macros("E2118P1M")
    overlay = tomllib.loads((OVERLAYS / "esrd-v21.toml").read_text("utf-8"))
    listed = {name: {v for let in lets for v in macro.lets[let]}
              for name, lets in REGRESSIONS.items()}  # fmt: skip

    for name, variables in listed.items():
        assert {v for v, lists in overlay["terms"].items() if name in lists.split()} == variables


def test_esrd_v21_has_the_groups_and_products_of_the_macro(macros: Callable[[str], Macro]) -> None:
    model, macro = resolve_model("esrd-v21/2026"), macros("E2118P1M")

    assert {g: set(m) for g, m in model.groups.items()} == macro.groups
    factors = {t.name: {p.upper() for p in t.parts} for t in model.terms}
    assert factors == {name: macro.products[name] for name in factors}
    assert [(r.kind, r.target) for r in model.rules] == [("drop", "HCC134")]
