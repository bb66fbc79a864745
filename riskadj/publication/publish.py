"""``publish``: a validated run becomes a folder that anyone can read, score with and verify."""

import datetime as dt
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from riskadj.errors import ModelFolderError, OptionError
from riskadj.features.rulebook import compile_rulebook
from riskadj.folder import read_model
from riskadj.manifest import read_sealed, seal
from riskadj.publication.release import release
from riskadj.publication.verify import read_published
from riskadj.report.content import changes_since, read_trained
from riskadj.report.page import render_card, render_report
from riskadj.training.archive import load_statistics, save_arrays, segment_arrays
from riskadj.training.asop import asop_sheet, blank_fields
from riskadj.training.folder import FIT, FitRow, read_fit
from riskadj.training.model_fit import Fitted, fit_model
from riskadj.training.runs import Progress, Run, check_trained
from riskadj.training.signoff import Event, add_event, status_of
from riskadj.training.train import metrics_text, rounded


@dataclass(frozen=True, slots=True)
class Approval:
    """Who approves a model for use, and why."""

    name: str
    reason: str
    when: dt.date


def publish(
    run: Run, out: Path, approval: Approval | None, previous: Path | None, progress: Progress
) -> Path:
    """Write the published folder; it appears whole or not at all.

    Parameters
    ----------
    approval
        For a final publication: the model becomes ``approved``.
    previous
        An earlier version, for what changed.

    Raises
    ------
    OptionError
        The run is not validated; or, for a final publication, a mandatory statement is blank.
    """
    metrics = check_trained(run)
    _refuse_unready(run, approval, blank_fields(asop_sheet(run.spec.asop)))
    _refuse_foreign(out)
    if previous is not None:
        metrics["changes"] = changes_since(run.model, previous)
    progress("making statistics that may be released", 0)
    metrics["release"], arrays = public_release(run)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".publish-") as temporary:
        made = Path(temporary) / out.name
        shutil.copytree(run.model, made)
        (made / "metrics.json").write_bytes(metrics_text(metrics))
        if arrays is not None:
            save_arrays(made / "public.npz", arrays)
            (made / "public.npz").chmod(0o644)
        if approval is not None:
            add_event(made, "approved", approval.name, approval.when, approval.reason)
        progress("writing the report", 0)
        write_pages(made)
        compile_rulebook(read_model(made, run.spec.name))
        _replace(made, out)
    return out


def write_pages(folder: Path) -> None:
    """Write the card and the report of a trained model, and seal the folder."""
    trained = read_trained(folder)
    (folder / "CARD.md").write_text(render_card(trained), encoding="utf-8", newline="\n")
    (folder / "report.html").write_text(render_report(trained), encoding="utf-8", newline="\n")
    seal(folder)


def _refuse_unready(run: Run, approval: Approval | None, blank: list[str]) -> None:
    status = status_of(run.model)
    if status != "validated":
        raise OptionError(
            f"{run.spec.name} is {status}, not validated: run `riskadj validate`, and override a "
            "failed gate with a name and a reason"
        )
    if approval is not None and blank:
        raise OptionError(
            f"--final: mandatory statements are blank: {', '.join(blank)}. "
            "Write them in the spec's [asop] table, then train and validate again"
        )


def public_release(run: Run) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return what ``metrics.json`` says of the release, and the arrays if they may be released."""
    if run.spec.equity:
        why = "a fit with equity constraints needs sums over groups, which are not released"
        return {"released": False, "why": why}, None
    fitted = fit_model(load_statistics(run.statistics), run.book(), run.spec.fit)
    rows = read_fit((run.model / FIT).read_text(encoding="utf-8"), str(run.model))
    with threadpool_limits(1):
        found = release(fitted.segments, _errors(fitted, rows), fitted.book.model, run.spec.fit)
    said = {
        "released": not found.why, "why": found.why,
        "median_move_in_errors": found.median_move,
        "largest_move_in_errors": found.largest_move, "predictive_ratio": found.predictive_ratio,
        "suppressed_pairs": found.suppressed, "pairs": found.pairs,
    }  # fmt: skip
    arrays = segment_arrays(found.segments) if found.segments else None
    return rounded(said), arrays


def _errors(fitted: Fitted, rows: list[FitRow]) -> Mapping[str, Any]:
    """Return the standard errors of each segment's terms, as ``fit.csv`` prints them."""
    printed = {(r.segment, r.variable): float(r.se_usd or 0) * 100 for r in rows}
    return {
        f.segment: np.array([printed[f.segment, name] for name in f.reduction.names])
        for f in fitted.segments
    }


def _replace(made: Path, out: Path) -> None:
    """Put the new folder in the place of the old one, keeping the old one until then."""
    if not out.exists():
        made.rename(out)
        return
    old = made.with_name(f"{out.name}-old")
    out.rename(old)
    made.rename(out)


def _refuse_foreign(out: Path) -> None:
    """Refuse to replace anything but a whole model folder, or one that only has its spec."""
    if not out.exists():
        return
    if not out.is_dir():
        raise OptionError(f"{out} is a file: --out names a folder")
    if {p.name for p in out.iterdir()} <= {"spec.toml"}:
        return
    try:
        read_sealed(out)
    except ModelFolderError:
        raise OptionError(
            f"{out} is no whole model folder, and would be lost: publish elsewhere, or remove it"
        ) from None


def sign(folder: Path, status: str, who: str, reason: str, when: dt.date) -> Event:
    """Approve or retire a published model; its pages are written again and the folder sealed.

    Raises
    ------
    OptionError
        The step cannot follow the present status, or a mandatory statement is blank.
    """
    published = read_published(folder)
    blank = blank_fields(asop_sheet(published.spec.asop))
    if status == "approved" and blank:
        raise OptionError(f"mandatory statements are blank: {', '.join(blank)}")
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".sign-") as temporary:
        made = Path(temporary) / folder.name
        shutil.copytree(folder, made)
        event = add_event(made, status, who, when, reason)
        write_pages(made)
        read_published(made)
        _replace(made, folder)
    return event
