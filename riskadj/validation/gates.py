"""Gates: what a fit must hold to be published, each with its value, its bound and for whom."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from riskadj.training.spec import Spec

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Gate:
    """One test of a fit.

    Attributes
    ----------
    name
        What is tested.
    whom
        On which members or segment.
    value, bound
        What was found, and what is allowed, as text.
    passed
    """

    name: str
    whom: str
    value: str
    bound: str
    passed: bool


def check_gates(metrics: Record, spec: Spec) -> list[Gate]:
    """Hold the metrics of a validated run against the spec's bounds."""
    return [
        *_optimum(metrics["fit"]["segments"], spec),
        *_budget(metrics["fit"]["segments"], spec),
        *_later(metrics["periods"], spec),
        *_base(metrics["periods"]),
        *_deciles(metrics["periods"], spec),
        *_groups(metrics["periods"], spec),
    ]


def _optimum(segments: Sequence[Record], spec: Spec) -> Iterator[Gate]:
    """The fit is the minimum it claims to be, and obeys its constraints."""
    fitted = [s for s in segments if "kkt_stationarity_usd" in s]
    bound = spec.gates.kkt_usd
    measures = {"KKT stationarity": "kkt_stationarity_usd", "constraints hold": "kkt_violation_usd"}
    for name, key in measures.items():
        worst = max(fitted, key=lambda s: float(s[key]), default=None)
        if worst is not None:
            value = float(worst[key])
            yield Gate(name, f"segment {worst['segment']}", f"${value:.6f}", f"<= ${bound:.2f}",
                       value <= bound)  # fmt: skip
    least = min(fitted, key=lambda s: float(s["least_coefficient_usd"]), default=None)
    if least is not None:
        value = float(least["least_coefficient_usd"])
        yield Gate("least coefficient", f"segment {least['segment']}", f"${value:.2f}",
                   f">= -${bound:.2f}", value >= -bound)  # fmt: skip


def _budget(segments: Sequence[Record], spec: Spec) -> Iterator[Gate]:
    """Every fitted segment is predicted to cost what it cost, before rounding."""
    fitted = [s for s in segments if "predictive_ratio" in s]
    worst = max(fitted, key=lambda s: abs(float(s["predictive_ratio"]) - 1), default=None)
    if worst is not None:
        bound, ratio = spec.gates.predictive_ratio_train, float(worst["predictive_ratio"])
        yield _near_one("predictive ratio", f"segment {worst['segment']}, train", ratio, bound)


def _later(periods: Mapping[str, Record], spec: Spec) -> Iterator[Gate]:
    if "out_of_time" in periods:
        ratio = float(periods["out_of_time"]["models"]["linear"]["capped"]["predictive_ratio"])
        yield _near_one("predictive ratio", "all, out of time", ratio,
                        spec.gates.predictive_ratio_out_of_time)  # fmt: skip


def _base(periods: Mapping[str, Record]) -> Iterator[Gate]:
    """The base model's published factors do not predict clearly better."""
    for name, period in periods.items():
        if found := period.get("differences_to_linear", {}).get("base"):
            gain = float(found["r2"]["low"])
            yield Gate("base model not better", shown_name(name), f"R2 gain {gain:+.4f} or more",
                       "not above 0", gain <= 0)  # fmt: skip


def _deciles(periods: Mapping[str, Record], spec: Spec) -> Iterator[Gate]:
    for name, period in periods.items():
        if "groups" in period:
            rows, bound = period["groups"]["predicted decile"]["rows"], spec.gates.decile_ratio
            yield _worst(f"decile, {shown_name(name)}", rows, bound, "predictive ratio, decile")


def _groups(periods: Mapping[str, Record], spec: Spec) -> Iterator[Gate]:
    """Hold named groups and report columns to the bound, if the spec has one."""
    if spec.gates.group_ratio is None:
        return
    for name, period in periods.items():
        for grouping in ("named groups", *spec.columns):
            if rows := period.get("groups", {}).get(grouping, {}).get("rows"):
                yield _worst(f"{grouping}, {shown_name(name)}", rows, spec.gates.group_ratio,
                             "predictive ratio, group")  # fmt: skip


def shown_name(period: str) -> str:
    """Return a period's name for people."""
    return period.replace("_", " ")


def _worst(whom: str, rows: Sequence[Record], bound: float, name: str) -> Gate:
    known = [r for r in rows if r["predictive_ratio"] is not None]
    if not known:
        return Gate(name, whom, "not measurable: too few members", f"{1 - bound:.3f} to "
                    f"{1 + bound:.3f}", passed=False)  # fmt: skip
    worst = max(known, key=lambda r: abs(float(r["predictive_ratio"]) - 1))
    return _near_one(name, f"{whom} {worst['group']}", float(worst["predictive_ratio"]), bound)


def _near_one(name: str, whom: str, ratio: float, bound: float) -> Gate:
    value, limits = f"{ratio:.4f}", f"{1 - bound:.3f} to {1 + bound:.3f}"
    return Gate(name, whom, value, limits, abs(ratio - 1) <= bound)


@dataclass(frozen=True, slots=True)
class Promotion:
    """Whether a challenger may replace the linear model.

    Attributes
    ----------
    model
    r2_gain_low
        Lower end of the 95 % interval of its paired gain in capped R².
    largest_gap_usd, linear_gap_usd
        Largest absolute net compensation of a named group or report column's group, its own and
        the linear model's.
    promoted
        The gain is above 0 and no group is treated worse than the linear model's worst.
    """

    model: str
    r2_gain_low: float
    largest_gap_usd: float
    linear_gap_usd: float
    promoted: bool


def promotions(metrics: Record, spec: Spec) -> list[Promotion]:
    """Judge each challenger on the held-out members, or the later year without any."""
    name = "test" if "test" in metrics["periods"] else "out_of_time"
    period = metrics["periods"].get(name, {})
    rows = [
        row
        for grouping in ("named groups", *spec.columns)
        for row in period.get("groups", {}).get(grouping, {}).get("rows", [])
        if row["predictive_ratio"] is not None
    ]
    found = []
    for how in spec.challengers if rows else ():
        low = float(period["differences_to_linear"][how.family]["r2"]["low"])
        own = max(abs(r["others"][how.family] - 1) * r["mean_cost_usd"] for r in rows)
        linear = max(abs(r["net_compensation_usd"]) for r in rows)
        better = low > 0 and own <= linear
        found.append(Promotion(how.family, low, own, linear, better))
    return found
