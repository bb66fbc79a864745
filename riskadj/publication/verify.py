"""``verify``: a reader re-solves a published fit without seeing a member."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from riskadj.errors import ModelFolderError, RiskadjError
from riskadj.features.rulebook import compile_rulebook
from riskadj.folder import read_model
from riskadj.manifest import changed_generated, read_sealed
from riskadj.model import RiskModel
from riskadj.publication.release import MEDIAN_MOVE, RATIO_MOVE
from riskadj.training.archive import arrays_hash, load_arrays, segment_statistics
from riskadj.training.factors import denominator_of, thousandths
from riskadj.training.fit import (
    Prior,
    constraints_of,
    possible,
    solve_terms,
    whole_cents,
    with_equity,
)
from riskadj.training.folder import FIT, FitRow, read_fit
from riskadj.training.reduction import Reduction
from riskadj.training.spec import Spec, parse_spec
from riskadj.training.statistics import SegmentStatistics


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was verified.

    Attributes
    ----------
    level
        ``folder``, ``exact`` or ``public``.
    what
    passed
    detail
        What was found.
    """

    level: str
    what: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Published:
    """What a trained folder says of its fit."""

    model: RiskModel
    spec: Spec
    metrics: dict[str, Any]
    rows: dict[str, list[FitRow]]


def verify(folder: Path, statistics: Path | None = None) -> list[Check]:
    """Check a trained model's folder and re-solve its fit at every level that it allows.

    Parameters
    ----------
    statistics
        The exact statistics, for who holds them; by default those in the folder.

    Returns
    -------
    list of Check
        Levels that the folder does not allow are not in it; at least the folder is.

    Raises
    ------
    ModelFolderError
        A byte is not the sealed one, or the folder is not a trained model's.
    """
    published = read_published(folder)
    checks = [_sealed(folder)]
    exact = statistics or folder / "statistics.npz"
    with threadpool_limits(1):
        if exact.is_file():
            checks += _exact(exact, published)
        elif statistics is not None:
            raise ModelFolderError(f"no file {statistics}")
        if (folder / "public.npz").is_file():
            checks += _public(folder / "public.npz", published)
    return checks


def read_published(folder: Path) -> Published:
    """Read a trained model's folder.

    Raises
    ------
    ModelFolderError
        It is not whole, changed, or no trained model.
    """
    content = read_sealed(folder)
    model = read_model(folder, str(folder))
    compile_rulebook(model)
    if missing := sorted({"spec.toml", FIT, "metrics.json"} - set(content)):
        raise ModelFolderError(f"{folder} is no trained model: {', '.join(missing)} missing")
    rows: dict[str, list[FitRow]] = {}
    for row in read_fit(content[FIT].decode("utf-8"), str(folder)):
        rows.setdefault(row.segment, []).append(row)
    try:
        metrics = json.loads(content["metrics.json"])
        spec = parse_spec(content["spec.toml"].decode("utf-8"), "spec.toml")
    except (ValueError, RiskadjError) as error:
        raise ModelFolderError(f"{folder}: {error}") from None
    return Published(model, spec, metrics, rows)


def _sealed(folder: Path) -> Check:
    changed = changed_generated(folder)
    detail = f"changed: {', '.join(changed)}" if changed else "every byte is the sealed one"
    return Check("folder", "seal", not changed, detail)


def _exact(path: Path, published: Published) -> Iterator[Check]:
    arrays = load_arrays(path)
    said = published.metrics["fit"]["statistics_sha256"]
    found = arrays_hash(arrays)
    yield Check("exact", "statistics are the published ones", found == said, f"sha256 {found[:16]}")
    wrong, worst, n = 0, 0.0, 0
    solved: dict[str, NDArray[np.int64]] = {}
    statistics = segment_statistics(arrays)
    for segment, own in statistics.items():
        cents, stationarity = resolve(segment, own, published)
        printed = _printed_cents(published.rows[segment])
        wrong += int((cents != printed).sum())
        n += len(cents)
        worst = max(worst, stationarity)
        solved[segment] = cents
    yield Check("exact", "coefficients re-solved to the cent", wrong == 0,
                f"{n - wrong:,} of {n:,} equal")  # fmt: skip
    yield Check("exact", "KKT stationarity", worst <= 1.0, f"${worst / 100:.6f}")
    yield _factors(solved, statistics, published)


def _printed_cents(rows: Sequence[FitRow]) -> NDArray[np.int64]:
    return np.array([round(float(r.usd) * 100) for r in rows], dtype=np.int64)


