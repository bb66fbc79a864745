"""The report and the card of a trained model, from templates."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from riskadj.report import group_tables, summary, tables
from riskadj.report.content import TrainedFolder, read_trained
from riskadj.report.figures import figures
from riskadj.report.numbers import at, cents, count, known, number, percent, ratio, signed, usd
from riskadj.report.words import first_period, period_name

__all__ = ["TrainedFolder", "read_trained", "render_card", "render_report"]

_TEMPLATES = Path(__file__).parent / "templates"
_STATUS = {
    "draft": "Nobody has validated or approved this version. Do not pay anybody by it.",
    "validated": "Tested against its gates; not approved for payment.",
    "approved": "Approved for use within its intended purpose.",
    "retired": "No longer in use. Kept so that past results can be explained.",
}


def render_report(trained: TrainedFolder) -> str:
    """Return the report as one HTML page that loads nothing and runs nothing."""
    drawings = {d.key: (d, Markup(d.svg)) for d in figures(trained)}  # escaped when drawn
    return _environment().get_template("report.html.j2").render(
        **_common(trained), drawings=drawings,
        headline=list(tables.headline_tables(trained)),
        differences=list(tables.difference_tables(trained)), truth=tables.truth_table(trained),
        groups=group_tables.group_tables(trained), segments=tables.segment_table(trained),
        payment=list(tables.payment_tables(trained)), far_off=tables.far_off_table(trained),
        moves=tables.stability_table(trained), stress=tables.stress_table(trained),
        methods=tables.methods_table(trained), factors=tables.factor_tables(trained),
        change_table=tables.change_table(trained), challengers=summary.challengers(trained),
    )  # fmt: skip


def render_card(trained: TrainedFolder) -> str:
    """Return the model card as Markdown."""
    return _environment().get_template("CARD.md.j2").render(**_common(trained))


def _common(trained: TrainedFolder) -> Mapping[str, Any]:
    """Return what both pages say."""
    period = first_period(trained)
    wrongly = summary.paid_wrongly(trained, period) if period else []
    return {
        "t": trained, "spec": trained.spec, "facts": trained.facts,
        "status_said": _status_said(trained),
        "numbers": summary.key_numbers(trained), "sentences": list(summary.sentences(trained)),
        "wrongly": wrongly[: summary.MOST_SAID], "n_wrongly": len(wrongly),
        "period": period_name(trained.spec, period) if period else "",
        "gates": summary.gate_rows(trained), "how": summary.how_fitted(trained),
        "capped": tables.cap_said(trained), "lines": at(trained.metrics, "fit", "lines") or [],
        "year": at(trained.metrics, "year_on_year"), "release": at(trained.metrics, "release"),
        "promotions": at(trained.metrics, "promotions") or [],
        "normalization": at(trained.metrics, "normalization") or {},
        "psi": known(at(trained.metrics, "population_stability_index")),
    }  # fmt: skip


def _status_said(trained: TrainedFolder) -> str:
    """Return what a status means; an overridden gate is said with it."""
    said = _STATUS.get(trained.status, "")
    failed = sum(not g.get("passed") for g in at(trained.metrics, "gates") or [])
    tested = [e for e in trained.events if e.status == "validated"]
    if failed and tested:
        gates = "gate failed and was" if failed == 1 else "gates failed and were"
        said = f"{failed} {gates} overridden by {tested[-1].who}: {tested[-1].reason} {said}"
    return said


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES), undefined=StrictUndefined,
        autoescape=lambda name: name is not None and name.endswith((".html.j2", ".css")),
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    made.filters |= {
        "usd": usd, "cents": cents, "n": count, "ratio": ratio, "pct": percent,
        "number": number, "signed": signed, "md": markdown,
    }  # fmt: skip
    return made


def markdown(text: Any) -> str:
    r"""Escape text for a line or a table cell of Markdown.

    >>> markdown("a|b <i>")
    'a\\|b &lt;i&gt;'
    """
    plain = " ".join(str(text).split()).replace("&", "&amp;")
    plain = plain.replace("<", "&lt;").replace(">", "&gt;")
    for mark in "\\`*_[]|":
        plain = plain.replace(mark, f"\\{mark}")
    return plain
