"""The text form of a SAS package becomes a model folder; its edit macro is read, not copied."""

import csv
import io
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest

from riskadj.catalog import resolve_model
from riskadj.errors import ImportFormatError
from riskadj.importers.cms_python import code_rows
from riskadj.importers.cms_sas import Edit, edited_rows, import_package, macro_edits
from riskadj.importers.peers import tab_pairs, wide_coefficients
from riskadj.importers.published import load_recipes
from riskadj.model import CodeRow

AGES = range(121)
INTERNAL = "risk_compose/data/cms_software/2026/CMS_HCC_v22_2026_O_package_v3/software/CMS_HCC_v22/data/input/internal/"  # noqa: E501
V22_2018 = ("F2218O1P.TXT", "V22I0ED2.TXT", "V22H79H1.TXT", "V22H79L1.TXT", "V22hcccoefn.csv")
EDIT_MACROS = {
    "cms-hcc-v22": "V22I0ED2",
    "cms-hcc-v23": "V23I0ED2",
    "cms-hcc-v24": "V24I0ED1",
    "cms-hcc-v28": "V28I0ED1",
}
KEYS = ["cms-hcc-v28/2026", *(r["key"] for r in load_recipes()["year"])]
KEYS = [key for key in KEYS if key.split("/")[0] in EDIT_MACROS]


def read(wheels: Path, file: str, wheel: str = "hccpy") -> bytes:
    folder = "hccpy/data/" if wheel == "hccpy" else ""
    with zipfile.ZipFile(next(wheels.glob(f"{wheel}-*.whl"))) as archive:
        return archive.read(folder + file)


@pytest.fixture
def package(wheels: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "V2218.79.O1"
    folder.mkdir()
    for name in V22_2018:
        (folder / name).write_bytes(read(wheels, name))
    return folder


def by_code(rows: Iterable[CodeRow]) -> Mapping[str, list[CodeRow]]:
    found = defaultdict(list)
    for row in rows:
        found[row.code].append(row)
    return found


def meaning(rows: list[CodeRow], sex: str, age: int) -> set[str]:
    """Return a code's categories, its MCE ages apart."""
    return {r.category for r in rows if r.age_min <= age <= r.age_max and r.sex in ("", sex)}


def test_a_package_gives_the_published_model(package: Path, tmp_path: Path) -> None:
    folder = import_package(package, "cms-hcc-v22", 2018, tmp_path / "own")

    own, published = resolve_model(folder), resolve_model("cms-hcc-v22/2018")
    for table in ("segments", "flags", "cells", "categories", "rules", "hierarchy", "groups",
                  "terms", "counts", "coefficients"):  # fmt: skip
        assert getattr(own, table) == getattr(published, table), table
    ours, theirs = by_code(own.code_map), by_code(published.code_map)
    assert ours.keys() == theirs.keys()
    for code, rows in ours.items():
        several = len(rows) > 1 or len(theirs[code]) > 1
        for sex, age in [(s, a) for s in "FM" for a in (AGES if several else (0, 70))]:
            assert meaning(rows, sex, age) == meaning(theirs[code], sex, age), code


def test_mce_edits_are_said_to_be_missing(package: Path, tmp_path: Path) -> None:
    own = resolve_model(import_package(package, "cms-hcc-v22", 2018, tmp_path / "own"))

    assert {(r.mce_age_min, r.mce_age_max, r.carried) for r in own.code_map} == {(0, 120, False)}
    (why,) = own.facts.unverified
    assert why.startswith("MCE age and sex edits are not applied")
    assert own.facts.release == "F2218O1P"
    assert {f["file"] for f in own.facts.files} == set(V22_2018)


# The edit macro.


def macro(*statements: str) -> bytes:
    text = "\n".join([
        " %MACRO V22I0ED2(AGE=, SEX=, ICD10= );",
        " %* a comment with IF &AGE < 3;",
        *statements,
        '%IF &SEDITS = 1 %THEN %DO;\n IF _TAGE NE "-1" THEN CC="-1.0";\n%END;\n%MEND V22I0ED2;',
    ])  # fmt: skip
    return text.encode("latin-1")


def test_the_chain_is_read_in_order() -> None:
    first, second, third = macro_edits(
        macro(
            'IF &SEX="2" AND &ICD10 IN ("D66", "D67")  THEN CC="48";',
            ' ELSE\n IF &AGE >= 2 AND &ICD10 IN ("P040",\n "P041") /* newborn; */ THEN CC="-1.0";',
            ' ELSE IF (&AGE < 6 OR &AGE > 18) AND &ICD10 = "F3481" THEN CC="-1.0";',
        ),
        "m",
    )

    assert first == Edit(frozenset({"D66", "D67"}), "F", frozenset(AGES), "HCC48")
    assert second == Edit(frozenset({"P040", "P041"}), "", frozenset(range(2, 121)), "")
    assert third.ages == frozenset(AGES) - frozenset(range(6, 19))


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        (('IF &AGE LT 18 AND &ICD10 = "J42" THEN CC="112";',), "m: line 3 is not a branch"),
        (('IF &AGE < 18 AND &ICD10 = "J42" THEN CC=112;',), "m: line 3 "),
        (('IF &AGE < 18 AND &OREC="0" AND &ICD10 = "J42" THEN CC="112";',), "m: line 3 "),
        (('IF &AGE < 18 AND &ICD10 = "J42" THEN CC="112";', 'CC="9999";'), "m: line 4 "),
        (('IF &AGE < 18 AND &ICD10 = "J42" THEN CC="112";',
          '\n IF &AGE < 9 AND &ICD10 = "J42" THEN CC="111";'), "m: line 5 "),
        (('ELSE IF &AGE < 18 AND &ICD10 = "J42" THEN CC="112";',), "m: line 3 "),
        ((), "m: no age and sex edits"),
    ],
)  # fmt: skip
def test_a_statement_that_is_no_such_branch_is_named(
    statements: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ImportFormatError, match=message):
        macro_edits(macro(*statements), "m")


