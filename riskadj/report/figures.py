"""The five figures of a report, each from ``metrics.json`` and ``fit.csv`` alone."""

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from riskadj.report.content import TrainedFolder
from riskadj.report.drawing import BLUE, INK, MUTED, ORANGE, Drawn, drawn, quiet
from riskadj.report.forest import COLOURS, Whisker, aligned, dollar_limits, forest, short, whiskers
from riskadj.report.numbers import Record, at, known, usd
from riskadj.report.words import LATER, first_period, group_rows, model_name, period_name
from riskadj.training.folder import FitRow

RATIO_LIMITS = (0.65, 1.35)
MOST_COEFFICIENTS = 24
N_TENTHS = 10
EQUITY = ("race_ethnicity", "svi_decile", "named groups", "dual status", "entitlement")


def figures(trained: TrainedFolder) -> list[Drawn]:
    """Return every figure that the metrics allow, in the order of the report."""
    makers = (calibration, ratios, coefficients, equity, models_compared)
    return [made for maker in makers if (made := maker(trained)) is not None]


def calibration(trained: TrainedFolder) -> Drawn | None:
    """Mean cost against mean prediction, by predicted decile."""
    decile = "predicted decile"
    panels = [(name, rows) for name in LATER if (rows := group_rows(trained, name, decile))]
    if not panels:
        return None

    def paint(figure: Figure) -> None:
        for axes, (name, rows) in zip(_row_of(figure, len(panels)), panels, strict=True):
            axes.set_title(period_name(trained.spec, name))
            _against_identity(axes, rows)

    return drawn(
        "calibration", "Predicted and actual cost, by decile of prediction",
        "Each point is a tenth of member years, from the lowest predictions (1) to the highest "
        "(10); the bar is the 95 % interval. On the line a tenth is paid what it costs; above it, "
        "it is underpaid. Look at the two ends, where models fail first. Both axes are "
        "logarithmic.",
        (9, 4.6), paint,
    )  # fmt: skip


def _against_identity(axes: Axes, rows: Sequence[Record]) -> None:
    points = [found for row in rows if (found := _point(row))]
    ends = [v for p in points for v in p[:2]] or [1_000.0, 10_000.0]
    least, most = min(ends) * 0.75, max(ends) * 1.3
    axes.set(xscale="log", yscale="log", xlim=(least, most), ylim=(least, most), aspect="equal",
             xlabel="Mean predicted cost, $ a member year",
             ylabel="Mean actual cost, $ a member year")  # fmt: skip
    _diagonal(axes, least, most)
    for x, y, low, high in points:
        axes.plot((x, x), (max(low, least), high), color=BLUE, linewidth=1.6)
        axes.plot(x, y, "o", color=BLUE, markersize=4.5)
    for place, name in ((0, "1"), (-1, "10")) if len(points) == N_TENTHS else ():
        axes.annotate(name, points[place][:2], (7, -9), textcoords="offset points", color=MUTED)
    _log_ticks(axes, [1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5], usd)


def _point(row: Record) -> tuple[float, float, float, float] | None:
    """Return prediction, cost and the interval of cost: prediction less net compensation."""
    keys = ("mean_predicted_usd", "mean_cost_usd", "net_high", "net_low")
    found = [v for k in keys if (v := known(row.get(k))) is not None]
    if len(found) < len(keys) or min(found[:2]) <= 0:
        return None
    predicted, cost, high, low = found
    return predicted, cost, predicted - high, predicted - low


def _diagonal(axes: Axes, least: float, most: float) -> None:
    axes.plot((least, most), (least, most), color=MUTED, linewidth=1, linestyle=(0, (4, 3)))


def _log_ticks(axes: Axes, wanted: Sequence[float], text: Callable[[float], str]) -> None:
    least, most = axes.get_xlim()
    ticks = [t for t in wanted if least <= t <= most]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())
        axis.set_ticks(ticks, [text(t) for t in ticks])
    quiet(axes)


