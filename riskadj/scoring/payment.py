"""From raw scores to payment scores by the written chain of a program and year."""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskadj.catalog import models_root
from riskadj.cited import Cited, read_cited
from riskadj.errors import ModelFolderError, NotPublishedError, OptionError

Thousandths = NDArray[np.int64]
STEPS = {
    "normalize": ("normalization_factor", "/"),
    "coding_adjustment": ("coding_adjustment", "x 1 -"),
    "renormalize": ("national_mean", "/"),
    "growth_cap": ("growth_cap_factor", "x"),
    "coding_intensity": ("coding_intensity_factor", "/"),
}
"""Each step of a chain besides ``round``: the component's value that it uses, and how."""
MOST_INT64 = 1 << 38
"""Scores, in thousandths below 2^22, times twice such a number fit 64 bits.

More digits take Python's integers.
"""
SUPPLIED, UNVERIFIED = "supplied", "unverified"
FRAILTY, MSP = "frailty_factor", "medicare_secondary_payer_factor"
"""Values that any user may supply, where the program has a use for them."""


@dataclass(frozen=True, slots=True)
class Component:
    """One model's share of a payment year.

    Attributes
    ----------
    when
        Whose share it is, as a guard over a member's status; empty for everybody.
    values
        The cited values that the chain's steps use, by name. A value that the user must supply
        is None until it is.
    """

    model: str
    when: str
    weight: Cited
    diagnosis_sources: Cited
    values: Mapping[str, Cited]

    @property
    def cited(self) -> dict[str, Cited]:
        """Every value of the component, by name."""
        return {"weight": self.weight, **self.values, "diagnosis_sources": self.diagnosis_sources}

    @property
    def unverified(self) -> tuple[str, ...]:
        """The names of values that no document read bears out."""
        return tuple(name for name, c in self.cited.items() if c.evidence == UNVERIFIED)


@dataclass(frozen=True, slots=True)
class PaymentYear:
    """How a program turns raw scores into payment scores in one year.

    Attributes
    ----------
    component_steps
        The chain of one component, in order; see ``models/payment``. A blend is always weighed
        and then rounded.
    frailty
        Whose score a contract's frailty factor is added to, and where that is said; None where
        the program has none.
    entitled
        ``part_a and part_b`` or ``part_a or part_b``: who is paid for in a month.
    unpaid_months
        The flag of a month that is not paid: ``hospice`` or empty.
    evidence
        How well the order and the rounding are known.
    """

    program: str
    payment_year: int
    components: tuple[Component, ...]
    component_steps: tuple[str, ...]
    frailty: Cited | None
    entitled: Cited
    unpaid_months: Cited
    evidence: str

    @property
    def key(self) -> str:
        """Such as ``ma/2024``."""
        return f"{self.program}/{self.payment_year}"

    @property
    def month_rules(self) -> dict[str, Cited]:
        """The rules of which months are paid, by name."""
        return {"entitled": self.entitled, "unpaid_months": self.unpaid_months}

    @property
    def unverified_months(self) -> dict[str, Cited]:
        """Those of the rules of paid months that no document read bears out."""
        return {name: c for name, c in self.month_rules.items() if c.evidence == UNVERIFIED}

    @property
    def month_caveats(self) -> tuple[str, ...]:
        """What an output must say of which months are paid."""
        return tuple(
            f"payment {self.key}: {name.replace('_', ' ')} {c.value or 'none'} is unverified and "
            f"was accepted ({c.source})"
            for name, c in self.unverified_months.items()
        )

    def caveats_of(self, components: Sequence[Component]) -> tuple[str, ...]:
        """Return what an output must say of the chain and of the values of some components."""
        grades = {"single source": "rests on a single source", SUPPLIED: "was supplied",
                  UNVERIFIED: "is unverified and was accepted"}  # fmt: skip
        found = [
            f"payment {self.key}: {name.replace('_', ' ')} {_told(cited.value)} of {c.model}"
            f"{f' ({c.when})' if c.when else ''} {grades[cited.evidence]} ({cited.source})"
            for c in components
            for name, cited in c.cited.items()
            if cited.evidence in grades
        ]
        return (f"payment chain {self.key}: {self.evidence}", *dict.fromkeys(found))


def _told(value: Any) -> str:
    return ", ".join(value) or "all" if isinstance(value, list) else str(value)


@dataclass(frozen=True, slots=True)
class Step:
    """One written step of the chain for one member: what was done and what came out."""

    name: str
    factor: str
    value: Fraction


def payers() -> list[str]:
    """Return the programs that have payment rules."""
    return sorted(p.name for p in (models_root() / "payment").iterdir() if p.is_dir())


