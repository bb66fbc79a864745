"""A model folder is whole, sealed and known, or it is refused."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from riskadj.catalog import resolve_model
from riskadj.errors import ModelFolderError, NotPublishedError
from riskadj.folder import read_model
from riskadj.manifest import seal
from riskadj.model import guard_atoms


@pytest.fixture
def folder(models: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(models / "published" / "cms-hcc-v28" / "2026", tmp_path / "own"))


def change(name: str, old: str, new: str) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        text = (folder / name).read_text(encoding="utf-8")
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")

    return apply


def test_a_folder_of_ones_own_loads_by_path(folder: Path) -> None:
    assert resolve_model(folder).key == str(folder)


def test_a_changed_byte_is_refused_until_sealed(folder: Path) -> None:
    change("coefficients.csv", "0.330", "0.331")(folder)

    with pytest.raises(ModelFolderError, match=r"changed since it was sealed: coefficients.csv"):
        resolve_model(folder)

    seal(folder)
    assert resolve_model(folder)


@pytest.mark.parametrize("name", ["terms.csv", "extra.csv"])
def test_a_missing_or_unlisted_file_is_refused(folder: Path, name: str) -> None:
    if (folder / name).exists():
        (folder / name).unlink()
    else:
        (folder / name).write_text("x\n")

    with pytest.raises(ModelFolderError, match=f"disagree about {name}"):
        resolve_model(folder)


def test_a_folder_without_manifest_is_refused(folder: Path) -> None:
    (folder / "manifest.json").unlink()

    with pytest.raises(ModelFolderError, match="riskadj models seal"):
        resolve_model(folder)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (change("model.toml", "schema = 1", "schema = 2"), "schema 2 is not known"),
        (change("model.toml", "payer =", "player ="), r"unknown or missing \['payer', 'player'\]"),
        (change("model.toml", '"ne_cells"', '"sometimes"'), "age_64_rule is 'sometimes'"),
        (change("model.toml", '"final"', '"finished"'), "status is 'finished'"),
        (
            change("coefficients.csv", "HCC1,,,1.322", "HCC1,,,"),
            "HCC1 is in segment INS but has no",
        ),
        (change("coefficients.csv", "HCC1,,,", "HCC1,0.100,,"), "in SNPNE, where nothing uses it"),
        (change("coefficients.csv", "1.322", "1.3225"), "not a decimal with at most 3 places"),
        (change("coefficients.csv", "HCC2,", "HCC1,"), "a variable stands twice"),
        (change("hierarchy.csv", "HCC18", "HCC16"), "hierarchy.csv: HCC16 is not defined"),
        (change("groups.csv", "HCC17", "HCC16"), "groups.csv: HCC16 is not defined"),
        (change("terms.csv", "HF_V28 &", "HFX &"), "terms.csv: HFX is not defined"),
        (change("code_map.csv", "HCC92", "HCC91"), "code_map.csv: HCC91 is not defined"),
        (change("rules.csv", "requires_any", "requires_all"), "type requires_all is not known"),
        (change("terms.csv", "CNA", "CNX"), "segment CNX is not in segments.csv"),
        (change("flags.csv", "flag,when", "flag,then"), "columns flag,then; expected flag,when"),
    ],
)
def test_a_folder_that_contradicts_itself_is_refused(
    folder: Path, edit: Callable[[Path], None], message: str
) -> None:
    edit(folder)
    seal(folder)

    with pytest.raises(ModelFolderError, match=message):
        read_model(folder, "own")


def test_a_guard_must_be_a_conjunction_of_facts() -> None:
    with pytest.raises(ModelFolderError, match="cannot read"):
        guard_atoms("age>=65 or medicaid")


def test_an_unknown_key_lists_the_keys_there_are() -> None:
    with pytest.raises(NotPublishedError, match=r"No model 'cms-hcc-v29/2026'. Published: cms-hcc"):
        resolve_model("cms-hcc-v29/2026")
