"""``verify``: a reader re-solves a published fit without seeing a member."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
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
from riskadj.publication.release import LARGEST_MOVE, MEDIAN_MOVE, RATIO_MOVE
from riskadj.report.content import read_trained
from riskadj.report.page import render_card, render_report
from riskadj.training.archive import arrays_hash, load_arrays, segment_statistics
from riskadj.training.constrained import Solution
from riskadj.training.factors import denominator_of, thousandths
from riskadj.training.folder import FIT, FitRow, read_fit
from riskadj.training.reduction import Reduction
from riskadj.training.segment_fit import (
    Prior,
    constraints_of,
    possible,
    predicted_cents,
    solve_terms,
    whole_cents,
    with_equity,
)
from riskadj.training.signoff import TREES, content_hash, read_events, status_of
from riskadj.training.spec import Spec, parse_spec
from riskadj.training.statistics import SegmentStatistics
from riskadj.training.trees import load_trees
from riskadj.validation.gates import Gate, check_gates


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
    checks = [*_folder(folder, published)]
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


def _folder(folder: Path, published: Published) -> Iterator[Check]:
    """Check what needs no statistics: that the folder's files say the same."""
    changed = changed_generated(folder)
    detail = f"changed: {', '.join(changed)}" if changed else "every byte is the sealed one"
    yield Check("folder", "seal", not changed, detail)
    yield _coefficients(published)
    yield _not_fitted(published)
    yield _pages(folder)
    said = [Gate(**g) for g in published.metrics.get("gates", [])]
    same = said == check_gates(published.metrics, published.spec) if said else True
    yield Check("folder", "gates follow from the metrics", same, f"{len(said)} gates")
    events = read_events(folder)
    signed = not events or events[-1].sha256 == content_hash(folder)
    yield Check("folder", "signed as it stands", signed, status_of(folder))
    trees = [name for name in TREES if (folder / name).is_file()]
    for name in trees:
        load_trees(folder / name)
    yield Check("folder", "trees can be read", True, ", ".join(trees) or "none")


def _coefficients(published: Published) -> Check:
    """Every factor is its dollars over the denominator, in ``fit.csv`` and in the model."""
    model = published.model
    denominator = round(float(model.facts.denominator_usd) * 100)
    rows = [row for rows in published.rows.values() for row in rows]
    factors = thousandths(_printed_cents(rows), denominator)
    wrong = sum(
        model.coefficients.get((r.segment, r.variable)) != f or round(float(r.factor) * 1000) != f
        for r, f in zip(rows, factors, strict=True)
    )
    wrong += len({(r.segment, r.variable) for r in rows} ^ set(model.coefficients))
    return Check("folder", "factors follow from the dollars", not wrong,
                 f"{len(rows):,} factors, {wrong} differ")  # fmt: skip


def _not_fitted(published: Published) -> Check:
    """A term's variables share its coefficient; others are 0, the spec's, or the base model's."""
    scale = float(published.metrics["fit"]["cents_per_thousandth"])
    wrong = n = 0
    for rows in published.rows.values():
        by_term = {r.term: r for r in rows if r.term == r.variable}
        for row in rows:
            if row.status == "pooled":
                wrong += not _in_proportion(row, by_term[row.term])
                continue
            base = np.rint(_thousandths(row.base_factor) * scale) / 100
            fixed = published.spec.fit.fixed_usd.get(row.variable, 0.0)
            usd = {"dropped": 0.0, "published": float(base), "fixed": fixed}.get(row.status)
            wanted = by_term[row.term].usd if row.term else f"{usd:.2f}" if usd is not None else "?"
            wrong += row.usd != wanted
            n += not row.term
    return Check(
        "folder", "what is not fitted is as said", not wrong, f"{n:,} factors, {wrong} differ"
    )


def _in_proportion(row: FitRow, first: FitRow) -> bool:
    """Say whether two pooled variables' dollars stand as their published factors do."""
    weights = [_thousandths(r.base_factor) for r in (row, first)]
    each = [float(r.usd) / w for r, w in zip((row, first), weights, strict=True)]
    return abs(each[0] - each[1]) <= 0.005 / weights[0] + 0.005 / weights[1] + 1e-9


def _pages(folder: Path) -> Check:
    """Write the card and the report again from the other files."""
    trained = read_trained(folder)
    made = {"CARD.md": render_card(trained), "report.html": render_report(trained)}
    differ = [
        name for name, text in made.items()
        if (folder / name).is_file() and (folder / name).read_text(encoding="utf-8") != text
    ]  # fmt: skip
    return Check("folder", "pages follow from the files", not differ, ", ".join(differ) or "same")


