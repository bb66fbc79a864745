"""CMS's CSV tables become a model folder; an unknown name or column is a hard stop."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from riskadj.catalog import resolve_model
from riskadj.errors import ImportFormatError
from riskadj.importers.cms_python import import_package
from riskadj.importers.published import Wheels, load_recipes


@pytest.fixture
def package(wheels: Path, tmp_path: Path) -> Path:
    recipes = load_recipes()
    recipe = next(r for r in recipes["package"] if r["key"] == "cms-hcc-v28/2026")
    box = Wheels.in_folder(wheels, recipes)
    inside = tmp_path / "CMS_HCC_v28_2026_T_package_v3" / "data" / "internal"
    inside.mkdir(parents=True)
    for name, data in box.read_folder(recipe["wheel"], recipe["folder"]).items():
        (inside / name).write_bytes(data)
    return inside


def test_the_package_gives_the_published_model(package: Path, tmp_path: Path) -> None:
    folder = import_package(package.parents[1], tmp_path / "own")

    own, published = resolve_model(folder), resolve_model("cms-hcc-v28/2026")
    assert own.code_map == published.code_map
    assert own.coefficients == published.coefficients
    assert own.hierarchy == published.hierarchy
    assert {f["file"] for f in own.facts.files} == {p.name for p in package.iterdir()}


def change(name: str, old: str, new: str) -> Callable[[Path], None]:
    def apply(package: Path) -> None:
        path = package / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return apply


CODES = "ICD10_CC_mappings_CMS_HCC_2026_v28.csv"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (change(CODES, "MCE_AGE_CONDITION", "MCE_AGE"), "columns"),
        (change(CODES, "age >= 15", "age >> 15"), "cannot read the age condition 'age >> 15'"),
        (change(CODES, "A0104,92.0,,,", "A0104,92.0,,,3.0"), "unknown sex condition"),
        (change(CODES, "A0104,92.0", "A0104,HCC92"), "unknown sex condition or category"),
        (change("V28_CE_Relative_Factors.csv", "HCC1,", "HCC999,"), "unknown variables: HCC999"),
        (change("V28_CE_Relative_Factors.csv", "COMMUNITY_NA", "COMM_NA"), "unknown segments"),
        (change("V28_CE_Relative_Factors.csv", "4.209", "4.2091"), "more than three places"),
        (change("V28_CE_Relative_Factors.csv", "4.209", "four"), "is not a number"),
        (change("V28_Interactions.csv", "HF_KIDNEY_V28", "HF_KIDNEYS"), "only one side knows"),
        (change("V28_Interactions.csv", "var_1", "first"), "expected interaction and var_"),
        (change("V28_HCC_Hierarchies.csv", "SecondaryHCC_1", "Child_1"), r"SecondaryHCC_\|"),
    ],
)
def test_an_unknown_name_or_column_is_a_hard_stop(
    package: Path, tmp_path: Path, edit: Callable[[Path], None], message: str
) -> None:
    edit(package)

    with pytest.raises(ImportFormatError, match=message):
        import_package(package.parents[1], tmp_path / "own")
    assert not (tmp_path / "own").exists()


def test_a_missing_or_extra_file_is_a_hard_stop(package: Path, tmp_path: Path) -> None:
    (package / "V28_Else.csv").write_text("a\n")
    with pytest.raises(ImportFormatError, match=r"beside those of cms-hcc-v28: V28_Else.csv"):
        import_package(package, tmp_path / "own")

    (package / "V28_Interactions.csv").unlink()
    with pytest.raises(ImportFormatError, match=r"cms-hcc-v28 lacks V28_Interactions.csv"):
        import_package(package, tmp_path / "own")


def test_a_folder_without_a_package_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(ImportFormatError, match="no code map like ICD10_CC_mappings"):
        import_package(tmp_path, tmp_path / "own")


PACKAGES = [r["key"] for r in load_recipes()["package"]]


@pytest.mark.parametrize("key", PACKAGES)
def test_every_package_as_downloaded_gives_its_published_model(
    key: str, wheels: Path, tmp_path: Path
) -> None:
    recipes = load_recipes()
    recipe = next(r for r in recipes["package"] if r["key"] == key)
    box, above = Wheels.in_folder(wheels, recipes), recipe["folder"].removesuffix("internal/")
    for name, data in box.read_folder(recipe["wheel"], above).items():
        path = tmp_path / "package" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    own = resolve_model(import_package(tmp_path / "package", tmp_path / "own"))

    published = resolve_model(key)
    for table in ("code_map", "coefficients", "unpriced", "divisors", "hierarchy", "cells",
                  "segments", "terms", "rules"):  # fmt: skip
        assert getattr(own, table) == getattr(published, table)


def test_a_wheel_that_is_missing_is_named(tmp_path: Path) -> None:
    box = Wheels.in_folder(tmp_path, load_recipes())

    with pytest.raises(ImportFormatError, match=r"hccpy-0.1.9-\*.whl"):
        box.read("hccpy", "x")


def test_wheels_hold_the_macro_hierarchy_that_the_cms_table_lists(wheels: Path) -> None:
    with zipfile.ZipFile(next(wheels.glob("hccpy-*.whl"))) as hccpy:
        macro = hccpy.read("hccpy/data/V28115H1.TXT")

    from riskadj.importers.peers import macro_hierarchy

    listed = resolve_model("cms-hcc-v28/2026").hierarchy
    assert macro_hierarchy(macro, "V28115H1") == list(listed)