def years_of(payer: str) -> list[int]:
    """Return the payment years of a program."""
    return sorted(int(p.stem) for p in (models_root() / "payment" / payer).glob("*.toml"))


def load_payment_year(
    payer: str, payment_year: int, supplied: Mapping[str, Cited] | None = None
) -> PaymentYear:
    """Read ``models/payment/<payer>/<payment_year>.toml``.

    Parameters
    ----------
    supplied
        What the program asks the user for, by name: see ``read_supplied``.

    Raises
    ------
    NotPublishedError
        The payer or the year has no file, or a value of it was found nowhere.
    OptionError
        A value that the program asks for is not supplied.
    """
    there = payers()
    if payer not in there:
        raise NotPublishedError(f"No payer {payer!r}. There are: {', '.join(there)}")
    if payment_year not in years_of(payer):
        known = ", ".join(map(str, years_of(payer)))
        raise NotPublishedError(f"No payment rules for {payer!r} {payment_year}. Known: {known}")
    path = models_root() / "payment" / payer / f"{payment_year}.toml"
    head = tomllib.loads(path.read_text(encoding="utf-8"))
    _check(head, str(path))
    reader = _Reader(str(path), dict(supplied or {}))
    _check_supplied(head, f"{payer}/{payment_year}", reader.supplied)
    steps = tuple(head["chain"]["component"])
    return PaymentYear(
        program=payer,
        payment_year=payment_year,
        components=tuple(reader.component(row, steps) for row in head["component"]),
        component_steps=steps,
        frailty=read_cited(head, "frailty", str(path)) if "frailty" in head else None,
        entitled=read_cited(head, "entitled", str(path)),
        unpaid_months=read_cited(head, "unpaid_months", str(path)),
        evidence=f"{head['chain']['evidence']}: {head['chain']['source']}",
    )


def _check(head: Mapping[str, Any], where: str) -> None:
    if head.get("schema") != 1 or head["chain"]["decimals"] != 3:
        raise ModelFolderError(f"{where}: only schema 1 with 3 decimals is known")
    steps = head["chain"]["component"]
    if odd := set(steps) - {*STEPS, "round"}:
        raise ModelFolderError(f"{where}: unknown steps {sorted(odd)}")
    if head["entitled"]["value"] not in ("part_a and part_b", "part_a or part_b"):
        raise ModelFolderError(f"{where}: entitled is neither both parts of Medicare nor either")
    if steps[-1] != "round" or head["chain"]["blend"] != ["weigh", "round"]:
        raise ModelFolderError(f"{where}: a chain ends in round, a blend is weigh, round")
    totals: dict[str, Fraction] = {}
    for row in head["component"]:
        when = row.get("when", "")
        totals[when] = totals.get(when, Fraction(0)) + Fraction(row["weight"]["value"])
    if set(totals.values()) != {Fraction(1)}:
        raise ModelFolderError(f"{where}: the weights of one status do not add up to 1")


def _asked(head: Mapping[str, Any]) -> dict[str, str]:
    """Return what a program may ask the user for: name and what it is."""
    asked = {
        value["supply"]: value["what"]
        for row in head["component"] for value in row.values()
        if isinstance(value, Mapping) and "supply" in value
    }  # fmt: skip
    if "frailty" in head:
        asked[FRAILTY] = "the contract's frailty factor, added to the score"
    return asked | {MSP: "what part of a month's payment is left where Medicare is secondary"}


def asked_of_user(payer: str, payment_year: int) -> dict[str, str]:
    """Return what a program may ask its user for: name and what it is."""
    path = models_root() / "payment" / payer / f"{payment_year}.toml"
    return _asked(tomllib.loads(path.read_text(encoding="utf-8")))