def ratios(trained: TrainedFolder) -> Drawn | None:
    """Predictive ratios by decile and group, around 1."""
    name = first_period(trained)
    columns = (
        ("predicted decile", "number of conditions", "entitlement", "dual status", "residence"),
        ("segment", "svi_decile", "race_ethnicity", "named groups"),
    )
    if name is None:
        return None
    lists = [list(whiskers(trained, name, groupings, "ratio")) for groupings in columns]
    known_ones = [found for found in lists if found]

    def paint(figure: Figure) -> None:
        for axes, found in zip(_row_of(figure, len(known_ones)), known_ones, strict=True):
            forest(axes, [found], RATIO_LIMITS)
            axes.axvline(1, color=INK, linewidth=1)
            axes.set_xlabel("Predicted / actual cost")

    height = 1 + 0.215 * max(map(len, known_ones), default=1)
    return drawn(
        "ratios", "Predictive ratio by decile and group",
        f"{period_name(trained.spec, name)}. A point right of the line is a group that is paid "
        "more than it costs, left of it less; the bar is the 95 % interval. A bar that crosses "
        "the line is no evidence of either. An arrow is a bar that goes on.",
        (9, height), paint,
    ) if known_ones else None  # fmt: skip


def coefficients(trained: TrainedFolder) -> Drawn | None:
    """The largest fitted factors of the largest segment beside the base model's."""
    rows = [r for r in trained.fit if r.status == "fitted" and r.term == r.variable]
    dollars = known(trained.facts.get("denominator_usd"))
    if not rows or not dollars:
        return None
    segment = largest_segment(trained, rows)
    own = sorted((r for r in rows if r.segment == segment), key=lambda r: -float(r.factor))
    shown = own[:MOST_COEFFICIENTS]

    def paint(figure: Figure) -> None:
        left, right = figure.subplots(1, 2, width_ratios=(1.75, 1))
        _dumbbells(left, shown, dollars)
        _scatter(right, rows)

    return drawn(
        "coefficients", "Fitted factors and the base model's",
        f"Left: the {len(shown)} largest fitted factors of segment {segment}, with 95 % "
        "intervals; an open circle outside the bar is a base factor that this population "
        "contradicts. Right: every fitted factor above 0 of every segment, on logarithmic axes; on "
        "the dashed line both agree.",
        (9, 1.3 + 0.215 * len(shown)), paint,
    )  # fmt: skip


def _dumbbells(axes: Axes, rows: Sequence[FitRow], dollars: float) -> None:
    for place, row in enumerate(rows):
        low, high = float(row.low_usd) / dollars, float(row.high_usd) / dollars
        axes.plot((low, high), (place, place), color=BLUE, linewidth=1.6, solid_capstyle="butt")
        axes.plot(float(row.factor), place, "o", color=BLUE, markersize=5,
                  label="fitted, 95 % interval" if not place else None)  # fmt: skip
        axes.plot(float(row.base_factor), place, "o", markerfacecolor="none", markersize=6,
                  markeredgecolor=ORANGE, markeredgewidth=1.5,
                  label="base model" if not place else None)  # fmt: skip
    names = [short(f"{r.variable}  {r.label}" if r.label != r.variable else r.variable, 44)
             for r in rows]  # fmt: skip
    axes.set_yticks(range(len(rows)), names, fontsize=8)
    axes.set(ylim=(len(rows) - 0.4, -0.6), xlabel="Relative factor (1 = mean cost)")
    axes.set_xlim(left=-0.03 * axes.get_xlim()[1])
    axes.legend(loc="lower right", fontsize=8.5)
    quiet(axes, "x")


def _scatter(axes: Axes, rows: Sequence[FitRow]) -> None:
    points = [(x, y) for r in rows if (x := float(r.base_factor)) > 0 < (y := float(r.factor))]
    ends = [v for p in points for v in p] or [0.1, 1.0]
    least, most = min(ends) * 0.8, max(ends) * 1.25
    axes.set(xscale="log", yscale="log", xlim=(least, most), ylim=(least, most), aspect="equal",
             anchor="C", xlabel="Base factor", ylabel="Fitted factor")  # fmt: skip
    _diagonal(axes, least, most)
    for x, y in points:
        axes.plot(x, y, "o", color=BLUE, markersize=4, alpha=0.55, markeredgewidth=0)
    _log_ticks(axes, [0.01, 0.1, 1, 10], lambda v: f"{v:g}")


