"""Every metric of every model, on the training members and on those nothing was fitted on."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskadj.errors import OptionError
from riskadj.features.rulebook import Rulebook
from riskadj.measures.groups import (
    Groups,
    deciles,
    group_table,
    groups_flagged,
    groups_labelled,
)
from riskadj.measures.headline import summary
from riskadj.measures.intervals import (
    bootstrap_counts,
    fit_intervals,
    group_intervals,
    paired_difference,
)
from riskadj.measures.metrics import balanced, far_off_share, predictive_ratio, r2
from riskadj.measures.payment_systems import (
    high_cost_pool,
    no_reinsurance,
    payment_fit,
    residual_reinsurance,
)
from riskadj.measures.stability import population_stability
from riskadj.training.archive import load_arrays
from riskadj.training.disclosure import hidden_parts, is_small
from riskadj.training.folder import FIT, read_fit
from riskadj.training.runs import OUT_OF_TIME, TRAIN, Progress, Run, read_rows
from riskadj.training.spec import Spec
from riskadj.training.train import TREE_FILES
from riskadj.training.trees import TreeRegressor, load_trees
from riskadj.validation.population import Models, Population, add_baselines, gather, models_of

LEVEL = 0.95
FAR_OFF = (0.25, 1.0, 5.0)
"""Distances from the prediction, in mean costs."""
OVERLAPPING = ("predicted highest", "named groups", "condition")
POOL_USD, POOL_SHARE = 1_000_000.0, 0.6
"""The HHS high-cost risk pool: 60 % above $1 million."""
LOSS_USD = 100_000.0
Record = dict[str, Any]


def load_models(run: Run, book: Rulebook) -> Models:
    """Read the fit and the trees of a run's draft model.

    Raises
    ------
    OptionError
        The run is not trained.
    """
    if not (run.model / FIT).is_file():
        raise OptionError(f"{run.folder} is not trained: run `riskadj train {run.spec_path}`")
    rows = read_fit((run.model / FIT).read_text(encoding="utf-8"), str(run.model))
    cents = {(r.segment, r.variable): round(float(r.usd) * 100) for r in rows}
    trees: dict[str, TreeRegressor] = {
        how.family: load_trees(run.model / TREE_FILES[how.family]) for how in run.spec.challengers
    }
    metrics = json.loads((run.model / "metrics.json").read_text(encoding="utf-8"))
    scale = float(metrics["fit"]["cents_per_thousandth"])
    return models_of(book, cents, load_arrays(run.folder / "methods.npz"), scale, trees)


def gather_periods(run: Run, models: Models) -> dict[str, Population]:
    """Read ``train``, ``test`` and ``out_of_time`` members; baselines are fitted on train."""
    spec = run.spec
    found = {"train": gather(read_rows(run, TRAIN, "train"), spec, models)}
    if spec.data.test_share:
        found["test"] = gather(read_rows(run, TRAIN, "test"), spec, models)
    if spec.out_of_time:
        found[OUT_OF_TIME] = gather(read_rows(run, OUT_OF_TIME), spec, models)
    others = [p for name, p in found.items() if name != "train"]
    add_baselines(found["train"], others, cap_of(spec))
    if spec.out_of_time:
        for name, predicted in found[OUT_OF_TIME].predicted.items():
            predicted *= 1.0 if name == "oracle" else spec.out_of_time.trend
    return found


def cap_of(spec: Spec) -> float:
    """Return the ceiling on annual cost, infinity without one."""
    return float(spec.target.cap_usd or np.inf)


def evaluate(periods: Mapping[str, Population], spec: Spec, progress: Progress) -> Record:
    """Measure every model on every period.

    Returns
    -------
    dict
        ``periods``: by period, ``models`` (headline numbers with and without cap), ``intervals``
        (capped, and differences to the linear model), ``groups`` (tables), ``payment_systems``.
    """
    counts = bootstrap_counts(spec.blocks, max(spec.bootstrap, 1), spec.seed)
    measured = {}
    for name, population in periods.items():
        progress(f"measuring {name}", 0)
        measured[name] = _period(population, spec, counts, full=name != "train")
    train, last = periods["train"], list(periods.values())[-1]
    trend = spec.out_of_time.trend if spec.out_of_time else 1.0
    psi = population_stability(
        train.predicted["linear"], last.predicted["linear"] / trend, train.weight, last.weight
    )
    return {"periods": measured, "population_stability_index": psi}


def _period(population: Population, spec: Spec, counts: NDArray[np.int64], full: bool) -> Record:
    y, w = population.cost, population.weight
    cap = cap_of(spec)
    models = {
        name: asdict(summary(y, p, w, cap, seed=spec.seed))
        for name, p in population.predicted.items()
    }
    if is_small((y > cap).sum()):  # the difference would tell what a few members cost
        models = {name: m | {"uncapped": None} for name, m in models.items()}
    capped = np.minimum(y, cap)
    found: Record = {"members": tens(len(y)), "member_years": tens(w.sum()), "models": models,
                     "mean_capped_cost_usd": float((w * capped).sum() / w.sum())}  # fmt: skip
    if not full:
        return found
    linear = balanced(population.predicted["linear"], capped, w)
    intervals, differences = {}, {}
    for name, raw in population.predicted.items():
        p = balanced(raw, capped, w)
        intervals[name] = asdict(fit_intervals(capped, p, w, population.block, counts, LEVEL))
        if name != "linear":
            pair = paired_difference(capped, (linear, p), w, population.block, counts, LEVEL)
            differences[name] = asdict(pair)
    return found | {
        "intervals": intervals,
        "differences_to_linear": differences,
        "groups": group_tables(population, capped, counts),
        "payment_systems": _payment_systems(population),
        "far_off": {
            f"{t}": far_off_share(y, balanced(population.predicted["linear"], y, w), w, t)
            for t in FAR_OFF
        },
        "truth": _against_truth(population),
    }


def groupings(population: Population) -> dict[str, Groups]:
    """Return every way in which reports split members."""
    p, w = population.predicted["linear"], population.weight
    tenth = deciles(p, w)
    found = {"predicted decile": groups_labelled(np.array([f"{d:02d}" for d in range(100)])[tenth])}
    order = np.argsort(-p, kind="stable")
    share = np.cumsum(w[order]) / w.sum()
    tops = {}
    for label, part in (("top 5 %", 0.05), ("top 1 %", 0.01)):
        flag = np.zeros(len(p), dtype=np.bool_)
        flag[order[share <= part]] = True
        tops[label] = flag
    found["predicted highest"] = groups_flagged(tops)
    found |= {name: groups_labelled(labels) for name, labels in population.labels.items()}
    if population.flags:
        found["named groups"] = groups_flagged(population.flags)
    live = population.conditions.tocoo()
    order = np.lexsort((live.row, live.col))
    found["condition"] = Groups(
        population.condition_names, live.row[order].astype(np.intp),
        live.col[order].astype(np.intp), len(p),
    )  # fmt: skip
    return found


def group_tables(
    population: Population, capped: NDArray[np.float64], counts: NDArray[np.int64]
) -> Record:
    """Return predictive ratio and net compensation of every group, for the linear model.

    Sizes are rounded to tens, so that tables that overlap cannot be subtracted. Groups under 11
    members, and those that would give them away, are not shown; how many is.
    """
    w = population.weight
    p = balanced(population.predicted["linear"], capped, w)
    others = {n: balanced(q, capped, w) for n, q in population.predicted.items() if n != "linear"}
    tables = {}
    for name, groups in groupings(population).items():
        rows = group_table(capped, p, w, groups)
        sure = group_intervals(capped, p, w, groups, population.block, counts, LEVEL)
        ratios = {n: [r.predictive_ratio for r in group_table(capped, q, w, groups)]
                  for n, q in others.items()} if name != "condition" else {}  # fmt: skip
        n = np.array([row.n_members for row in rows], dtype=np.int64)
        hidden = is_small(n) if name in OVERLAPPING else hidden_parts(n)
        shown = [
            asdict(row)
            | {"n_members": tens(row.n_members), "member_years": tens(row.member_years)}
            | {"ratio_low": s.predictive_ratio.low, "ratio_high": s.predictive_ratio.high,
               "net_low": s.net_compensation_usd.low, "net_high": s.net_compensation_usd.high}
            | {"others": {n: v[i] for n, v in ratios.items()}}
            for i, (row, s) in enumerate(zip(rows, sure, strict=True))
            if not hidden[i]
        ]  # fmt: skip
        tables[name] = {"rows": shown, "not_shown": len(rows) - len(shown)}
    return tables


def tens(value: float) -> int:
    """Round a size to tens."""
    return 10 * round(float(value) / 10)


def _payment_systems(population: Population) -> Record:
    """Return fit and power; None where under 11 members are reinsured, whose cost it would tell."""
    y, w = population.cost, population.weight
    p = balanced(population.predicted["linear"], y, w)
    systems = {
        "risk adjustment alone": no_reinsurance(p),
        "with a pool of 60 % above $1M": high_cost_pool(
            y, p, w, attachment=POOL_USD, share=POOL_SHARE
        ),
        "with losses over $100,000 reinsured": residual_reinsurance(y, p, w, loss=LOSS_USD),
    }
    return {
        name: None if is_small((paid.marginal > 0).sum()) else asdict(payment_fit(y, paid, w))
        for name, paid in systems.items()
    }


def _against_truth(population: Population) -> Record | None:
    """Return each model's share of the true mean's variance, where a truth is known."""
    truth = population.predicted.get("oracle")
    if truth is None:
        return None
    w = population.weight
    return {
        name: {"r2_of_true_mean": r2(truth, balanced(p, truth, w), w),
               "predictive_ratio_to_truth": predictive_ratio(truth, p, w)}
        for name, p in population.predicted.items() if name != "oracle"
    }  # fmt: skip
