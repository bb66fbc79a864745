"""The tables of a report: text in rows, ready to be laid out."""

from collections.abc import Iterator, Mapping
from typing import Any

from riskadj.report.content import TrainedFolder
from riskadj.report.numbers import (
    DASH,
    Record,
    at,
    cents,
    count,
    known,
    number,
    percent,
    plain,
    ratio,
    signed,
    span,
    usd,
)  # fmt: skip
from riskadj.report.table import Table
from riskadj.report.words import (
    LATER,
    model_name,
    period_name,
    pool_name,
)  # fmt: skip
from riskadj.training.folder import FitRow

LONG = 12
"""A table of more rows is folded."""
_FIT_KEYS = ("r2", "cpm", "mae_usd", "calibration_slope", "top_5_capture", "group_r2_500",
             "group_r2_1000", "group_r2_10000")  # fmt: skip
_FIT_HEAD = ("Model", "R²", "CPM", "MAE, $", "Calibration slope", "Top 5 % capture",
             "Group R², 500", "Group R², 1,000", "Group R², 10,000", "Predictive ratio",
             "Negative predictions")  # fmt: skip


def headline_tables(trained: TrainedFolder) -> Iterator[Table]:
    """Yield every model's fit on each later period, capped and not."""
    for period in LATER:
        models = at(trained.metrics, "periods", period, "models")
        for target in ("capped", "uncapped") if models else ():
            rows = tuple(_fit_row(name, m, target) for name, m in models.items())
            where = period_name(trained.spec, period)
            capped = target == "capped"
            said = f"cost {cap_said(trained)}" if capped else "cost without a cap"
            yield Table(f"{where}: {said}", _FIT_HEAD, rows, folded=not capped)


def cap_said(trained: TrainedFolder) -> str:
    """Return what the metrics' ceiling on annual cost is, in words."""
    cap = trained.spec.target.cap_usd
    return f"capped at {usd(cap)}" if cap else "not capped"


def _fit_row(name: str, model: Record, target: str) -> tuple[str, ...]:
    fit = at(model, target) or {}
    shown = [usd(fit.get(k)) if k == "mae_usd" else ratio(fit.get(k)) for k in _FIT_KEYS]
    total = ratio(fit.get("predictive_ratio"))
    return model_name(name), *shown, total, count(model.get("negative_predictions"))


def difference_tables(trained: TrainedFolder) -> Iterator[Table]:
    """Yield each model's paired differences to the linear one."""
    head = ("Model", "R², difference", "95 %", "CPM, difference", "95 %", "MAE, $, difference",
            "95 %", "R² is")  # fmt: skip
    for period in LATER:
        if found := at(trained.metrics, "periods", period, "differences_to_linear"):
            rows = tuple(_difference_row(name, record) for name, record in found.items())
            where = period_name(trained.spec, period)
            yield Table(f"{where}: differences to this model", head, rows)


def _difference_row(name: str, record: Record) -> tuple[str, ...]:
    cells = [model_name(name)]
    for key in ("r2", "cpm", "mae_usd"):
        show, decimals, before = (usd, 0, "$") if key == "mae_usd" else (_four, 4, "")
        found = at(record, key)
        cells += [signed(show(at(found, "estimate"))),
                  span(at(found, "low"), at(found, "high"), decimals, before)]  # fmt: skip
    low, high = known(at(record, "r2", "low")), known(at(record, "r2", "high"))
    return *cells, _verdict(low, high)