def resolve(
    segment: str, own: SegmentStatistics, published: Published
) -> tuple[NDArray[np.int64], float]:
    """Solve a segment again: whole cents of its variables, and the stationarity in cents."""
    rows, spec = published.rows[segment], published.spec
    reduction = reduction_of(rows, own)
    constraints = constraints_of(reduction, published.model, spec.fit)
    prior = _prior(rows, reduction, published) if spec.fit.method == "shrinkage" else None
    solution = solve_terms(own, constraints, spec.fit, prior)
    if spec.equity:
        names = [g.name for g in spec.groups]
        wishes, _ = possible([(names.index(e.group), e) for e in spec.equity], own)
        if wishes:
            constraints = with_equity(constraints, solution, own, wishes)
            solution = solve_terms(own, constraints, spec.fit, prior)
    return whole_cents(reduction, solution.coefficients), solution.stationarity


def reduction_of(rows: Sequence[FitRow], own: SegmentStatistics) -> Reduction:
    """Read from ``fit.csv`` which variables are which terms.

    Raises
    ------
    ModelFolderError
        The statistics have other terms.
    """
    place = {name: j for j, name in enumerate(own.names)}
    if odd := sorted({r.term for r in rows if r.term} ^ set(place)):
        raise ModelFolderError(f"the statistics and {FIT} disagree about terms {', '.join(odd)}")
    term_of = np.array([place[r.term] if r.term else -1 for r in rows], dtype=np.int64)
    terms = tuple(tuple(r.variable for r in rows if r.term == name) for name in own.names)
    fixed = [0.0 if r.term else float(r.usd) for r in rows]
    names, status = tuple(r.variable for r in rows), tuple(r.status for r in rows)
    return Reduction(names, term_of, terms, status, np.array(fixed), ())


def _prior(rows: Sequence[FitRow], reduction: Reduction, published: Published) -> Prior:
    """Read the credibility and the published coefficients of each term."""
    scale = float(published.metrics["fit"]["cents_per_thousandth"])
    base = np.array([round(float(r.base_factor) * 1000) for r in rows]) * scale
    shares = reduction.matrix / np.maximum(reduction.matrix.sum(axis=0), 1)
    first = [next(i for i, r in enumerate(rows) if r.variable == t) for t in reduction.names]
    return Prior(base @ shares, np.array([float(rows[i].z_prior) for i in first]))


def _factors(
    solved: Mapping[str, NDArray[np.int64]],
    statistics: Mapping[str, SegmentStatistics],
    published: Published,
) -> Check:
    """Divide the re-solved dollars by their mean again, and compare with the model's factors."""
    unfitted = published.metrics["fit"]["unfitted"]
    months, predicted = int(unfitted["months"]), int(unfitted["predicted_cents_months"])
    for segment, own in statistics.items():
        months += own.total_months
        names = (r.term for r in published.rows[segment])
        by_term = dict(zip(names, solved[segment], strict=True))
        cents = np.array([by_term[name] for name in own.names], dtype=np.int64)
        predicted += int(cents @ own.term_months.astype(np.int64)) + own.explained
    denominator = denominator_of(predicted, months)
    wrong = sum(
        published.model.coefficients[segment, row.variable] != factor
        for segment, rows in published.rows.items()
        for row, factor in zip(rows, thousandths(_printed_cents(rows), denominator), strict=True)
    )
    same = f"{denominator / 100:.2f}" == published.model.facts.denominator_usd
    return Check("exact", "relative factors follow from the dollars", same and not wrong,
                 f"denominator ${denominator / 100:,.2f}, {wrong} factors differ")  # fmt: skip


def _public(path: Path, published: Published) -> Iterator[Check]:
    moves, was, now = [], 0.0, 0.0
    for segment, own in segment_statistics(load_arrays(path)).items():
        rows = published.rows[segment]
        cents, _ = resolve(segment, own, published)
        for row, value in zip(rows, cents, strict=True):
            if row.term == row.variable and float(row.se_usd) > 0:
                moves.append(abs(value / 100 - float(row.usd)) / float(row.se_usd))
        first = {r.term: i for i, r in reversed(list(enumerate(rows))) if r.term}
        place = [first[name] for name in own.names]
        was += float(_printed_cents(rows)[place] @ own.term_months)
        now += float(cents[place] @ own.term_months)
    move = float(np.median(moves)) if moves else math.nan
    yield Check("public", "median move of the coefficients", move <= MEDIAN_MOVE,
                f"{move:.3f} standard errors (at most {MEDIAN_MOVE})")  # fmt: skip
    yield Check("public", "total predictive ratio", abs(now / was - 1) <= RATIO_MOVE,
                f"{now / was:.5f} (within {RATIO_MOVE})")  # fmt: skip
