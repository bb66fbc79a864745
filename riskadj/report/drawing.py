"""How figures look: one palette, quiet axes, SVG text that is the same for the same numbers."""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

INK, MUTED, GRID = "#1d2733", "#5c6874", "#d5dbe1"
BLUE, ORANGE = "#0072b2", "#d55e00"
"""Okabe and Ito's palette, which the colour-blind tell apart."""
_VARIABLES = {INK: "ink", MUTED: "muted", GRID: "grid", BLUE: "first", ORANGE: "second"}
_STYLE: Any = {
    "svg.fonttype": "none",  # text stays text: searchable, in the reader's own font
    "svg.hashsalt": "riskadj",
    "text.parse_math": False,  # a group may have a dollar in its name
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the same layout everywhere
    "font.size": 9.5,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
}


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure for a page.

    Attributes
    ----------
    key
        Anchor, and prefix of every id inside the drawing.
    title
    caption
        What to notice.
    svg
        One ``svg`` element; its colours are CSS variables with the printed colours to fall back on.
    """

    key: str
    title: str
    caption: str
    svg: str


def drawn(
    key: str, title: str, caption: str, size: tuple[float, float], paint: Callable[[Figure], None]
) -> Drawn:
    """Paint a figure of ``size`` inches and return it as SVG text."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        paint(figure)
        made = io.StringIO()
        figure.savefig(made, format="svg", transparent=True,
                       metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))  # fmt: skip
    return Drawn(key, title, caption, _for_page(made.getvalue(), key, title, caption))


def _for_page(svg: str, key: str, title: str, caption: str) -> str:
    """Drop the XML prologue, name the picture, and keep its ids apart from other pictures'."""
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{key}-", svg)
    for colour, name in _VARIABLES.items():
        svg = svg.replace(colour, f"var(--fig-{name}, {colour})")
    svg = re.sub(r"\s*<defs>\s*<style.*?</style>\s*</defs>", "", svg, count=1, flags=re.DOTALL)
    said = f"<title>{escape(title)}</title>\n<desc>{escape(caption)}</desc>"
    head = re.sub(r' (?:width|height|version)="[^"]*"', "", svg[: svg.index(">")])
    label = f' class="figure" role="img" aria-label="{escape(title)}"'
    return f"{head}{label}>\n{said}{svg[svg.index('>') + 1 :]}"


def quiet(axes: Axes, grid: str = "both") -> None:
    """Leave only the grid lines along which values are read."""
    axes.grid(False)
    if grid == "both":
        axes.grid(True)
    else:
        axes.grid(True, axis="x" if grid == "x" else "y")
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
