"""Exact, explainable risk adjustment: models are folders of text, and the code reads them.

>>> import riskadj
>>> member = riskadj.score_member(
...     age=70, sex="F", original_reason_entitlement_code=0,
...     diagnoses=["E11.21", "I28.1"], model="cms-hcc-v28/2026")
>>> member.raw_score, member.segment
(1.033, 'CNA')
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from riskadj.catalog import list_models
    from riskadj.errors import (
        ImportFormatError,
        InputError,
        ModelFolderError,
        NotPublishedError,
        OptionError,
        RiskadjError,
    )
    from riskadj.scoring.months import MonthlyScores, MonthOptions, score_months
    from riskadj.scoring.payment import read_supplied
    from riskadj.scoring.person import MemberScore, score_member
    from riskadj.scoring.plan import Options, Terms
    from riskadj.scoring.scorer import Scorer, Scores, load_model, score

__all__ = [
    "ImportFormatError",
    "InputError",
    "MemberScore",
    "ModelFolderError",
    "MonthOptions",
    "MonthlyScores",
    "NotPublishedError",
    "OptionError",
    "Options",
    "RiskadjError",
    "Scorer",
    "Scores",
    "Terms",
    "list_models",
    "load_model",
    "read_supplied",
    "score",
    "score_member",
    "score_months",
]

_HOME = {
    "list_models": "catalog",
    "MemberScore": "scoring.person",
    "score_member": "scoring.person",
    "MonthOptions": "scoring.months",
    "MonthlyScores": "scoring.months",
    "score_months": "scoring.months",
    "Options": "scoring.plan",
    "Terms": "scoring.plan",
    "read_supplied": "scoring.payment",
    "Scorer": "scoring.scorer",
    "Scores": "scoring.scorer",
    "load_model": "scoring.scorer",
    "score": "scoring.scorer",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'riskadj' has no attribute {name!r}")
    return getattr(import_module(f"riskadj.{_HOME.get(name, 'errors')}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
