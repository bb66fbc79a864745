"""One page in plain words: what the model is, how well it predicts, and whom it pays wrongly."""

from collections.abc import Iterator
from dataclasses import dataclass

from riskadj.report.content import TrainedFolder
from riskadj.report.numbers import DASH, Record, at, count, known, percent, ratio, span, usd
from riskadj.report.tables import cap_said
from riskadj.report.words import (
    LATER,
    first_period,
    group_name,
    group_rows,
    group_said,
    method_name,
    model_name,
    period_name,
    small_terms,
)  # fmt: skip

MOST_SAID = 8
_NOT_PEOPLE = ("predicted decile", "predicted highest", "condition")


@dataclass(frozen=True, slots=True)
class KeyNumber:
    """A number with what it is and how to read it."""

    name: str
    value: str
    note: str


@dataclass(frozen=True, slots=True)
class PaidWrongly:
    """A group whose interval leaves out a ratio of 1."""

    name: str
    ratio: float
    low: float
    high: float
    net_usd: float | None
    members: str

    @property
    def sentence(self) -> str:
        """Say it in words."""
        over = self.ratio > 1
        amount = f", {usd(abs(self.net_usd))} a year each" if self.net_usd is not None else ""
        return (
            f"{self.name}: paid {percent(abs(self.ratio - 1))} too {'much' if over else 'little'}"
            f"{amount} (n = {self.members}; ratio {ratio(self.ratio)}, 95 % interval "
            f"{span(self.low, self.high)})"
        )


def key_numbers(trained: TrainedFolder) -> list[KeyNumber]:
    """Return the six numbers that a reader takes away."""
    fit, gates = at(trained.metrics, "fit") or {}, gate_rows(trained)
    passed = sum(bool(g.get("passed")) for g in gates)
    later = "; ".join(f"{_short_period(p)} {count(at(trained.metrics, 'periods', p, 'members'))}"
                      for p in LATER if at(trained.metrics, "periods", p))  # fmt: skip
    return [
        KeyNumber("Members fitted on", count(fit.get("members")), later or "not tested"),
        _explained(trained),
        _overall(trained),
        _worst_decile(trained),
        _worst_group(trained),
        KeyNumber("Gates passed", f"{passed} of {len(gates)}" if gates else DASH,
                  "all passed" if gates and passed == len(gates) else "see the gates below"),
    ]  # fmt: skip


def _short_period(period: str) -> str:
    return {"test": "held out", "out_of_time": "later year"}[period]


def _explained(trained: TrainedFolder) -> KeyNumber:
    found = []
    for period in LATER:
        r2 = at(trained.metrics, "periods", period, "intervals", "linear", "r2")
        if r2:
            interval = span(at(r2, "low"), at(r2, "high"))
            found.append((ratio(at(r2, "estimate")), interval, _short_period(period)))
    if not found:
        return KeyNumber("R², capped cost", DASH, "not tested")
    (value, interval, first), *rest = found
    more = "".join(f"; {where} {v} ({sure})" for v, sure, where in rest)
    return KeyNumber("R², capped cost", value, f"{first}, 95 % interval {interval}{more}")


def _overall(trained: TrainedFolder) -> KeyNumber:
    path = ("models", "linear", "capped", "predictive_ratio")
    found = [(p, ratio(at(trained.metrics, "periods", p, *path))) for p in LATER
             if at(trained.metrics, "periods", p, *path) is not None]  # fmt: skip
    if not found:
        return KeyNumber("Predictive ratio", DASH, "not tested")
    (first, value), *rest = found
    more = "".join(f"; {_short_period(p)} {v}" for p, v in rest)
    return KeyNumber("Predictive ratio", value, f"{_short_period(first)}{more}")


def _worst_decile(trained: TrainedFolder) -> KeyNumber:
    name = "predicted decile"
    rows = [(p, r) for p in LATER for r in group_rows(trained, p, name)
            if known(r.get("predictive_ratio")) is not None]  # fmt: skip
    if not rows:
        return KeyNumber("Worst decile, ratio", DASH, "not tested")
    period, row = max(rows, key=lambda found: abs(float(found[1]["predictive_ratio"]) - 1))
    where = group_name(trained, name, str(row["group"]))
    return KeyNumber("Worst decile, ratio", ratio(row["predictive_ratio"]),
                     f"decile {where}, {_short_period(period)}")  # fmt: skip


def _worst_group(trained: TrainedFolder) -> KeyNumber:
    period = first_period(trained)
    found = paid_wrongly(trained, period) if period else []
    if not found:
        note = "no group's interval leaves out 1" if period else "not tested"
        return KeyNumber("Worst group, ratio", DASH, note)
    return KeyNumber("Worst group, ratio", ratio(found[0].ratio), f"{found[0].name}, "
                     f"n = {found[0].members}, {_short_period(str(period))}")  # fmt: skip