def _check_supplied(head: Mapping[str, Any], key: str, supplied: Mapping[str, Cited]) -> None:
    """Refuse to go on without all that only the user knows."""
    optional = {FRAILTY, MSP}
    lacking = {n: what for n, what in _asked(head).items() if n not in {*supplied, *optional}}
    if lacking:
        lines = "\n".join(f'  {n} = {{ value = "", source = "" }}    # {what}'
                          for n, what in lacking.items())  # fmt: skip
        raise OptionError(f"{key} needs values that only you know: fill in, and give the file as "
                          f"--parameters:\n{lines}")  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads components, filling in what the user supplied."""

    where: str
    supplied: Mapping[str, Cited]

    def component(self, row: Mapping[str, Any], steps: Sequence[str]) -> Component:
        names = [STEPS[s][0] for s in steps if s != "round"]
        known = {"model", "when", "weight", "diagnosis_sources", *names}
        if odd := sorted(set(row) - known):
            raise ModelFolderError(f"{self.where}: no step of the chain uses {', '.join(odd)}")
        return Component(
            model=row["model"],
            when=row.get("when", ""),
            weight=read_cited(row, "weight", self.where),
            diagnosis_sources=read_cited(row, "diagnosis_sources", self.where),
            values={name: self._value(row, name) for name in names},
        )

    def _value(self, row: Mapping[str, Any], name: str) -> Cited:
        asked = row.get(name)
        if not isinstance(asked, Mapping) or "supply" not in asked:
            return read_cited(row, name, self.where)
        given = self.supplied[asked["supply"]]
        return Cited(given.value, given.source, SUPPLIED)


def read_supplied(path: Path) -> dict[str, Cited]:
    """Read values that the user supplies: TOML, ``name = { value = "0.985", source = "..." }``.

    Raises
    ------
    OptionError
        The file cannot be read, or a value is not a decimal with its source.
    """
    try:
        rows = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        raise OptionError(f"--parameters {path}: cannot be read as TOML") from None
    found = {}
    for name, row in rows.items():
        keys = set(row) if isinstance(row, Mapping) else set()
        if keys != {"value", "source"} or not str(row["source"]).strip():
            raise OptionError(f'{path}: write {name} = {{ value = "0.985", source = "..." }}')
        value = row["value"]
        if not isinstance(value, str) or not re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
            raise OptionError(f"{path}: the value of {name} is not a decimal in quotes, from 0 up")
        if name == MSP and Fraction(value) > 1:
            raise OptionError(f"{path}: {name} is above 1: it is the part of the payment left")
        found[name] = Cited(value, str(row["source"]), SUPPLIED)
    return found


def frailty_of(supplied: Mapping[str, Cited]) -> int:
    """Return the contract's frailty factor in thousandths, 0 if none is supplied.

    Raises
    ------
    OptionError
        It has more than three decimals.
    """
    given = Fraction(supplied[FRAILTY].number if FRAILTY in supplied else 0) * 1000
    if given.denominator != 1:
        raise OptionError(f"{FRAILTY} has more than three decimals: scores have three")
    return int(given)


def refuse_unused(
    supplied: Mapping[str, Cited], years: Iterable[tuple[str, int]], unused: Iterable[str] = ()
) -> None:
    """Refuse a supplied value that none of some programs and years takes, or that is ``unused``.

    Raises
    ------
    OptionError
        With what they take. A program or year that is not there takes nothing.
    """
    keys = list(dict.fromkeys(years))
    there = [(p, y) for p, y in keys if p in payers() and y in years_of(p)]
    asked = {name for p, y in there for name in asked_of_user(p, y)} - set(unused)
    if odd := sorted(set(supplied) - asked):
        named = ", ".join(f"{p} {y}" for p, y in keys)
        raise OptionError(f"{named} has no use for {', '.join(odd)} here; "
                          f"it takes {', '.join(sorted(asked)) or 'nothing'}")  # fmt: skip


def component_score(raw: Thousandths, component: Component, year: PaymentYear) -> Thousandths:
    """Apply a component's steps to raw scores (thousandths in, thousandths out)."""
    return _apply(raw, year.component_steps, component)


def common_weights(components: Sequence[Component]) -> tuple[list[int], int]:
    """Return the weights as whole numbers over one denominator.

    >>> from riskadj.scoring.payment import load_payment_year
    >>> common_weights(load_payment_year("ma", 2024).components)
    ([67, 33], 100)
    """
    weights = [Fraction(c.weight.number) for c in components]
    common = int(np.lcm.reduce([w.denominator for w in weights]))
    return [int(w * common) for w in weights], common


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
            value *= _factor(name, component)
            steps.append(Step(name, _shown(name, component), value))
    return steps


def _apply(score: Thousandths, steps: Sequence[str], component: Component) -> Thousandths:
    """Run the steps on integers: factors pile up as a fraction until the next rounding."""
    value, pending = score.astype(np.int64), Fraction(1)
    for name in steps:
        if name == "round":
            fits = max(pending.numerator, pending.denominator) < MOST_INT64
            exact = value if fits else value.astype(object)
            value = round_half_up(exact * pending.numerator, pending.denominator).astype(np.int64)
            pending = Fraction(1)
        else:
            pending *= _factor(name, component)
    return value


def _factor(name: str, component: Component) -> Fraction:
    key, how = STEPS[name]
    number = Fraction(component.values[key].number)
    if how != "x 1 -" and number <= 0:
        raise OptionError(f"{key} {number} of {component.model} is not above 0")
    return {"/": lambda: 1 / number, "x": lambda: number, "x 1 -": lambda: 1 - number}[how]()


def _shown(name: str, component: Component) -> str:
    key, how = STEPS[name]
    value = component.values[key].value
    return f"x (1 - {value})" if how == "x 1 -" else f"{how} {value}"
