from pathlib import Path

import pytest

from riskadj.catalog import list_models, models_root, resolve_model
from riskadj.scoring.person import PersonScorer

REPOSITORY = Path(__file__).parents[1]
KEYS = [entry.key for entry in list_models() if entry.status != "trained"]


@pytest.fixture(scope="session")
def shared() -> Path:
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip("the shared cases and data are not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def wheels() -> Path:
    folder = REPOSITORY / ".cache" / "wheels"
    if not (folder / ".done").exists():
        pytest.skip("the public wheels are not downloaded: make test does it")
    return folder


@pytest.fixture(scope="session")
def scorers() -> dict[str, PersonScorer]:
    return {key: PersonScorer(resolve_model(key)) for key in KEYS}


@pytest.fixture(scope="session")
def models() -> Path:
    return models_root()
