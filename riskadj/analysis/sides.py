"""The two models of an analysis over the profiles of both: whom each scores, how each is paid."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from riskadj.analysis.parts import Points
from riskadj.errors import NotPublishedError
from riskadj.features.profiles import Profiles, holds, status_facts, union_of
from riskadj.features.rulebook import Rulebook
from riskadj.model import RiskModel
from riskadj.scoring.payment import (
    FRAILTY,
    MSP,
    Component,
    PaymentYear,
    component_score,
    load_payment_year,
    payers,
    refuse_unused,
)
from riskadj.scoring.plan import NO_TERMS, Members, Terms, is_for


@dataclass(frozen=True, slots=True)
class PaidBy:
    """Whose payment scores to compare.

    Attributes
    ----------
    payment_year
        Pays by both models; None for each model's own payment year.
    terms
        What the user says about the program's values.
    """

    payer: str = "ma"
    payment_year: int | None = None
    terms: Terms = NO_TERMS


@dataclass(frozen=True, slots=True)
class Payment:
    """How a program pays a model's raw scores in one year.

    Attributes
    ----------
    components
        The components whose model it is, each for members of its own status.
    """

    year: PaymentYear
    components: tuple[Component, ...]

    @property
    def data_sources(self) -> tuple[str, ...]:
        """Whose diagnoses count; the same for all components."""
        return tuple(self.components[0].diagnosis_sources.value)


@dataclass(frozen=True, slots=True)
class Side:
    """One of two models.

    Attributes
    ----------
    seen : int32, shape (n_profiles,)
        The model's own profile of a profile of both.
    takes : bool, shape (n_profiles,)
        Whom it scores and, if a payment is asked for, is paid for.
    payment
        None for raw scores.
    pays : tuple of bool, shape (n_profiles,)
        Whom each component of the payment pays for.
    """

    book: Rulebook
    seen: NDArray[np.int32]
    takes: Members
    payment: Payment | None = None
    pays: tuple[Members, ...] = ()

    @property
    def data_sources(self) -> tuple[str, ...]:
        """Whose diagnoses count; empty for all."""
        return self.payment.data_sources if self.payment else ()

    def paid(self, raw: Points, profile: NDArray[np.int32]) -> Points:
        """Return payment scores (thousandths), or the raw ones where no payment is asked for."""
        if self.payment is None:
            return raw
        score = raw
        for component, pays in zip(self.payment.components, self.pays, strict=True):
            chained = component_score(raw, component, self.payment.year)
            score = np.where(pays[profile], chained, score)
        return score


def sides_of(
    books: Sequence[Rulebook], payments: Sequence[Payment | None]
) -> tuple[Profiles, list[Side]]:
    """Bring models to the axes that any of them, or of their payments' guards, asks for."""
    guards = [c.when for p in payments if p for c in p.components]
    profiles = union_of((b.profiles for b in books), guards)
    facts, found = status_facts(profiles), []
    for book, payment in zip(books, payments, strict=True):
        seen = profiles.as_seen_by(book.profiles)
        takes = is_for(book, profiles, seen)
        pays = tuple(takes & holds(c.when, facts) for c in payment.components) if payment else ()
        takes = np.logical_or.reduce(pays) if pays else takes
        found.append(Side(book, seen, takes, payment, pays))
    return profiles, found


def reference_day(model: RiskModel) -> dt.date:
    """Return the day of the payment year at which a model counts age."""
    return dt.date.fromisoformat(f"{model.facts.payment_year}-{model.facts.age_reference}")


def payments_of(
    models: Sequence[RiskModel], paid_by: PaidBy | None
) -> tuple[list[Payment | None], list[str]]:
    """Return how a program pays each model; None for all of them, and a note that says why.

    Raises
    ------
    NotPublishedError
        There is no such program, or no such year of it.
    OptionError
        The program asks for a value that was not supplied, or one was that it has no use for: a
        contract's frailty and the secondary payer's factor are of no model.
    """
    nothing: list[Payment | None] = [None for _ in models]
    if paid_by is None:
        return nothing, ["raw scores are compared: no payment year was given"]
    if paid_by.payer not in payers():
        raise NotPublishedError(f"No payer {paid_by.payer!r}. There are: {', '.join(payers())}")
    years = [(paid_by.payer, paid_by.payment_year or m.facts.payment_year) for m in models]
    refuse_unused(paid_by.terms.supplied, years, (FRAILTY, MSP))
    found = [_payment(model, paid_by) for model in models]
    paid: list[Payment | None] = [p for p in found if isinstance(p, Payment)]
    reasons = [f"raw scores are compared: {why}" for why in found if isinstance(why, str)]
    return (nothing, reasons) if reasons else (paid, [])


def _payment(model: RiskModel, paid_by: PaidBy) -> Payment | str:
    """Return a model's payment, or why it has none."""
    year, own = paid_by.payment_year, model.facts.payment_year
    try:
        rules = load_payment_year(paid_by.payer, year or own, paid_by.terms.supplied)
    except NotPublishedError as error:
        if year is not None:
            raise
        return str(error)
    shares = tuple(c for c in rules.components if c.model == f"{model.facts.model}/{own}")
    if not shares:
        return f"{rules.key} does not pay by {model.key}"
    if len({tuple(c.diagnosis_sources.value) for c in shares}) > 1:
        return f"{rules.key} pays by {model.key} twice, with diagnoses of different sources"
    unverified = sorted({n.replace("_", " ") for c in shares for n in c.unverified})
    if unverified and not paid_by.terms.accept_unverified:
        named = f"{', '.join(unverified)} of {model.key} in {rules.key}"
        return f"{named} is unverified: --accept-unverified"
    return Payment(rules, shares)


def as_name(model: str) -> str | Path:
    """Return a model as ``resolve_model`` takes it: a folder as a path, else the key."""
    return Path(model) if Path(model).is_dir() else model


def caveats_of(sides: Sequence[Side]) -> tuple[str, ...]:
    """Return what every output must say of the models and the chains."""
    own = [f"{s.book.model.key}: {c}" for s in sides for c in s.book.model.facts.caveats]
    chains = [
        c for s in sides if s.payment for c in s.payment.year.caveats_of(s.payment.components)
    ]
    return tuple(dict.fromkeys([*own, *chains]))