def paid_wrongly(trained: TrainedFolder, period: str) -> list[PaidWrongly]:
    """Return the groups of people whose interval leaves out 1, the furthest first."""
    groups = at(trained.metrics, "periods", period, "groups") or {}
    found = [
        made
        for grouping in groups
        if grouping not in _NOT_PEOPLE
        for row in group_rows(trained, period, grouping)
        if (made := _wrongly(trained, grouping, row))
    ]
    return sorted(found, key=lambda g: -abs(g.ratio - 1))


def _wrongly(trained: TrainedFolder, grouping: str, row: Record) -> PaidWrongly | None:
    found, low, high = (known(row.get(k)) for k in ("predictive_ratio", "ratio_low", "ratio_high"))
    if found is None or low is None or high is None or low <= 1 <= high:
        return None
    name = group_said(trained, grouping, str(row["group"]))
    return PaidWrongly(name, found, low, high, known(row.get("net_compensation_usd")),
                       count(row.get("n_members")))  # fmt: skip


def gate_rows(trained: TrainedFolder) -> list[Record]:
    """Return the gates of ``validate``."""
    return list(at(trained.metrics, "gates") or ())


def sentences(trained: TrainedFolder) -> Iterator[str]:
    """Yield what the model does and how well, in plain words."""
    spec, data = trained.spec, trained.spec.data
    when = "the year before" if data.timing == "prospective" else "the same year"
    yield (
        f"This model predicts what a member costs in a year ({data.cost_year}) from age, sex, "
        f"entitlement and the conditions recorded in {when}. It takes its terms from "
        f"{spec.base} and fits their weights anew."
    )
    if period := first_period(trained):
        yield from _how_well(trained, period)


def _how_well(trained: TrainedFolder, period: str) -> Iterator[str]:
    r2 = at(trained.metrics, "periods", period, "intervals", "linear", "r2", "estimate")
    if known(r2) is not None:
        yield (
            f"On {count(at(trained.metrics, 'periods', period, 'members'))} members that nothing "
            f"was fitted on, it explains {percent(r2)} of the differences in cost, each cost "
            f"{cap_said(trained)}. Most of what one person costs cannot be foreseen; "
            "what matters for payment is whether groups of people are paid what they cost."
        )
    path = ("models", "linear", "capped", "predictive_ratio")
    for name in LATER:
        total = known(at(trained.metrics, "periods", name, *path))
        if total is not None:
            yield (
                f"{period_name(trained.spec, name)}: for each $100 of capped cost it predicts "
                f"${total * 100:,.2f}."
            )


def how_fitted(trained: TrainedFolder) -> list[tuple[str, str]]:
    """Return the choices of a fit with their values."""
    spec, fit = trained.spec, at(trained.metrics, "fit") or {}
    how = spec.fit
    cap = f"at most {usd(spec.target.cap_usd)}" if spec.target.cap_usd else "without a cap"
    merged = f"under {how.small_members:,} members {small_terms(how.small_terms)}"
    few = {"refuse": "an error", "published": "given the base model's factors"}
    kkt = [v for s in fit.get("segments") or () if (v := known(s.get("kkt_stationarity_usd")))
           is not None]  # fmt: skip
    return [
        ("Method", method_name(how.method)),
        ("Target", f"Cost a year, paid / (months / 12), {cap}; weight: months / 12"),
        ("Timing", f"{spec.data.timing}; costs of {spec.data.cost_year}"),
        ("Base model", spec.base),
        ("Constraints", "; ".join(_constraints(trained))),
        ("Small terms", merged),
        ("Small segments", f"under {how.small_members:,} members {few[how.small_segments]}"),
        ("Held out", f"{percent(spec.data.test_share)} of members by hashed id"),
        ("Intervals", f"{spec.bootstrap} refits on {spec.blocks} blocks, seed {spec.seed}"),
        ("Mean cost that is 1", usd(fit.get("denominator_usd"))),
        ("Mean score", ratio(fit.get("mean_score"))),
        ("R² in sample", ratio(fit.get("r2_in_sample"))),
        ("KKT stationarity, worst", f"${max(kkt):,.6f}" if kkt else DASH),
        ("Statistics, sha256", str(fit.get("statistics_sha256") or DASH)),
        ("Block statistics, sha256", str(fit.get("block_statistics_sha256") or DASH)),
    ]


def _constraints(trained: TrainedFolder) -> Iterator[str]:
    how = trained.spec.fit
    yield "no coefficient below 0"
    if how.order:
        yield "a condition costs at least as much as one it outranks"
    for group in how.equal:
        yield f"{' = '.join(group)}"
    if how.drop:
        yield f"left out: {', '.join(how.drop)}"
    for name, value in how.fixed_usd.items():
        yield f"{name} fixed at {usd(value)}"
    for wish in trained.spec.equity:
        yield f"{percent(wish.close)} of the net compensation of {wish.group} closed"


def challengers(trained: TrainedFolder) -> list[str]:
    """Return how each tree challenger was grown."""
    return [
        f"{model_name(c.family)}: {c.objective}, {c.rounds} rounds of at most {c.leaves} leaves of "
        f"at least {c.min_members_in_leaf:,} members, learning rate {c.learning_rate:g}"
        + (", never falling when a condition is added" if c.monotone else "")
        for c in trained.spec.challengers
    ]
