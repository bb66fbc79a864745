"""What the pages of a trained model are made from, read from its folder."""

import csv
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from riskadj.errors import ModelFolderError
from riskadj.measures.stability import factor_change
from riskadj.report.numbers import Record
from riskadj.training.asop import Statement, asop_sheet
from riskadj.training.disclosure import SMALL
from riskadj.training.folder import FIT, FitRow, read_fit
from riskadj.training.signoff import Event, read_events, status_of
from riskadj.training.spec import Spec, parse_spec


@dataclass(frozen=True, slots=True)
class FactorMove:
    """One factor in two versions of a model."""

    segment: str
    variable: str
    label: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed against a previous version.

    Attributes
    ----------
    previous
        Title and release of the version compared with.
    largest, mean, spearman
        Of the absolute changes, the mean weighted by members; rank correlation. None when nothing
        is in both.
    rows
        Factors that differ, the largest change first.
    compared
        Factors in both versions.
    added, gone
        Factors in this version only, and in the previous only.
    """

    previous: str
    largest: float | None
    mean: float | None
    spearman: float | None
    rows: tuple[FactorMove, ...]
    compared: int
    added: int
    gone: int


@dataclass(frozen=True, slots=True)
class TrainedFolder:
    """Everything the pages say.

    Attributes
    ----------
    facts
        ``model.toml``.
    fit
        Lines of ``fit.csv``.
    metrics
        ``metrics.json``; any part may be missing and any number null.
    segments
        Segment to its label.
    status
        That of the last sign-off; ``draft`` without one, or when the model changed since.
    events
        Sign-offs, oldest first.
    changes
        None without a previous version.
    """

    facts: Record
    spec: Spec
    fit: tuple[FitRow, ...]
    metrics: Record
    segments: Mapping[str, str]
    asop: tuple[Statement, ...]
    status: str = "draft"
    events: tuple[Event, ...] = ()
    changes: Changes | None = None


def read_trained(folder: Path) -> TrainedFolder:
    """Read the folder of a trained model.

    Raises
    ------
    ModelFolderError
        A file is missing or cannot be read.
    """
    fit = tuple(read_fit(_text(folder, FIT), str(folder)))
    metrics = json.loads(_text(folder, "metrics.json"))
    spec = parse_spec(_text(folder, "spec.toml"), f"{folder}/spec.toml")
    return TrainedFolder(
        facts=_toml(folder, "model.toml"), spec=spec, fit=fit,
        metrics=metrics, segments=_segments(folder),
        asop=tuple(asop_sheet(spec.asop)), events=tuple(read_events(folder)),
        status=status_of(folder),
        changes=_changes(metrics.get("changes")),
    )  # fmt: skip


def changes_since(folder: Path, previous: Path) -> dict[str, Any]:
    """Return what changed in a trained folder against a version before, for ``metrics.json``.

    ``previous`` is the folder of a trained or a published model.
    """
    return asdict(compare(tuple(read_fit(_text(folder, FIT), str(folder))), previous))


def _changes(said: Record | None) -> Changes | None:
    if not said:
        return None
    return Changes(**{**said, "rows": tuple(FactorMove(**row) for row in said["rows"])})


def compare(fit: tuple[FitRow, ...], previous: Path) -> Changes:
    """Compare the factors of a fit with those of a previous version's folder."""
    before, facts = _factors(previous), _toml(previous, "model.toml")
    both = [r for r in fit if (r.segment, r.variable) in before]
    old = np.array([before[r.segment, r.variable] for r in both], dtype=np.float64)
    new = np.array([float(r.factor) for r in both], dtype=np.float64)
    change = factor_change(old, new, np.array([_weight(r) for r in both])) if both else None
    moves = [
        FactorMove(r.segment, r.variable, r.label, float(a), float(b))
        for r, a, b in zip(both, old, new, strict=True)
        if a != b
    ]
    return Changes(
        previous=f"{facts.get('title', previous.name)} ({facts.get('release', 'no release')})",
        largest=change.largest if change else None, mean=change.mean if change else None,
        spearman=change.spearman if change else None,
        rows=tuple(sorted(moves, key=lambda m: -abs(m.after - m.before))),
        compared=len(both), added=len(fit) - len(both), gone=len(before) - len(both),
    )  # fmt: skip


def _weight(row: FitRow) -> float:
    """Return how many members have a variable: a few where it is hidden, and 1 for none."""
    return max(float(row.members), 1.0) if row.members.isdigit() else SMALL / 2


def _factors(folder: Path) -> dict[tuple[str, str], float]:
    (_, *segments), *rows = csv.reader(_text(folder, "coefficients.csv").splitlines())
    return {
        (segment, variable): float(value)
        for variable, *values in rows
        for segment, value in zip(segments, values, strict=True)
        if value
    }


def _segments(folder: Path) -> dict[str, str]:
    rows = csv.DictReader(_text(folder, "segments.csv").splitlines())
    return {row["segment"]: row["label"] for row in rows}


def _toml(folder: Path, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(_text(folder, name))
    except tomllib.TOMLDecodeError as error:
        raise ModelFolderError(f"{folder}/{name}: not TOML: {error}") from None


def _text(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise ModelFolderError(
            f"{folder}: no {name}, or it is not UTF-8 text: not a trained model"
        ) from None