def _verdict(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return DASH
    if low == high == 0:
        return "the same"
    return "higher" if low > 0 else "lower" if high < 0 else "not told apart"


def _four(value: Any) -> str:
    return number(value, 4)


def truth_table(trained: TrainedFolder) -> Table | None:
    """Return the share of the true mean's variance that each model explains."""
    periods = [p for p in LATER if at(trained.metrics, "periods", p, "truth")]
    if not periods:
        return None
    found = [at(trained.metrics, "periods", p, "truth") for p in periods]
    rows = tuple(
        (model_name(name), *(percent(at(f, name, "r2_of_true_mean")) for f in found))
        for name in found[0]
    )
    names = (period_name(trained.spec, p) for p in periods)
    return Table("Share of the differences in true expected cost that is explained",
                 ("Model", *names), rows)  # fmt: skip


def segment_table(trained: TrainedFolder) -> Table:
    """Return how each segment was fitted."""
    head = ("Segment", "Name", "How", "Members", "Terms", "Binding constraints",
            "Least coefficient, $", "KKT stationarity, $", "Violation, $",
            "Predictive ratio")  # fmt: skip
    rows = tuple(
        (
            str(s.get("segment", "")), trained.segments.get(str(s.get("segment")), ""),
            str(s.get("method", "fitted")), count(s.get("members")), count(s.get("terms")),
            count(s.get("binding_constraints")),
            cents(s.get("least_coefficient_usd")), number(s.get("kkt_stationarity_usd"), 6),
            number(s.get("kkt_violation_usd"), 6), ratio(s.get("predictive_ratio")),
        )
        for s in at(trained.metrics, "fit", "segments") or ()
    )  # fmt: skip
    return Table("Segments as fitted", head, rows, words=3)


def payment_tables(trained: TrainedFolder) -> Iterator[Table]:
    """Yield fit and power of payment systems built on the model."""
    for period in LATER:
        if systems := at(trained.metrics, "periods", period, "payment_systems"):
            rows = tuple(
                (plain(name), ratio(at(s, "fit")), ratio(at(s, "power")), usd(at(s, "charge_usd")))
                for name, s in systems.items()
            )
            yield Table(period_name(trained.spec, period),
                        ("System", "Fit", "Power", "Charge a member year, $"), rows)  # fmt: skip


def far_off_table(trained: TrainedFolder) -> Table | None:
    """Return how many members are far from their prediction."""
    periods = [p for p in LATER if at(trained.metrics, "periods", p, "far_off")]
    if not periods:
        return None
    found = [at(trained.metrics, "periods", p, "far_off") for p in periods]
    rows = tuple(
        (f"more than {float(t) * 100:.0f} % of the mean cost", *(percent(f.get(t)) for f in found))
        for t in found[0]
    )
    names = (period_name(trained.spec, p) for p in periods)
    return Table("Member years whose cost is further from the prediction than",
                 ("Distance", *names), rows)  # fmt: skip


def stability_table(trained: TrainedFolder) -> Table | None:
    """Return the factors that moved most between fits on two years."""
    moves = at(trained.metrics, "year_on_year", "moves")
    if not moves:
        return None
    labels = {r.variable: r.label for r in trained.fit}
    rows = tuple(
        (str(m.get("segment", "")), str(m.get("variable", "")), labels.get(m.get("variable"), ""),
         ratio(m.get("before")), ratio(m.get("after")), signed(number(m.get("z"), 1)))
        for m in moves
    )  # fmt: skip
    head = ("Segment", "Variable", "Label", "First year", "Second year", "z")
    return Table("Factors that moved most", head, rows, words=3, folded=len(rows) > LONG)


def stress_table(trained: TrainedFolder) -> Table | None:
    """Return what one more code earns."""
    found = at(trained.metrics, "coding_stress")
    if not found:
        return None
    rows = tuple(
        (pool_name(str(s.get("pool", ""))), model_name(str(s.get("model", ""))),
         count(s.get("members")), usd(s.get("usd_a_code")), number(s.get("elasticity"), 2))
        for s in found
    )  # fmt: skip
    head = ("One more condition each", "Model", "Members", "Rise a code, $ a year", "Elasticity")
    return Table("What one more code earns", head, rows, words=2)


def methods_table(trained: TrainedFolder) -> Table | None:
    """Return how far other procedures on the same statistics lie from the fit."""
    found: Mapping[str, Any] = at(trained.metrics, "methods") or {}
    rows = tuple(
        (model_name(name), usd(at(m, "largest_usd")), usd(at(m, "mean_usd")),
         count(at(m, "coefficients_that_differ")))
        for name, m in found.items()
    )  # fmt: skip
    head = ("Procedure", "Largest difference, $", "Mean difference, $", "Coefficients that differ")
    return Table("Other procedures on the same statistics", head, rows) if rows else None


def factor_tables(trained: TrainedFolder) -> list[Table]:
    """Return every variable's coefficient, a table a segment."""
    by_segment: dict[str, list[FitRow]] = {}
    for row in trained.fit:
        by_segment.setdefault(row.segment, []).append(row)
    head = ("Variable", "Label", "Status", "Members", "Dollars a year", "95 %", "SE, $", "Factor",
            "Base factor", "Difference", "Z")  # fmt: skip
    return [
        Table(f"{s} {trained.segments.get(s, '')}".strip() + f" ({len(rows)} variables)", head,
              tuple(map(_factor_row, rows)), words=3, folded=True)
        for s, rows in by_segment.items()
    ]  # fmt: skip


def _factor_row(row: FitRow) -> tuple[str, ...]:
    status = row.status.replace("_", " ")
    merged = row.status in ("merged", "equal", "pooled") and row.term not in ("", row.variable)
    ours, base = known(row.factor), known(row.base_factor)
    apart = None if ours is None or base is None else ours - base
    uncertain = row.status not in ("dropped", "fixed", "published")
    return (
        row.variable, row.label, f"{status} with {row.term}" if merged else status,
        count(row.members), cents(row.usd),
        span(row.low_usd, row.high_usd, 0, "$") if uncertain else DASH,
        usd(row.se_usd) if uncertain else DASH, ratio(row.factor), ratio(row.base_factor),
        signed(ratio(apart)), ratio(row.z_prior or row.z_limited),
    )  # fmt: skip


def change_table(trained: TrainedFolder) -> Table | None:
    """Return the factors that differ from the previous version."""
    if trained.changes is None:
        return None
    rows = tuple(
        (m.segment, m.variable, m.label, ratio(m.before), ratio(m.after),
         signed(ratio(m.after - m.before)))
        for m in trained.changes.rows
    )  # fmt: skip
    head = ("Segment", "Variable", "Label", "Before", "After", "Difference")
    return Table(f"{len(rows):,} factors differ", head, rows, words=3, folded=len(rows) > LONG)