def test_an_edit_replaces_a_code_s_own_categories() -> None:
    pairs = {("J430", "HCC111"), ("D66", "HCC46"), ("F3481", "HCC58"), ("E119", "HCC19"),
             ("E1152", "HCC18"), ("E1152", "HCC108")}  # fmt: skip
    edits = [
        Edit(frozenset({"D66"}), "F", frozenset(AGES), "HCC48"),
        Edit(frozenset({"J430", "E1152"}), "", frozenset(range(18)), "HCC112"),
        Edit(frozenset({"F3481"}), "", frozenset(AGES) - frozenset(range(6, 19)), ""),
    ]

    assert [row[:5] for row in edited_rows(pairs, edits)] == [
        ("D66", "HCC48", "", "", "F"),
        ("D66", "HCC46", "", "", "M"),
        ("E1152", "HCC112", "", "17", ""),
        ("E1152", "HCC108", "18", "", ""),
        ("E1152", "HCC18", "18", "", ""),
        ("E119", "HCC19", "", "", ""),
        ("F3481", "HCC58", "6", "18", ""),
        ("J430", "HCC112", "", "17", ""),
        ("J430", "HCC111", "18", "", ""),
    ]


def test_the_first_branch_that_holds_is_the_one_and_a_code_may_have_no_other() -> None:
    edits = [
        Edit(frozenset({"P040"}), "F", frozenset(range(2)), "HCC1"),
        Edit(frozenset({"P040"}), "", frozenset(range(10)), "HCC2"),
    ]

    assert [row[:5] for row in edited_rows(set(), edits)] == [
        ("P040", "HCC1", "", "1", "F"),
        ("P040", "HCC2", "2", "9", "F"),
        ("P040", "HCC2", "", "9", "M"),
    ]


@pytest.mark.parametrize(
    ("name", "branches", "codes"),
    [("V22I0ED2", 3, 17), ("V23I0ED2", 3, 17), ("V24I0ED1", 3, 17), ("V28I0ED1", 4, 102)],
)
def test_each_edit_macro_is_read_whole(wheels: Path, name: str, branches: int, codes: int) -> None:
    data = read(wheels, f"{name}.TXT")
    edits = macro_edits(data, name)

    quoted = data.decode("latin-1").split("%IF &SEDITS")[0].split(" reset of CCs ")[1].count('"')
    assert len(edits) == branches
    assert sum(len(e.codes) for e in edits) == codes
    assert quoted == 2 * (codes + branches + 1)  # each branch's CC, and the sex of one


