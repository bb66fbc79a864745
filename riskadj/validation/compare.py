"""``compare``: two models, factor by factor and on the same members."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskadj.catalog import resolve_model
from riskadj.errors import OptionError
from riskadj.measures.intervals import bootstrap_counts, paired_difference
from riskadj.measures.metrics import balanced
from riskadj.measures.stability import factor_change
from riskadj.model import RiskModel
from riskadj.training.design import design_columns
from riskadj.training.runs import TRAIN, Progress, Run, read_rows
from riskadj.validation.evaluate import LEVEL
from riskadj.validation.population import Models, column_pairs, gather

SHOWN = 15


def compare_factors(a: RiskModel, b: RiskModel) -> dict[str, Any]:
    """Compare the factors that both models price; one weight each.

    Returns
    -------
    dict
        ``largest``, ``mean`` and ``spearman`` of the changes, how many variables only one prices,
        and ``moves``: the largest changes.

    Raises
    ------
    OptionError
        They have no priced variable in common.
    """
    common = [pair for pair in a.coefficients if pair in b.coefficients]
    if not common:
        raise OptionError(f"{a.key} and {b.key} have no variable of a segment in common")
    before = np.array([a.coefficients[p] for p in common]) / 1000
    after = np.array([b.coefficients[p] for p in common]) / 1000
    order = np.argsort(-np.abs(after - before), kind="stable")[:SHOWN]
    return {
        **asdict(factor_change(before, after, np.ones(len(common)))),
        "common": len(common),
        "only_first": len(a.coefficients) - len(common),
        "only_second": len(b.coefficients) - len(common),
        "moves": [
            {"segment": common[i][0], "variable": common[i][1],
             "label": a.labels[common[i][1]], "before": before[i], "after": after[i]}
            for i in order
        ],
    }  # fmt: skip


def compare_on_members(run: Run, a: RiskModel, b: RiskModel, progress: Progress) -> dict[str, Any]:
    """Score both models on a run's test members and compare, by a paired bootstrap of blocks.

    Returns
    -------
    dict
        ``members``, and the second model's R², CPM and MAE minus the first's, on capped cost,
        predictions balanced, with 95 % intervals.

    Raises
    ------
    OptionError
        A model reads other codes than the run's base model: its rows cannot score it.
    """
    progress("scoring both", 0)
    book = run.book()
    columns = design_columns(book)
    pairs = column_pairs(columns)
    cents = {f"{i}": _worth(m, run, pairs) for i, m in enumerate((a, b))}
    which = "test" if run.spec.data.test_share else "train"
    models = Models(book, columns, {"linear": cents["0"], "second": cents["1"]}, {})
    members = gather(read_rows(run, TRAIN, which), run.spec, models)
    cap = float(run.spec.target.cap_usd) or np.inf
    y, w = np.minimum(members.cost, cap), members.weight
    first, second = (balanced(members.predicted[n], y, w) for n in ("linear", "second"))
    counts = bootstrap_counts(run.spec.blocks, max(run.spec.bootstrap, 1), run.spec.seed)
    found = paired_difference(y, (first, second), w, members.block, counts, LEVEL)
    return {"members": len(y), **asdict(found)}


def _worth(model: RiskModel, run: Run, pairs: list[tuple[str, str]]) -> NDArray[np.float64]:
    base = resolve_model(run.base)
    if model.code_map != base.code_map or model.hierarchy != base.hierarchy:
        raise OptionError(
            f"{model.key} maps codes otherwise than {base.key}, the base of the run: prepare a run "
            "on its own terms to compare it"
        )
    return np.array([model.coefficients.get(pair, 0) for pair in pairs], dtype=np.float64)


def open_model(name: str) -> RiskModel:
    """Load a model by key, or a folder by path."""
    return resolve_model(Path(name) if Path(name).is_dir() else name)
