"""The parts of a fit, in one process: statistics against a peer, re-solving, the bootstrap."""

import time
from collections.abc import Callable

import numpy as np
from scipy import sparse
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_limits

from riskadj.catalog import resolve_model
from riskadj.connection import connect
from riskadj.features.rulebook import compile_rulebook
from riskadj.measures.intervals import bootstrap_counts
from riskadj.training.design import design_columns
from riskadj.training.model_fit import fit_model, rows_of
from riskadj.training.prepare import Sources, Split, prepared_batches
from riskadj.training.segment_fit import solve_terms
from riskadj.training.spec import Fit
from riskadj.training.statistics import accumulate
from riskadj.training.uncertainty import bootstrap_coefficients
from tests.speed.population import CAP_USD, COST_YEAR, HOW

BLOCKS = 500


def measure_parts(members: str, diagnoses: str, costs: str) -> list[tuple[str, float, str, str]]:
    """Return named measures; each the least of some repeats."""
    book, how = compile_rulebook(resolve_model("cms-hcc-v28/2026")), Fit(**HOW)
    columns = design_columns(book)
    sources = Sources(members, diagnoses, costs, COST_YEAR, COST_YEAR - 1)
    with connect() as connection:
        split = Split(BLOCKS, test_share=0.0, ordered=False)
        batches, _ = prepared_batches(connection, book, sources, split)
        rows = list(rows_of(batches, book, columns, CAP_USD))
    design = sparse.csr_matrix(sparse.vstack([r.design for r in rows], format="csr"))
    cost = np.concatenate([r.cost / r.months for r in rows])
    weight = np.concatenate([r.months / 12 for r in rows])
    peer = Ridge(alpha=1e-6, solver="sparse_cg", fit_intercept=False)
    pairs = [
        (_seconds(lambda: accumulate(iter(rows), columns, BLOCKS, [], jobs=2)),
         _seconds(lambda: peer.fit(design, cost, sample_weight=weight)))
        for _ in range(3)
    ]  # fmt: skip
    statistics = accumulate(iter(rows), columns, BLOCKS, [], jobs=2)
    fitted = fit_model(statistics, book, how)

    def solve_again() -> None:
        with threadpool_limits(1):
            for f in (f.solved for f in fitted.segments if f.solved):
                solve_terms(f.statistics, f.constraints, how, None)

    def refit_200() -> None:
        counts = bootstrap_counts(BLOCKS, 200, 1)
        for f in fitted.segments:
            bootstrap_coefficients(statistics, f, how, counts)

    ours, theirs = (min(column) for column in zip(*pairs, strict=True))
    again = min(_seconds(solve_again) for _ in range(5))
    chosen = min(_seconds(lambda: fit_model(statistics, book, how)) for _ in range(5))
    n = f"{len(cost) / 1e6:.0f} M x {design.shape[1]}"
    return [
        (f"Ridge(sparse_cg) / statistics pass with {BLOCKS} blocks, {n}", theirs / ours, "ratio",
         ">= 6"),
        ("statistics pass", ours, "s", ""),
        ("re-solve of all nine segments", again * 1e3, "ms", "<= 50"),
        ("the same with terms chosen anew", chosen * 1e3, "ms", ""),
        ("200 bootstrap refits of all nine segments", _seconds(refit_200), "s", "<= 10"),
    ]  # fmt: skip


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