@pytest.mark.parametrize("key", KEYS)
def test_built_folders_hold_the_mandatory_edits(wheels: Path, key: str) -> None:
    """At each age and sex an edited code means what the macro says, and else its own categories."""
    name = EDIT_MACROS[key.split("/")[0]]
    edits = macro_edits(read(wheels, f"{name}.TXT"), name)
    rows = by_code(resolve_model(key).code_map)

    checked = 0
    for code in sorted({c for e in edits for c in e.codes} & rows.keys()):
        own: list[set[str]] = []
        for sex, age in [(s, a) for s in "FM" for a in AGES]:
            found = meaning(rows[code], sex, age)
            held = next((e for e in edits if code in e.codes and e.holds(sex, age)), None)
            if held is None:
                own.append(found)
            else:
                assert found == ({held.category} if held.category else set()), (code, sex, age)
        assert own[0]
        assert all(categories == own[0] for categories in own), code
        checked += 1
    assert checked == (100 if name == "V28I0ED1" else 17)


# Codes that came after the macros in hand, each with the edit of its neighbours.
LATER = {
    "cms-hcc-v24/2024": {"J4481", "J4489"},
    "cms-hcc-v24/2025": {"J4481", "J4489"},
    "cms-hcc-v28/2024": {"J4481", "J4489"},
    "cms-hcc-v28/2025": {"J4481", "J4489"},
    "cms-hcc-v28/2026": {"J4481", "J4489", "C50A0", "C50A1", "C50A2"},
}


@pytest.mark.parametrize("key", KEYS)
def test_no_other_code_means_different_things_by_age_or_sex(wheels: Path, key: str) -> None:
    name = EDIT_MACROS[key.split("/")[0]]
    edited = {c for e in macro_edits(read(wheels, f"{name}.TXT"), name) for c in e.codes}

    split = {
        code
        for code, rows in by_code(resolve_model(key).code_map).items()
        if any((r.age_min, r.age_max, r.sex) != (0, 120, "") for r in rows)
        and len({frozenset(meaning(rows, s, a)) for s in "FM" for a in AGES}) > 1
    }
    assert split - edited == LATER.get(key, set())


# The published years.


@pytest.mark.parametrize(
    ("key", "codes", "categories", "pairs"),
    [
        ("cms-hcc-v22/2017", 9222, 79, 57),
        ("cms-hcc-v22/2018", 9248, 79, 57),
        ("cms-hcc-v22/2019", 9267, 79, 57),
        ("cms-hcc-v22/2020", 9324, 79, 57),
        ("cms-hcc-v22/2021", 9414, 79, 57),
        ("cms-hcc-v22/2022", 9441, 79, 57),
        ("cms-hcc-v23/2018", 9316, 83, 68),
        ("cms-hcc-v23/2019", 9338, 83, 68),
    ],
)
def test_a_year_has_as_many_codes_as_its_format(
    key: str, codes: int, categories: int, pairs: int
) -> None:
    model = resolve_model(key)

    assert len({row.code for row in model.code_map}) == codes
    assert len(model.categories) == categories
    assert len(model.hierarchy) == pairs
    assert model.counts == ()


def test_the_midyear_map_of_2021_has_two_more_codes(wheels: Path) -> None:
    initial, midyear = (
        tab_pairs(read(wheels, f"{name}.TXT"), name) for name in ("F2221O1P", "F2221O2P")
    )
    assert initial < midyear
    assert len(midyear - initial) == 2


def test_v22_coefficients_are_those_of_cms_s_2026_tables(wheels: Path) -> None:
    columns = {
        "COMMUNITY_NA": "CNA", "COMMUNITY_ND": "CND", "COMMUNITY_FBA": "CFA",
        "COMMUNITY_FBD": "CFD", "COMMUNITY_PBA": "CPA", "COMMUNITY_PBD": "CPD",
        "INSTITUTIONAL": "INS", "NE": "NE", "NE_SNP": "SNPNE",
    }  # fmt: skip
    theirs = {}
    for table in ("CE", "NE"):
        data = read(wheels, f"{INTERNAL}V22_{table}_Relative_Factors.csv", "risk_compose")
        for row in csv.DictReader(io.StringIO(data.decode("utf-8-sig"))):
            for column, value in row.items():
                if column in columns and value.strip():
                    theirs[row["Variable"].strip(), columns[column]] = float(value)
    wide = wide_coefficients(read(wheels, "V22hcccoefn.csv"), "V22hcccoefn.csv")
    ours = {(name, c): float(v) for name, row in wide.items() for c, v in row.items()}

    shared = ours.keys() & theirs.keys()
    assert len(shared) == 929
    assert {k: ours[k] for k in shared} == {k: theirs[k] for k in shared}
    assert ours.keys() - shared == {("ORIGDS", "INS")}
    assert theirs.keys() - shared == {("ORIGDIS", "INS")}
    assert ours["ORIGDS", "INS"] == theirs["ORIGDIS", "INS"]


