"""Forest plots: a line a group, its value a point and its interval a bar."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from riskadj.report.content import TrainedFolder
from riskadj.report.drawing import BLUE, ORANGE, quiet
from riskadj.report.numbers import known, number
from riskadj.report.words import group_label, group_rows, grouping_title

COLOURS = (BLUE, ORANGE)
_VALUE = {"ratio": "predictive_ratio", "net": "net_compensation_usd"}
Limits = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Whisker:
    """A value with its interval, or a heading."""

    label: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    heading: str = ""


def whiskers(
    trained: TrainedFolder, period: str, groupings: Sequence[str], kind: str
) -> Iterator[Whisker]:
    """Yield a heading and the rows of each grouping; ``kind`` is ``ratio`` or ``net``."""
    for grouping in groupings:
        title = grouping_title(grouping)
        if rows := group_rows(trained, period, grouping):
            yield Whisker(title, heading=title)
        for row in rows:
            label = short(group_label(trained, grouping, str(row["group"])), 34)
            yield Whisker(
                f"{label} ({number(row.get('n_members'))})", known(row.get(_VALUE[kind])),
                known(row.get(f"{kind}_low")), known(row.get(f"{kind}_high")),
            )  # fmt: skip


def aligned(first: Sequence[Whisker], other: Sequence[Whisker]) -> list[Whisker]:
    """Put the whiskers of another period on the lines of the first, section by section."""
    where = {_place(section, w): w for section, w in _sections(other)}
    return [where.get(_place(section, w), Whisker(w.label)) for section, w in _sections(first)]


def _sections(found: Sequence[Whisker]) -> Iterator[tuple[str, Whisker]]:
    section = ""
    for w in found:
        section = w.heading or section
        yield section, w


def _place(section: str, w: Whisker) -> tuple[str, str]:
    """Name a line without its count of members, which differs between periods."""
    return section, w.label.rpartition(" (")[0] or w.label


def dollar_limits(lists: Sequence[Sequence[Whisker]]) -> Limits:
    """Return limits for every point, and for bars up to two and a half times as far out."""
    every = [w for found in lists for w in found if w.value is not None]
    values = [abs(w.value) for w in every if w.value is not None]
    ends = [abs(v) for w in every for v in (w.low, w.high) if v is not None]
    points = max([*values, 100.0])
    most = max(points, min(max([*ends, 100.0]), 2.5 * points)) * 1.05
    return -most, most


def forest(axes: Axes, lists: Sequence[Sequence[Whisker]], limits: Limits | None) -> None:
    """Draw points and bars on lines from the top; several lists stand a little apart."""
    for i, found in enumerate(lists):
        apart = 0.0 if len(lists) == 1 else (i - (len(lists) - 1) / 2) * 0.36
        for place, whisker in enumerate(found):
            _draw(axes, whisker, place + apart, COLOURS[i], limits)
    axes.set_yticks(range(len(lists[0])), [w.label for w in lists[0]], fontsize=8.5)
    for tick, whisker in zip(axes.get_yticklabels(), lists[0], strict=True):
        tick.set_fontweight("bold" if whisker.heading else "normal")
    axes.set_ylim(len(lists[0]) - 0.4, -0.7)
    if limits:
        axes.set_xlim(*limits)
    quiet(axes, "x")


def _draw(axes: Axes, w: Whisker, place: float, colour: str, limits: Limits | None) -> None:
    """Draw a whisker; an arrow stands where a bar leaves the plot."""
    if w.value is None:
        return
    if w.low is not None and w.high is not None:
        least, most = limits or (w.low, w.high)
        axes.plot((max(w.low, least), min(w.high, most)), (place, place),
                  color=colour, linewidth=1.6)  # fmt: skip
        for outside, edge, arrow in ((w.low < least, least, "<"), (w.high > most, most, ">")):
            if outside:
                axes.plot(edge, place, arrow, color=colour, markersize=5, clip_on=False)
    axes.plot(w.value, place, "o", color=colour, markersize=4.5)


def short(text: str, most: int) -> str:
    """Cut a text to ``most`` characters."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip(' ,;')}…"
