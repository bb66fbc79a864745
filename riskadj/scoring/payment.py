"""From raw scores to payment scores by the written chain of a program and year."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskadj.catalog import models_root
from riskadj.cited import Cited, read_cited
from riskadj.errors import ModelFolderError, NotPublishedError

Thousandths = NDArray[np.int64]
STEPS = ("normalize", "coding_adjustment", "round")


@dataclass(frozen=True, slots=True)
class Component:
    """One model's share of a payment year."""

    model: str
    weight: Cited
    normalization_factor: Cited
    coding_adjustment: Cited
    diagnosis_sources: Cited


@dataclass(frozen=True, slots=True)
class PaymentYear:
    """How a program turns raw scores into payment scores in one year.

    Attributes
    ----------
    component_steps
        The chain of one component, in order; see ``models/payment``. A blend is always weighed
        and then rounded.
    evidence
        How well the order and the rounding are known.
    """

    program: str
    payment_year: int
    components: tuple[Component, ...]
    component_steps: tuple[str, ...]
    evidence: str

    @property
    def key(self) -> str:
        """Such as ``ma/2024``."""
        return f"{self.program}/{self.payment_year}"

    @property
    def single_sources(self) -> tuple[str, ...]:
        """The values that rest on a single source, as caveats."""
        return tuple(
            f"payment {self.key}: {name.replace('_', ' ')} {cited.value} of {c.model} rests on a "
            f"single source ({cited.source})"
            for c in self.components
            for name, cited in (
                ("weight", c.weight), ("normalization_factor", c.normalization_factor)
            )
            if cited.evidence == "single source"
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """One written step of the chain for one member: what was done and what came out."""

    name: str
    factor: str
    value: Fraction


def load_payment_year(payer: str, payment_year: int) -> PaymentYear:
    """Read ``models/payment/<payer>/<payment_year>.toml``.

    Raises
    ------
    NotPublishedError
        The payer or the year has no file, or a value of it was found nowhere.
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]*", payer):
        raise NotPublishedError(f"No payer {payer!r}. There is: ma")
    folder = models_root() / "payment" / payer
    path = folder / f"{payment_year}.toml"
    if not path.is_file():
        years = sorted(p.stem for p in folder.glob("*.toml"))
        known = ", ".join(years) or "no such payer; there is: ma"
        raise NotPublishedError(f"No payment rules for {payer!r} {payment_year}. Known: {known}")
    head = tomllib.loads(path.read_text(encoding="utf-8"))
    _check(head, str(path))
    return PaymentYear(
        program=payer,
        payment_year=payment_year,
        components=tuple(_component(row, str(path)) for row in head["component"]),
        component_steps=tuple(head["chain"]["component"]),
        evidence=f"{head['chain']['evidence']}: {head['chain']['source']}",
    )


def _check(head: Mapping[str, Any], where: str) -> None:
    if head.get("schema") != 1 or head["chain"]["decimals"] != 3:
        raise ModelFolderError(f"{where}: only schema 1 with 3 decimals is known")
    steps = head["chain"]["component"]
    if odd := set(steps) - set(STEPS):
        raise ModelFolderError(f"{where}: unknown steps {sorted(odd)}")
    if steps[-1] != "round" or head["chain"]["blend"] != ["weigh", "round"]:
        raise ModelFolderError(f"{where}: a chain ends in round, a blend is weigh, round")
    if sum(Fraction(c["weight"]["value"]) for c in head["component"]) != 1:
        raise ModelFolderError(f"{where}: the weights do not add up to 1")


def _component(row: Mapping[str, Any], where: str) -> Component:
    names = ("weight", "normalization_factor", "coding_adjustment", "diagnosis_sources")
    return Component(row["model"], *(read_cited(row, name, where) for name in names))


def component_score(raw: Thousandths, component: Component, year: PaymentYear) -> Thousandths:
    """Apply a component's steps to raw scores (thousandths in, thousandths out)."""
    return _apply(raw, year.component_steps, component)


def blend(scores: Sequence[Thousandths], year: PaymentYear) -> Thousandths:
    """Add the components' payment scores by weight and round (thousandths in and out)."""
    weights = [Fraction(c.weight.number) for c in year.components]
    common = int(np.lcm.reduce([w.denominator for w in weights]))
    total = sum(score * int(weight * common) for score, weight in zip(scores, weights, strict=True))
    return round_half_up(np.asarray(total, dtype=np.int64), common)


def round_half_up(numerator: Thousandths, denominator: int) -> Thousandths:
    """Divide, rounding halves away from zero as SAS ROUND does.

    >>> round_half_up(np.array([5, -5, 4]), 10).tolist()
    [1, -1, 0]
    """
    size = (2 * np.abs(numerator) + denominator) // (2 * denominator)
    return np.where(numerator < 0, -size, size)


def chain_of(raw: int, component: Component, year: PaymentYear) -> list[Step]:
    """Return each step of one component's chain for one raw score, exactly."""
    value, steps = Fraction(raw, 1000), []
    for name in year.component_steps:
        if name == "round":
            value = Fraction(int(round_half_up(np.array([value.numerator * 1000]),
                                               value.denominator)[0]), 1000)  # fmt: skip
            steps.append(Step("round", "3 decimals", value))
        else:
            factor = _factor(name, component)
            value *= factor
            steps.append(Step(name, _shown(name, component), value))
    return steps


def _apply(score: Thousandths, steps: Sequence[str], component: Component) -> Thousandths:
    """Run the steps on integers: factors pile up as a fraction until the next rounding."""
    value, pending = score.astype(np.int64), Fraction(1)
    for name in steps:
        if name == "round":
            value = round_half_up(value * pending.numerator, pending.denominator)
            pending = Fraction(1)
        else:
            pending *= _factor(name, component)
    return value


def _factor(name: str, component: Component) -> Fraction:
    if name == "normalize":
        return 1 / Fraction(component.normalization_factor.number)
    return 1 - Fraction(component.coding_adjustment.number)


def _shown(name: str, component: Component) -> str:
    if name == "normalize":
        return f"/ {component.normalization_factor.value}"
    return f"x (1 - {component.coding_adjustment.value})"
