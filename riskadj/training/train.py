"""``train``: from prepared rows to a draft model folder."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskadj.errors import InputError
from riskadj.importers.draft import write_model_folder
from riskadj.measures.intervals import bootstrap_counts
from riskadj.training.archive import save_arrays, save_statistics, segment_arrays
from riskadj.training.challengers import grow, tree_design
from riskadj.training.disclosure import hidden_parts
from riskadj.training.folder import (
    FIT,
    Uncertainty,
    draft_trained,
    fit_rows,
    fit_text,
)
from riskadj.training.model_fit import Fitted, count_statistics, fit_model, rows_of
from riskadj.training.runs import TRAIN, Progress, Run, check_prepared, read_rows, rows_hash
from riskadj.training.segment_fit import SegmentFit
from riskadj.training.spec import Spec
from riskadj.training.statistics import Statistics, summed
from riskadj.training.tree_text import public_text
from riskadj.training.uncertainty import (
    bootstrap_coefficients,
    credibility,
    in_sample_r2,
    interval,
    robust_errors,
    second_pass,
)

TREE_FILES = {"lightgbm": "trees.txt", "residual": "residual.txt"}
SCHEMA = 1
METHODS = ("wls", "shrinkage", "cms-stepwise")


def train(run: Run, jobs: int, progress: Progress) -> Fitted:
    """Fit a prepared run and write its draft model folder.

    Raises
    ------
    OptionError
        The run is not prepared, or the spec asks for what cannot be.
    InputError
        A segment or group has too few members.
    """
    prepared = check_prepared(run)
    book, spec = run.book(), run.spec
    progress("counting", 0)
    rows = read_rows(run, TRAIN, "train")
    statistics = count_statistics(rows, book, spec.target.cap_usd, spec.blocks, spec.groups, jobs)
    _refuse_empty_groups(statistics)
    save_statistics(run.statistics, statistics)
    progress("fitting", 0)
    fitted = fit_model(statistics, book, spec.fit, spec.equity)
    progress("measuring uncertainty", 0)
    uncertain = _uncertainty(run, fitted)
    files = {"spec.toml": run.spec_path.read_bytes()}
    files[FIT] = fit_text(fit_rows(fitted, book.model, uncertain)).encode()
    files |= _challengers(run, fitted, progress)
    exact = segment_arrays({f.segment: f.solved.statistics for f in fitted.segments if f.solved})
    exact["salt"] = _salt(statistics)
    digest = save_arrays(run.folder / "exact.npz", exact)
    others = _other_methods(fitted, spec)
    save_arrays(run.folder / "methods.npz", others)
    if spec.data.synthetic:
        files["statistics.npz"] = (run.folder / "exact.npz").read_bytes()
    files["metrics.json"] = metrics_text(
        {
            "schema": SCHEMA,
            "rows_sha256": rows_hash(prepared),
            "fit": _said(fitted, digest),
            "methods": _differences(fitted, others),
        }
    )
    write_model_folder(draft_trained(run.base_folder(), spec, fitted, files), run.model, spec.name)
    return fitted


def _salt(statistics: Statistics) -> NDArray[np.uint8]:
    """Return bytes that nobody without the block statistics can guess.

    The published hash of the exact statistics would otherwise confirm a guess of hidden counts.
    """
    secret = bytes.fromhex(statistics.hash_with("salt of the exact statistics"))
    return np.frombuffer(secret, dtype=np.uint8)


def _refuse_empty_groups(statistics: Statistics) -> None:
    empty = statistics.group_members.sum(axis=1) == 0
    names = [n for n, gone in zip(statistics.group_names, empty, strict=True) if gone]
    if names:
        raise InputError(f"groups without a member: {', '.join(names)}. Do the values occur?")


def _other_methods(fitted: Fitted, spec: Spec) -> dict[str, NDArray[np.float64]]:
    """Fit the methods that the spec did not choose, with the same terms: cents of all columns."""
    others = [m for m in METHODS if m != spec.fit.method]
    return {
        m: fit_model(fitted.statistics, fitted.book, spec.fit.model_copy(update={"method": m}),
                     spec.equity).cents
        for m in others
    }  # fmt: skip


def _differences(
    fitted: Fitted, others: dict[str, NDArray[np.float64]]
) -> dict[str, dict[str, float]]:
    """Say how far each other method's coefficients lie from the chosen one's, in dollars."""
    months = np.concatenate([s.term_months for s in summed(fitted.statistics)])
    apart = {m: np.abs(cents - fitted.cents) / 100 for m, cents in others.items()}
    return {
        m: {"largest_usd": float(d.max()), "mean_usd": float(d @ months / months.sum()),
            "coefficients_that_differ": int((d >= 0.01).sum())}
        for m, d in apart.items()
    }  # fmt: skip


def metrics_text(metrics: dict[str, Any]) -> bytes:
    """Return ``metrics.json``: rounded so that the last bits of a machine do not show."""
    return (json.dumps(rounded(metrics), indent=1) + "\n").encode()


def rounded(value: Any) -> Any:
    """Round every float to six significant digits; what is not a number becomes null."""
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(v) for v in value]
    if isinstance(value, (float, np.floating)):
        return float(f"{float(value):.6g}") if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value


def _uncertainty(run: Run, fitted: Fitted) -> list[Uncertainty]:
    """Second pass, bootstrap and credibility of every segment."""
    spec = run.spec
    rows = rows_of(read_rows(run, TRAIN, "train"), fitted.book, fitted.columns, spec.target.cap_usd)
    second = second_pass(rows, fitted.statistics, fitted.cents)
    counts = bootstrap_counts(spec.blocks, max(spec.bootstrap, 1), spec.seed)
    found = []
    totals = summed(fitted.statistics)
    for s, (fit, own) in enumerate(zip(fitted.segments, totals, strict=True)):
        drawn = bootstrap_coefficients(fitted.statistics, fit, spec.fit, counts)
        low, high = interval(drawn)
        found.append(Uncertainty(
            robust_errors(fit, second.spread[s]), low, high, credibility(own, second.squares[s]),
            own.term_members,
        ))  # fmt: skip
    return found


def _challengers(run: Run, fitted: Fitted, progress: Progress) -> dict[str, bytes]:
    files = {}
    for how in run.spec.challengers:
        progress(f"growing {how.family} trees", 0)
        cost, months = _outcome(run, fitted, how.family == "residual")
        designs = (tree_design(b, fitted.book) for b in read_rows(run, TRAIN, "train"))
        n_axes = len(fitted.book.profiles.axes)
        trees = grow(designs, cost, months, how, run.spec.seed, n_axes)
        files[TREE_FILES[how.family]] = public_text(trees.model_text_).encode()
    return files


def _outcome(
    run: Run, fitted: Fitted, residual: bool
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the annual capped cost in dollars, or what the linear model leaves, and the months."""
    outcomes, months = [], []
    batches = read_rows(run, TRAIN, "train")
    for rows in rows_of(batches, fitted.book, fitted.columns, run.spec.target.cap_usd):
        cents = rows.cost / rows.months
        left = rows.design @ fitted.cents if residual else 0.0
        outcomes.append((cents - left) / 100)
        months.append(rows.months)
    return np.concatenate(outcomes), np.concatenate(months)


