"""The committed rulebook: whole, cited, and equal to what CMS published."""

import tomllib
from pathlib import Path

import pytest

from riskadj.catalog import list_models, models_root, resolve_model
from riskadj.features.rulebook import compile_rulebook
from riskadj.scoring.payment import load_payment_year
from tests.conftest import KEYS

# V28I0ED1: age < 50 and one of these -> CC22. V24I0ED1: under 18 -> CC112; F3481 outside 6-18.
BREAST_CANCER = {f"C50{site}{sex}{side}" for site in "01234568 9".replace(" ", "")
                 for sex in "12" for side in "129"}  # fmt: skip
LUNG = {"J410", "J411", "J418", "J42", "J430", "J431", "J432", "J438", "J439", "J440", "J441",
        "J449", "J982", "J983"}  # fmt: skip


def test_every_folder_is_in_the_registry(models: Path) -> None:
    folders = {f"{p.parent.name}/{p.name}" for p in (models / "published").glob("*/*")}

    trained = {f"trained/{p.name}" for p in (models / "trained").iterdir()}

    assert folders == set(KEYS)
    assert folders | trained == {e.key for e in list_models()}


@pytest.mark.parametrize("key", KEYS)
def test_every_source_file_has_a_checksum(key: str) -> None:
    files = resolve_model(key).facts.files

    assert files
    assert all(len(f["sha256"]) == 64 and f["package"] and f["file"] for f in files)


@pytest.mark.parametrize(
    ("key", "conditions", "pairs", "codes"),
    [
        # 86 and 115 payment HCCs, 72 and 149 pairs: V24H86H1, V28115H1. 9,797 codes of V24 2023:
        # CMS Report to Congress of December 2024.
        ("cms-hcc-v24/2020", 86, 72, 9474),
        ("cms-hcc-v24/2021", 86, 72, 9573),
        ("cms-hcc-v24/2022", 86, 72, 9597),
        ("cms-hcc-v24/2023", 86, 72, 9797),
        ("cms-hcc-v24/2024", 86, 72, 9855),
        ("cms-hcc-v24/2025", 86, 72, 9927),
        ("cms-hcc-v28/2024", 115, 149, 7810),
        ("cms-hcc-v28/2025", 115, 149, 7903),
        ("cms-hcc-v28/2026", 115, 149, 8019),
    ],
)
def test_published_counts(key: str, conditions: int, pairs: int, codes: int) -> None:
    model = resolve_model(key)

    assert len(model.categories) == conditions
    assert len(model.hierarchy) == pairs
    assert len({r.code for r in model.code_map}) == codes


@pytest.mark.parametrize("key", [k for k in KEYS if "v24" in k])
def test_v24_edits_of_the_macro_are_carried_over(key: str) -> None:
    model = resolve_model(key)
    bounds = {(r.code, r.category): (r.age_min, r.age_max, r.sex) for r in model.code_map}

    assert {c for c, k in bounds if k == "HCC48" and c in ("D66", "D67")} == {"D66", "D67"}
    assert bounds["D66", "HCC48"][2] == "F"
    assert {c for c, k in bounds if k == "HCC112"} >= LUNG
    assert all(bounds[c, "HCC111"] == (18, 120, "") for c in LUNG)
    assert bounds["F3481", "HCC59"] == (6, 18, "")


@pytest.mark.parametrize("key", [k for k in KEYS if "v28" in k])
def test_v28_edits_of_the_macro_are_there(key: str) -> None:
    book = compile_rulebook(resolve_model(key))
    rows = {(r.code, r.category, r.age_min, r.age_max) for r in book.model.code_map}

    assert {(c, "HCC22", 0, 49) for c in BREAST_CANCER} <= rows
    assert {(c, "HCC23", 50, 120) for c in BREAST_CANCER} <= rows
    assert {(c, "HCC280", 18, 120) for c in LUNG} <= rows
    assert ("P0441", "HCC137", 0, 1) in rows


def test_coefficients_of_the_cms_table() -> None:
    # V28_CE_Relative_Factors.csv and V28_NE_Relative_Factors.csv, rows as printed
    worth = resolve_model("cms-hcc-v28/2026").coefficients

    assert [worth[s, "HCC17"] for s in ("CNA", "CPA", "CFA", "CND", "CPD", "CFD", "INS")] == [
        4209, 3946, 3896, 3995, 4103, 4235, 1952,
    ]  # fmt: skip
    assert worth["NE", "NMCAID_NORIGDIS_NEF65"] == 532
    assert worth["SNPNE", "MCAID_NORIGDIS_NEF95_GT"] == 2400
    assert ("INS", "HF_HCC238_V28") not in worth
    assert worth["INS", "LTIMCAID"] == 130


def test_coefficients_do_not_change_between_years_of_a_version() -> None:
    for family in ("cms-hcc-v24", "cms-hcc-v28"):
        tables = [resolve_model(k).coefficients for k in KEYS if k.startswith(family)]
        assert all(table == tables[0] for table in tables)


def payment_files() -> list[Path]:
    return sorted((models_root() / "payment").glob("*/*.toml"))


@pytest.mark.parametrize("path", payment_files(), ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_every_payment_value_names_its_source_or_is_asked_of_the_user(path: Path) -> None:
    head = tomllib.loads(path.read_text("utf-8"))

    assert (head["program"], str(head["payment_year"])) == (path.parent.name, path.stem)
    for component in head["component"]:
        for value in (v for v in component.values() if isinstance(v, dict)):
            assert set(value) in ({"supply", "what"}, {"value", "evidence", "source"})
            assert all(text or text == [] for text in value.values())


@pytest.mark.parametrize(
    ("year", "factors", "coding"),
    [(2017, ["0.998", "0.998"], "0.0566"), (2018, ["1.017", "1.017"], "0.0591"),
     (2019, ["1.041", "1.038"], "0.059"), (2020, ["1.069", "1.075"], "0.059"),
     (2021, ["1.097", "1.106"], "0.059"), (2022, ["1.118"], "0.059"), (2023, ["1.127"], "0.059"),
     (2024, ["1.146", "1.015"], "0.059"), (2025, ["1.153", "1.045"], "0.059"),
     (2026, ["1.067", "1.062", "1.104"], "0.059")],
)  # fmt: skip
def test_normalization_and_coding_factors_of_ma(year: int, factors: list[str], coding: str) -> None:
    components = load_payment_year("ma", year).components

    assert [c.values["normalization_factor"].value for c in components] == factors
    for c in components:
        dialysis = c.when.endswith("months_since_transplant<4")
        assert c.values["coding_adjustment"].value == ("0" if dialysis else coding)
