"""Where models live: the registry, and loading by key or by folder."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from riskadj.errors import ModelFolderError, NotPublishedError
from riskadj.folder import read_model
from riskadj.model import RiskModel

TRAINED = "trained/"
"""What the key of a model trained here begins with."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the registry: ``models/index.toml``, or the head of a trained model."""

    key: str
    title: str
    payer: str
    payment_year: int
    status: str
    sources: int
    unverified: int


def models_root() -> Path:
    """Return the checkout's ``models`` folder, else the one inside the installed package."""
    package = Path(__file__).parent
    for root in (package.parent / "models", package / "_models"):
        if (root / "index.toml").is_file():
            return root
    raise ModelFolderError(f"No models folder beside or inside {package}: reinstall riskadj")


def list_models() -> tuple[Entry, ...]:
    """Return the registry's models, in its order."""
    return (*(Entry(**row) for row in _index()["model"]), *_trained())


@cache
def _trained() -> tuple[Entry, ...]:
    """Return the models trained here, from their own heads: key ``trained/<folder>``."""
    found = []
    for path in sorted((models_root() / "trained").glob("*/model.toml")):
        head = tomllib.loads(path.read_text(encoding="utf-8"))
        facts = {n: head[n] for n in ("title", "payer", "payment_year", "status", "sources")}
        key, unverified = f"{TRAINED}{path.parent.name}", len(head["unverified"])
        found.append(Entry(key=key, unverified=unverified, **facts))
    return tuple(found)


def resolve_model(model: str | Path) -> RiskModel:
    """Load a published model by key (a string) or any model folder (a ``Path``).

    Raises
    ------
    NotPublishedError
        The key is not in the registry; the message lists the keys, or says why it is absent.
    ModelFolderError
        The folder is not a whole, sealed model.
    """
    if isinstance(model, Path):
        if not model.is_dir():
            raise ModelFolderError(f"{model} is not a folder")
        return read_model(model, str(model))
    return _registered(model)


def model_folder(model: str | Path) -> Path:
    """Return where a model's tables lie, as ``resolve_model`` takes it."""
    if isinstance(model, Path):
        return model
    keys = [entry.key for entry in list_models()]
    if model in keys:
        return models_root() / (model if model.startswith(TRAINED) else f"published/{model}")
    absent = {row["key"]: row["why"] for row in _index().get("absent", [])}
    if model in absent:
        raise NotPublishedError(f"Model {model!r} is not published: {absent[model]}")
    raise NotPublishedError(f"No model {model!r}. Published: {', '.join(keys)}")


def published_years(family: str) -> list[str]:
    """Return the keys of a model's other payment years."""
    return [e.key for e in list_models() if e.key.startswith(f"{family}/")]


@cache
def _registered(key: str) -> RiskModel:
    return read_model(model_folder(key), key)


@cache
def _index() -> dict[str, list[dict[str, Any]]]:
    return tomllib.loads((models_root() / "index.toml").read_text(encoding="utf-8"))