def _said(fitted: Fitted, digest: str) -> dict[str, Any]:
    """Say what was fitted on what, and the proof that it is the minimum."""
    by_segment = summed(fitted.statistics)
    pairs = list(zip(fitted.segments, by_segment, strict=True))
    hidden = hidden_parts(np.array([s.total_members for s in by_segment]))
    solved = [(s, f.cents.astype(float)) for f, s in pairs if f.solved]
    return {
        "statistics_sha256": digest,
        "block_statistics_sha256": fitted.statistics.sha256,
        "members": sum(s.total_members for s in by_segment),
        "member_years": sum(s.total_months for s in by_segment) / 12,
        "denominator_usd": fitted.factors.denominator_cents / 100,
        "cents_per_thousandth": repr(fitted.cents_per_thousandth),
        "mean_score": float(fitted.factors.mean_score),
        "r2_in_sample": in_sample_r2(*zip(*solved, strict=True)),
        "segments": [
            {
                "segment": f.segment, "terms": len(f.reduction.terms), **_proof(f),
                "members": None if hide else s.total_members,
            }
            for (f, s), hide in zip(pairs, hidden, strict=True)
        ],
        "lines": list(fitted.lines),
    }  # fmt: skip


def _proof(fit: SegmentFit) -> dict[str, Any]:
    if fit.solved is None:
        return {"method": "published factors of the base model"}
    solution, own = fit.solved.solution, fit.solved.statistics
    predicted = float(solution.coefficients @ own.term_months) + own.explained
    return {
        "kkt_stationarity_usd": round(solution.stationarity / 100, 6),
        "kkt_violation_usd": round(solution.violation / 100, 6),
        "least_coefficient_usd": int(fit.cents.min()) / 100,
        "binding_constraints": int(solution.binding.sum()),
        "predictive_ratio": predicted / own.total_cost,
    }