def test_v23_takes_its_conditions_from_the_nearest_table(wheels: Path) -> None:
    """CMS's V24 table has all pairs of V23 but five; the V22 table gives 815 codes another HCC."""
    recipes = load_recipes()
    pairs = tab_pairs(read(wheels, "F2318P1Q.TXT"), "F2318P1Q.TXT")

    lost = {}
    for family in ("cms-hcc-v22", "cms-hcc-v23"):
        file = recipes[family]["conditions"]["file"]
        rows = code_rows(read(wheels, file, "risk_compose"), file)
        listed = {row[0] for row in rows}
        lost[family] = {p for p in pairs if p[0] in listed} - {(r[0], r[1]) for r in rows}
    assert {family: len(found) for family, found in lost.items()} == {
        "cms-hcc-v22": 815,
        "cms-hcc-v23": 5,
    }
    assert {category for _, category in lost["cms-hcc-v23"]} == {"HCC108"}


# What a user brings.


def without(name: str) -> Callable[[Path], None]:
    return lambda package: (package / name).unlink()


def change(name: str, old: str, new: str) -> Callable[[Path], None]:
    def apply(package: Path) -> None:
        text = (package / name).read_text(encoding="latin-1")
        assert old in text
        (package / name).write_text(text.replace(old, new, 1), encoding="latin-1")

    return apply


def second_format(package: Path) -> None:
    (package / "F2218O2P.txt").write_bytes((package / "F2218O1P.TXT").read_bytes())


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (without("F2218O1P.TXT"), r"has no format, a file named like F2218O1P\.TXT"),
        (without("V22I0ED2.TXT"), r"has no edit macro, a file named like V22I0ED2\.TXT"),
        (without("V22H79H1.TXT"), r"has no hierarchy, a file named like V22H79H1\.TXT"),
        (without("V22H79L1.TXT"), r"has no labels, a file named like V22H79L1\.TXT"),
        (without("V22hcccoefn.csv"), r"has no coefficients, a file named like V22hcccoefn\.csv"),
        (second_format, r"keep one format of F2218O1P\.TXT, F2218O2P\.txt"),
        (change("V22I0ED2.TXT", "&AGE < 18", "&AGE LT 18"), r"V22I0ED2\.TXT: line 34 is not a"),
        (change("F2218O1P.TXT", "A0104\t39", "A0104 39"), r"F2218O1P\.TXT: line 2 is not code"),
        (change("V22H79H1.TXT", "HIER=%STR(9 ", "HIER=(9 "), r"V22H79H1\.TXT: a %SET0 line"),
        (change("V22H79L1.TXT", "HCC10 =", "HCC10 :"), "HCC10 has no label"),
        (change("V22hcccoefn.csv", '"CNA_HCC1",', '"CNX_HCC1",'), "unknown segments: CNX"),
    ],
)  # fmt: skip
def test_a_missing_file_or_a_line_of_another_form_is_named(
    package: Path, tmp_path: Path, edit: Callable[[Path], None], message: str
) -> None:
    edit(package)

    with pytest.raises(ImportFormatError, match=message):
        import_package(package, "cms-hcc-v22", 2018, tmp_path / "own")
    assert not (tmp_path / "own").exists()


def test_a_model_whose_interactions_are_cms_s_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportFormatError, match="cms-hcc-v28 has no overlay for SAS packages"):
        import_package(tmp_path, "cms-hcc-v28", 2024, tmp_path / "own")
    with pytest.raises(ImportFormatError, match="nowhere is not a folder"):
        import_package(Path("nowhere"), "cms-hcc-v22", 2018, tmp_path / "own")
