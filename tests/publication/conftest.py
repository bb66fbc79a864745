from pathlib import Path

import pytest

from riskadj.catalog import resolve_model
from riskadj.sources.synthetic import write_population
from tests.publication.road import MEMBERS, SEED, quiet


@pytest.fixture(scope="session")
def population(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("population")
    model = resolve_model("cms-hcc-v28/2026")
    write_population(folder, MEMBERS, SEED, "medicare", model, 2023, quiet)
    return folder
