"""Stability: the same spec fitted on the later year, factor by factor."""

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskadj.measures.stability import change_in_errors, factor_change
from riskadj.training.model_fit import Fitted, count_statistics, fit_model, rows_of
from riskadj.training.runs import OUT_OF_TIME, TRAIN, Run, read_rows
from riskadj.training.statistics import Statistics, summed
from riskadj.training.uncertainty import robust_errors, second_pass

MOVES = 15


def year_on_year(run: Run, statistics: Statistics, jobs: int) -> dict[str, Any]:
    """Fit the spec on both years and compare.

    Returns
    -------
    dict
        Largest and exposure-weighted mean absolute change of the factors, rank correlation, the
        share of fitted factors that moved by over 1.96 standard errors, and the largest moves.
    """
    book, spec = run.book(), run.spec
    before = fit_model(statistics, book, spec.fit, spec.equity)
    later = count_statistics(read_rows(run, OUT_OF_TIME), book, spec.target.cap_usd, spec.blocks,
                             spec.groups, jobs)  # fmt: skip
    lenient = spec.fit.model_copy(update={"small_segments": "published"})
    after = fit_model(later, book, lenient, spec.equity)
    errors = (_errors(run, before, TRAIN, "train"), _errors(run, after, OUT_OF_TIME, "all"))
    return moves_between(before, after, errors)


def moves_between(
    before: Fitted, after: Fitted, errors: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> dict[str, Any]:
    """Compare two fits of the same columns; ``errors`` are standard errors in factors."""
    first, second = (np.concatenate(f.factors.thousandths) / 1000 for f in (before, after))
    months = np.concatenate([
        s.term_months * (f.solved is not None)
        for f, s in zip(before.segments, summed(before.statistics), strict=True)
    ])  # fmt: skip
    there = months > 0
    z = change_in_errors(first, second, *errors)
    moved = np.flatnonzero(there & np.isfinite(z))
    order = moved[np.argsort(-np.abs(z[moved]), kind="stable")][:MOVES]
    names = [(s, n) for s, group in zip(before.columns.segments, before.columns.names, strict=True)
             for n in group]  # fmt: skip
    return {
        **asdict(factor_change(first[there], second[there], months[there])),
        "share_beyond_1_96": float((np.abs(z[moved]) > 1.96).mean()) if len(moved) else 0.0,
        "moves": [
            {"segment": names[i][0], "variable": names[i][1], "before": first[i],
             "after": second[i], "z": z[i]} for i in order
        ],
    }  # fmt: skip


def _errors(run: Run, fitted: Fitted, period: str, which: str) -> NDArray[np.float64]:
    rows = rows_of(read_rows(run, period, which), fitted.book, fitted.columns,
                   run.spec.target.cap_usd)  # fmt: skip
    second = second_pass(rows, fitted.statistics, fitted.cents)
    cents = [robust_errors(f, spread) for f, spread in
             zip(fitted.segments, second.spread, strict=True)]  # fmt: skip
    return np.concatenate(cents) / fitted.factors.denominator_cents
