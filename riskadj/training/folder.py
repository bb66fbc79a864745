"""The folder of a trained model: the base model's tables, new coefficients, and their proof."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from riskadj.errors import ModelFolderError
from riskadj.folder import UNPRICED
from riskadj.importers.draft import ModelDraft, csv_text
from riskadj.manifest import read_sealed
from riskadj.model import RiskModel
from riskadj.training.disclosure import hidden_parts, is_small, shown_count
from riskadj.training.model_fit import Fitted
from riskadj.training.segment_fit import SegmentFit
from riskadj.training.spec import Spec
from riskadj.training.uncertainty import Credibility

FIT = "fit.csv"


@dataclass(frozen=True, slots=True)
class FitRow:
    """One line of ``fit.csv``: a variable in a segment.

    Attributes
    ----------
    term
        The variable that names the fitted term; blank when left out.
    status
        ``fitted``, ``at_zero``, ``merged``, ``equal``, ``dropped``, ``fixed`` or ``published``.
    members
        Who have it; ``<11`` for 1 to 10, ``*`` where a term's total would give such a count away.
    usd, se_usd, low_usd, high_usd
        Coefficient in dollars a year, robust standard error (HC0), 95 % interval of the bootstrap;
        blank where nothing was fitted.
    factor, base_factor
        Relative factors, the base model's beside ours.
    z_limited, z_buhlmann
        Credibility of the variable's own experience; blank where members are not shown, for they
        would tell.
    z_prior
        Weight of the data against the base model's factor (shrinkage only).
    """

    segment: str
    variable: str
    label: str
    term: str
    status: str
    members: str
    usd: str
    se_usd: str
    low_usd: str
    high_usd: str
    factor: str
    base_factor: str
    z_limited: str
    z_buhlmann: str
    z_prior: str


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """What is known of one segment's coefficients, each of shape (n_variables,), in cents."""

    error: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    credibility: Credibility
    members: NDArray[np.int64]


def fit_rows(fitted: Fitted, model: RiskModel, uncertain: Sequence[Uncertainty]) -> list[FitRow]:
    """Return every variable of every segment with its coefficient and how sure it is."""
    rows = []
    for s, (fit, sure) in enumerate(zip(fitted.segments, uncertain, strict=True)):
        prior, members = _prior_weights(fit), _shown_members(fit, sure.members)
        for i, variable in enumerate(fit.reduction.variables):
            term = fit.reduction.term_of[i]
            z = sure.credibility
            usd, se, low, high = _dollars(int(fit.cents[i]), sure, i)
            told, z_shown = term >= 0, members[i].isdigit()
            rows.append(FitRow(
                segment=fit.segment, variable=variable, label=model.labels[variable],
                term=fit.reduction.names[term] if term >= 0 else "", status=fit.status[i],
                members=members[i],
                usd=usd, se_usd=se if told else "", low_usd=low if told else "",
                high_usd=high if told else "",
                factor=_factor(fitted.factors.thousandths[s][i]),
                base_factor=_factor(model.coefficients[fit.segment, variable]),
                z_limited=f"{z.limited_fluctuation[i]:.3f}" if z_shown else "",
                z_buhlmann=f"{z.buhlmann[i]:.3f}" if z_shown else "",
                z_prior=prior[i],
            ))  # fmt: skip
    return rows


def _shown_members(fit: SegmentFit, members: NDArray[np.int64]) -> list[str]:
    """Return each variable's members; within a term, what its total would tell is hidden."""
    if fit.solved is None:
        return ["*"] * len(members)
    shown = [shown_count(int(n)) for n in members]
    for j in range(len(fit.reduction.terms)):
        mine = np.flatnonzero(fit.reduction.term_of == j)
        for i in mine[hidden_parts(members[mine])]:
            shown[i] = shown[i] if is_small(members[i]) else "*"
    return shown


def _prior_weights(fit: SegmentFit) -> list[str]:
    if fit.solved is None or fit.solved.prior is None:
        return [""] * len(fit.cents)
    z = fit.solved.prior.credibility
    return ["" if t < 0 else f"{z[t]:.6f}" for t in fit.reduction.term_of]


def _dollars(cents: int, sure: Uncertainty, i: int) -> list[str]:
    values = (float(cents), sure.error[i], sure.low[i], sure.high[i])
    return [f"{np.rint(v) / 100 + 0.0:.2f}" for v in values]


def _factor(thousandths: int) -> str:
    return f"{thousandths / 1000:.3f}"


def fit_text(rows: Sequence[FitRow]) -> str:
    """Return ``fit.csv``."""
    return csv_text([f.name for f in fields(FitRow)], [tuple(asdict(r).values()) for r in rows])


def read_fit(text: str, where: str) -> list[FitRow]:
    """Read ``fit.csv``.

    Raises
    ------
    ModelFolderError
        Its columns are not the known ones.
    """
    header, *rows = csv.reader(io.StringIO(text))
    if header != [f.name for f in fields(FitRow)]:
        raise ModelFolderError(f"{where}/{FIT}: the columns are not those of a trained model")
    return [FitRow(*row) for row in rows]


def draft_trained(base: Path, spec: Spec, fitted: Fitted, files: Mapping[str, bytes]) -> ModelDraft:
    """Return the tables of the trained model: the base model's own, with new coefficients.

    Parameters
    ----------
    base
        Folder of the base model.
    files
        What stands beside the tables: spec, fit, statistics, trees.
    """
    content = read_sealed(base)
    model = fitted.book.model
    tables = {
        name: _table(data) for name, data in content.items()
        if name.endswith(".csv") and name not in ("coefficients.csv", FIT)
    }  # fmt: skip
    tables["coefficients.csv"] = _coefficients(fitted)
    facts = asdict(model.facts) | {
        "title": spec.title, "payer": spec.payer, "payment_year": spec.payment_year,
        "status": "trained", "release": f"{spec.name}, {spec.dated.isoformat()}",
        "denominator_usd": f"{fitted.factors.denominator_cents / 100:.2f}",
        "evidence": _evidence(spec, model), "unverified": list(model.facts.unverified),
        "files": [dict(f) for f in model.facts.files],
    }  # fmt: skip
    return ModelDraft(facts, tables, files)


def _evidence(spec: Spec, model: RiskModel) -> str:
    who = "a synthetic population" if spec.data.synthetic else "the sponsor's population"
    return (
        f"Coefficients fitted by {spec.fit.method} on {who}, costs of {spec.data.cost_year}; "
        f"terms, hierarchy and code map of {model.key}"
    )


def _table(data: bytes) -> tuple[str, list[list[str]]]:
    header, *rows = csv.reader(io.StringIO(data.decode("utf-8")))
    return ",".join(header), rows


def _coefficients(fitted: Fitted) -> tuple[str, list[list[str]]]:
    """Return a row a variable, a column a segment, in the base model's order of variables."""
    segments = fitted.columns.segments
    worth = {
        (segment, name): _factor(value)
        for segment, names, values in zip(
            segments, fitted.columns.names, fitted.factors.thousandths, strict=True
        )
        for name, value in zip(names, values, strict=True)
    }
    variables = dict.fromkeys(name for _, name in fitted.book.model.coefficients)
    worth |= dict.fromkeys(fitted.book.model.unpriced, UNPRICED)
    variables |= dict.fromkeys(name for _, name in sorted(fitted.book.model.unpriced))
    rows = [[v, *(worth.get((s, v), "") for s in segments)] for v in variables]
    return ",".join(("variable", *segments)), rows
