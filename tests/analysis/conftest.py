from functools import cache

import pytest

from riskadj.analysis import bridge, compare_models
from riskadj.catalog import resolve_model
from riskadj.features.rulebook import Rulebook, compile_rulebook


@cache
def compiled(key: str) -> Rulebook:
    return compile_rulebook(resolve_model(key))


@pytest.fixture(autouse=True)
def each_model_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (bridge, compare_models):
        monkeypatch.setattr(module, "compile_rulebook", lambda model: compiled(model.key))
