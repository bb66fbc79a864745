"""What to score and how: the models of a payment year, segments, errors, memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from riskadj.catalog import resolve_model
from riskadj.engine.diagnoses import Counting
from riskadj.errors import InputError, OptionError
from riskadj.features.rulebook import Rulebook, compile_rulebook
from riskadj.model import RiskModel
from riskadj.scoring.payment import PaymentYear, load_payment_year

OnError = Literal["raise", "quarantine"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to score: rulebooks, and how the payment year turns their scores into one.

    Attributes
    ----------
    books
        One rulebook a component.
    payment
        The payment year's chain, or None for raw scores only.
    segment
        Forces this segment; ``all_segments`` prices every one instead.
    """

    books: tuple[Rulebook, ...]
    payment: PaymentYear | None = None
    segment: str | None = None
    all_segments: bool = False

    @property
    def models(self) -> tuple[str, ...]:
        """The keys of the models."""
        return tuple(b.model.key for b in self.books)

    @property
    def caveats(self) -> tuple[str, ...]:
        """What every output must say of the models and the chain."""
        own = [f"{b.model.key}: {c}" for b in self.books for c in b.model.facts.caveats]
        chain = (
            [f"payment chain {self.payment.key}: {self.payment.evidence}"] if self.payment else []
        )
        return (*own, *chain, *(self.payment.single_sources if self.payment else ()))


@dataclass(frozen=True, slots=True)
class Options:
    """How to run: errors, memory, threads.

    Attributes
    ----------
    on_error
        ``raise`` stops at bad members; ``quarantine`` scores the rest and lists them.
    memory_limit, threads
        For the engine; such as ``"1GB"``.
    """

    on_error: OnError = "raise"
    memory_limit: str | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.on_error not in ("raise", "quarantine"):
            raise OptionError(f"on_error is {self.on_error!r}; expected 'raise' or 'quarantine'")


def plan_model(model: RiskModel, segment: str | None = None, all_segments: bool = False) -> Plan:
    """Plan raw scores of one model."""
    book = compile_rulebook(model)
    if segment is not None and (all_segments or segment not in book.segments):
        raise OptionError(
            f"segment {segment!r}: expected one of {', '.join(book.segments)}, "
            "and not together with all_segments"
        )
    return Plan((book,), None, segment, all_segments)


def plan_payment_year(
    payer: str, payment_year: int, models: Mapping[str, str | Path] | None = None
) -> Plan:
    """Plan the payment scores of a year.

    Parameters
    ----------
    models
        Models to take instead of the published ones, by the key they replace.
    """
    year = load_payment_year(payer, payment_year)
    instead = dict(models or {})
    if odd := sorted(set(instead) - {c.model for c in year.components}):
        wanted = ", ".join(c.model for c in year.components)
        raise OptionError(f"{year.key} does not use {', '.join(odd)}; it uses {wanted}")
    chosen = [resolve_model(instead.get(c.model, c.model)) for c in year.components]
    for model, component in zip(chosen, year.components, strict=True):
        family = component.model.partition("/")[0]
        if (model.facts.model, model.facts.payment_year) != (family, payment_year):
            raise OptionError(
                f"{model.key} is {model.facts.model} of {model.facts.payment_year}; "
                f"{year.key} pays by {component.model}"
            )
    return Plan(tuple(compile_rulebook(m) for m in chosen), year)


def counting_of(plan: Plan) -> Counting:
    """Say which diagnoses the plan's payment year counts."""
    components = plan.payment.components if plan.payment else ()
    sources = {tuple(c.diagnosis_sources.value) for c in components}
    years = {b.model.facts.payment_year for b in plan.books}
    if len(sources) > 1 or len(years) > 1:
        raise InputError("the year's models differ in payment year or diagnosis sources")
    return Counting(years.pop() - 1, sources.pop() if sources else ())