def _exact(path: Path, published: Published) -> Iterator[Check]:
    arrays = load_arrays(path)
    said = published.metrics["fit"]["statistics_sha256"]
    found = arrays_hash(arrays)
    yield Check("exact", "statistics are the published ones", found == said, f"sha256 {found[:16]}")
    if found != said:
        return
    wrong = n = months = 0
    worst = predicted = 0.0
    for segment, own in segment_statistics(arrays).items():
        reduction, solution = resolve(segment, own, published)
        cents = whole_cents(reduction, solution.coefficients)
        wrong += int((cents != _printed_cents(published.rows[segment])).sum())
        n += len(cents)
        worst = max(worst, solution.stationarity)
        months += own.total_months
        predicted += predicted_cents(reduction, solution.coefficients, own)
    yield Check("exact", "coefficients re-solved to the cent", wrong == 0,
                f"{n - wrong:,} of {n:,} equal")  # fmt: skip
    yield Check("exact", "KKT stationarity", worst <= 1.0, f"${worst / 100:.6f}")
    dollars = f"{denominator_of(predicted, months) / 100:.2f}"
    same = dollars == published.model.facts.denominator_usd
    yield Check("exact", "denominator is the mean predicted cost", same, f"${dollars}")


def _printed_cents(rows: Sequence[FitRow]) -> NDArray[np.int64]:
    return np.array([round(float(r.usd) * 100) for r in rows], dtype=np.int64)


def resolve(
    segment: str, own: SegmentStatistics, published: Published
) -> tuple[Reduction, Solution]:
    """Solve a segment again from its statistics and what the folder says of its terms."""
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
    return reduction, solution


def reduction_of(rows: Sequence[FitRow], own: SegmentStatistics) -> Reduction:
    """Read from ``fit.csv`` which variables are which terms; pooled ones may be given instead.

    Raises
    ------
    ModelFolderError
        The statistics have other terms.
    """
    place = {name: j for j, name in enumerate(own.names)}
    pooled = {r.term for r in rows if r.status == "pooled"} - set(place)
    rows = [replace(r, term="") if r.term in pooled else r for r in rows]
    if odd := sorted({r.term for r in rows if r.term} ^ set(place)):
        raise ModelFolderError(f"the statistics and {FIT} disagree about terms {', '.join(odd)}")
    term_of = np.array([place[r.term] if r.term else -1 for r in rows], dtype=np.int64)
    terms = tuple(tuple(r.variable for r in rows if r.term == name) for name in own.names)
    fixed = [0.0 if r.term else float(r.usd) for r in rows]
    weights = [float(_thousandths(r.base_factor)) if r.status == "pooled" else 1.0 for r in rows]
    names, status = tuple(r.variable for r in rows), tuple(r.status for r in rows)
    return Reduction(names, term_of, terms, status, np.array(fixed), np.array(weights), ())


def _thousandths(factor: str) -> int:
    return round(float(factor) * 1000)


def _prior(rows: Sequence[FitRow], reduction: Reduction, published: Published) -> Prior:
    """Read the credibility and the published coefficients of each term."""
    scale = float(published.metrics["fit"]["cents_per_thousandth"])
    base = np.array([_thousandths(r.base_factor) for r in rows]) * scale
    first = [next(i for i, r in enumerate(rows) if r.variable == t) for t in reduction.names]
    return Prior(reduction.mean_of(base), np.array([float(rows[i].z_prior) for i in first]))


def _public(path: Path, published: Published) -> Iterator[Check]:
    moves: list[float] = []
    was = now = 0.0
    for segment, own in segment_statistics(load_arrays(path)).items():
        rows = published.rows[segment]
        reduction, solution = resolve(segment, own, published)
        printed = _printed_cents(rows).astype(np.float64)
        cents = whole_cents(reduction, solution.coefficients)
        for row, value, old in zip(rows, cents, printed, strict=True):
            if row.term in own.names and row.term == row.variable and float(row.se_usd) > 0:
                moves.append(abs(value - old) / 100 / float(row.se_usd))
        was += float(reduction.mean_of(printed) @ own.term_months)
        now += float(solution.coefficients @ own.term_months)
    move = float(np.median(moves)) if moves else math.nan
    most = float(max(moves, default=math.nan))
    near = move <= MEDIAN_MOVE and most <= LARGEST_MOVE
    yield Check("public", "coefficients nearly re-solved", near,
                f"moves of {move:.3f} standard errors at the median, {most:.2f} at most "
                f"(bounds {MEDIAN_MOVE} and {LARGEST_MOVE:.0f})")  # fmt: skip
    yield Check("public", "total predictive ratio", abs(now / was - 1) <= RATIO_MOVE,
                f"{now / was:.5f} (within {RATIO_MOVE})")  # fmt: skip
