"""The figures of a report: waterfall, path against cap, fan, forest of groups."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from benchmarks.report.content import (
    Extras,
    Fan,
    Record,
    Series,
    TargetPath,
    Waterfall,
    shown,
    unit_said,
)
from riskadj.report.drawing import BLUE, INK, MUTED, ORANGE, Drawn, drawn, quiet
from riskadj.report.numbers import known, number, plain, signed, usd

_STYLES: dict[str, dict[str, Any]] = {
    "target": {"color": BLUE, "linewidth": 2.2},
    "cap": {"color": ORANGE, "linewidth": 1.8, "linestyle": (0, (5, 2))},
    "actual": {"color": INK, "linewidth": 1.4, "marker": "o", "markersize": 4},
    "index": {"color": MUTED, "linewidth": 1.4, "linestyle": (0, (1, 1.5))},
}
_OTHER: Sequence[Any] = ((0, (8, 2)), (0, (6, 2, 1, 2)), (0, (3, 1)), (0, (4, 1, 1, 1, 1, 1)))
"""Dashes of lines that have no role, in turn."""
_WIDE = 9
MOST_LABEL = 44


def figures(falls: Waterfall | None, extras: Extras) -> list[Drawn]:
    """Return every figure that there are numbers for."""
    made = [draw_waterfall(falls) if falls else None,
            draw_path(extras.path) if extras.path else None,
            draw_fan(extras.fan) if extras.fan else None, draw_equity(extras.equity)]  # fmt: skip
    return [figure for figure in made if figure is not None]


def draw_waterfall(falls: Waterfall) -> Drawn:
    """First level, the changes from each level to the next, last level."""
    levels = [value for _, _, value in falls.levels]
    labels = [_short(label) for label, _, _ in falls.levels]
    scale, unit = _scale(levels)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        _level(axes, 0, levels[0], scale)
        for i, (before, after) in enumerate(pairwise(levels), start=1):
            _change(axes, i, before, after, scale)
        _level(axes, len(levels), levels[-1], scale)
        axes.set_yticks(range(len(levels) + 1), [*labels, _short(falls.last)])
        axes.set_ylim(len(levels) + 0.6, -0.6)
        axes.set_xlabel(f"$ {unit}".strip())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: shown(x / scale)))
        axes.margins(x=0.16)
        quiet(axes, "x")

    return drawn(
        "waterfall", "Levels, and the changes between them",
        f"{falls.note} Blue bars are levels and rises, orange ones are falls; each change starts "
        "where the level above it ends.",
        (_WIDE, 1.2 + 0.42 * (len(levels) + 1)), paint,
    )  # fmt: skip


def _level(axes: Axes, place: int, value: float, scale: float) -> None:
    axes.barh(place, value, height=0.62, color=BLUE)
    _beside(axes, place, max(value, 0.0), number(value / scale, 2, before="$"))


def _change(axes: Axes, place: int, before: float, after: float, scale: float) -> None:
    colour = ORANGE if after < before else BLUE
    axes.plot((before, before), (place - 1.31, place + 0.31), color=MUTED, linewidth=0.7)
    axes.barh(place, after - before, left=before, height=0.62, color=colour, alpha=0.75)
    text = signed(number((after - before) / scale, 2, before="$"))
    _beside(axes, place, max(before, after), text)


def _beside(axes: Axes, place: int, x: float, text: str) -> None:
    axes.annotate(text, (x, place), (5, 0), textcoords="offset points", va="center", fontsize=8.5)


def _scale(values: Sequence[float]) -> tuple[float, str]:
    """Return what dollars are divided by, and its name."""
    most = max(abs(v) for v in values)
    for size, name in ((1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if most >= 10 * size or (most >= size and name != "thousand"):
            return size, name
    return 1.0, ""


def draw_path(path: TargetPath) -> Drawn:
    """Lines by year."""

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        _lines(axes, path.years, path.lines)
        _by_year(axes, path.years, path.unit)

    said = path.caption or ("The cap is dashed. Where the target lies on it, the cap binds; the "
                            "room below it is the difference between the two.")  # fmt: skip
    return drawn("path", path.title, said, (_WIDE, 4.2), paint)


def draw_fan(fan: Fan) -> Drawn:
    """Bands between quantiles that lie as far from the median, and the median."""
    order = sorted(fan.quantiles)
    pairs = [(low, high) for low, high in zip(order, reversed(order), strict=True) if low < high]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        x = range(len(fan.years))
        for i, (low, high) in enumerate(pairs):
            axes.fill_between(x, fan.quantiles[low], fan.quantiles[high], color=BLUE, linewidth=0,
                              alpha=0.15 + 0.15 * i, label=f"{low:.0%} to {high:.0%}")  # fmt: skip
        if len(order) % 2:
            middle = order[len(order) // 2]
            axes.plot(x, fan.quantiles[middle], color=BLUE, linewidth=2, label=f"{middle:.0%}")
        _lines(axes, fan.years, fan.lines)
        _by_year(axes, fan.years, fan.unit)

    said = fan.caption or "Each band holds the outcomes between two quantiles of the scenarios."
    return drawn("fan", fan.title, said, (_WIDE, 4.2), paint)


def _lines(axes: Axes, years: Sequence[str | int], lines: Sequence[Series]) -> None:
    others = 0
    for line in lines:
        style = _STYLES.get(line.role)
        if style is None:
            style = {"color": MUTED, "linewidth": 1.3, "linestyle": _OTHER[others % len(_OTHER)]}
            others += 1
        values = [float("nan") if v is None else v for v in line.values]
        axes.plot(range(len(years)), values, label=_legend(line.name), **style)


def _legend(name: str) -> str:
    """Return a name that matplotlib does not hide: it leaves out those with a leading underscore.

    >>> _legend("_cap")
    ' _cap'
    """
    return f" {name}" if name.startswith("_") else name


def _by_year(axes: Axes, years: Sequence[str | int], unit: str) -> None:
    axes.set_xticks(range(len(years)), [str(y) for y in years])
    axes.set_ylabel(unit_said(unit))
    if unit.startswith("usd"):
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: usd(y)))
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))
    quiet(axes, "y")


def draw_equity(rows: Sequence[Record]) -> Drawn | None:
    """Actual-to-target ratio of every group that is not suppressed, with its interval."""
    told = [r for r in rows if not r.get("suppressed") and known(r.get("ratio")) is not None]
    if not told:
        return None
    lines: list[tuple[str, Record | None]] = []
    for dimension in dict.fromkeys(str(r["dimension"]) for r in told):
        lines.append((plain(dimension), None))
        lines += [(_short(str(r["group"])), r) for r in told if str(r["dimension"]) == dimension]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.axvline(1, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        for place, (_, row) in enumerate(lines):
            _whisker(axes, place, row)
        axes.set_yticks(range(len(lines)), [label for label, _ in lines], fontsize=8.5)
        for tick, (_, row) in zip(axes.get_yticklabels(), lines, strict=True):
            tick.set_fontweight("normal" if row else "bold")
        axes.set_ylim(len(lines) - 0.4, -0.7)
        axes.set_xlabel("Actual spending over target")
        quiet(axes, "x")

    return drawn(
        "equity", "Spending against the target, by group",
        "A ratio of 1 is spending at the target; the bar is the 95 % interval. Right of the line a "
        "group costs more than the target allows for it. Suppressed groups are not drawn.",
        (_WIDE, 1.1 + 0.27 * len(lines)), paint,
    )  # fmt: skip


def _whisker(axes: Axes, place: int, row: Record | None) -> None:
    if row is None:
        return
    low, high = known(row.get("low")), known(row.get("high"))
    if low is not None and high is not None:
        axes.plot((low, high), (place, place), color=BLUE, linewidth=1.6)
    axes.plot(float(row["ratio"]), place, "o", color=BLUE, markersize=4.5)


def _short(text: str) -> str:
    return text if len(text) <= MOST_LABEL else f"{text[: MOST_LABEL - 1].rstrip(' ,;')}…"