def equity(trained: TrainedFolder) -> Drawn | None:
    """Net compensation of groups that the model does not know, and of some that it does."""
    periods = [p for p in LATER if group_rows(trained, p, "entitlement")
               or any(group_rows(trained, p, g) for g in EQUITY)]  # fmt: skip
    if not periods:
        return None
    found = [list(whiskers(trained, p, EQUITY, "net")) for p in periods]
    lists = [aligned(found[0], other) for other in found]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        forest(axes, lists, dollar_limits(lists))
        axes.axvline(0, color=INK, linewidth=1)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: usd(v)))
        axes.set_xlabel("Net compensation, $ a member year (left of 0: underpaid)")
        for i, name in enumerate(periods):
            axes.plot([], [], "o-", color=COLOURS[i], markersize=4.5,
                      label=period_name(trained.spec, name))  # fmt: skip
        figure.legend(loc="outside upper right", ncols=2)

    return drawn(
        "equity", "Who is paid more or less than they cost",
        "Predicted minus actual cost of a member year, with 95 % intervals. Race, ethnicity and "
        "social vulnerability are not in the model; they only evaluate it. Look for groups that "
        "lie on the same side in both periods with bars that leave out 0.",
        (9, 1.3 + 0.26 * len(lists[0])), paint,
    )  # fmt: skip


def models_compared(trained: TrainedFolder) -> Drawn | None:
    """Capped R2 of every model with its interval."""
    periods = [p for p in LATER if at(trained.metrics, "periods", p, "intervals")]
    if not periods:
        return None
    every = [at(trained.metrics, "periods", p, "intervals") for p in periods]
    order = sorted(every[0], key=lambda m: -(known(at(every[0], m, "r2", "estimate")) or 0.0))
    lists = [[_explained(e, m) for m in order] for e in every]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        forest(axes, lists, None)
        axes.set_xlim(left=min(0.0, axes.get_xlim()[0]))
        axes.set_xlabel("Share of the variance of capped cost explained (R²)")
        for label, name in zip(axes.get_yticklabels(), order, strict=True):
            label.set_fontweight("bold" if name == "linear" else "normal")
        for i, name in enumerate(periods):
            axes.plot([], [], "o-", color=COLOURS[i], markersize=4.5,
                      label=period_name(trained.spec, name))  # fmt: skip
        figure.legend(loc="outside upper right", ncols=2)

    said = ("The true expected cost is known because the data are synthetic: no model is "
            "expected to explain more. ") if "oracle" in order else ""  # fmt: skip
    return drawn(
        "models", "Models compared",
        "R² on capped cost with 95 % intervals, on members and a year that nothing was fitted on. "
        f"{said}Age and sex alone, and last year's cost, are the floor. Overlapping bars do not "
        "settle which of two models is better: the paired differences in the table do.",
        (9, 1.3 + 0.34 * len(order)), paint,
    )  # fmt: skip


def _explained(intervals: Record, model: str) -> Whisker:
    estimate, low, high = (
        known(at(intervals, model, "r2", k)) for k in ("estimate", "low", "high")
    )
    return Whisker(model_name(model), estimate, low, high)


def largest_segment(trained: TrainedFolder, rows: Sequence[FitRow]) -> str:
    """Return the segment with the most members; without counts, that with the most terms."""
    said = at(trained.metrics, "fit", "segments") or []
    members = {s["segment"]: known(s.get("members")) or 0.0 for s in said}
    names = list(dict.fromkeys(r.segment for r in rows))
    terms = {n: sum(r.segment == n for r in rows) for n in names}
    return max(names, key=lambda n: (members.get(n, 0.0), terms[n]))


def _row_of(figure: Figure, n: int) -> list[Axes]:
    return [figure.add_subplot(1, n, i + 1) for i in range(n)]
