"""What to score and how: the models of a payment year, segments, errors, memory."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from riskadj.cited import Cited
from riskadj.engine.words import Lane
from riskadj.errors import InputError, OptionError
from riskadj.features.profiles import Profiles, union_of
from riskadj.features.rulebook import Rulebook, compile_rulebook
from riskadj.model import RiskModel
from riskadj.scoring.payment import Component, PaymentYear

OnError = Literal["raise", "quarantine"]
NO_ESRD_MODEL = "esrd_status is not none: no model asked for here pays ESRD months"
ESRD_ONLY = "esrd_status is none: ESRD models pay ESRD months only"

Members = NDArray[np.bool_]
"""Which profiles: bool, shape (n_profiles,)."""


class Share(NamedTuple):
    """A component of a payment year, the lane whose scores it pays, and whose scores.

    ``weight`` is a whole number over the plan's common denominator.
    """

    lane: int
    component: Component
    pays: Members
    weight: int


class Program(NamedTuple):
    """A payment year in a plan.

    Attributes
    ----------
    common
        The denominator of the shares' weights.
    frailty
        Thousandths that are added to the score of ``frail`` profiles; 0 if nothing was supplied.
    barred
        Why some of the year's components pay nobody.
    """

    year: PaymentYear
    shares: tuple[Share, ...]
    common: int
    frailty: int
    frail: Members
    barred: tuple[str, ...] = ()

    @property
    def unpaid(self) -> str:
        """What is said of members, or months, that no model of the program pays."""
        return "; ".join((self.year.key, *self.barred))


@dataclass(frozen=True, slots=True)
class Plan:
    """What to score: rulebooks, and how payment years turn their scores into one.

    Attributes
    ----------
    lanes
        One a rulebook and set of diagnosis sources.
    profiles
        The axes that the lanes and the shares' guards ask for.
    seen : tuple of int32, shape (n_profiles,)
        Each lane's own profile of a profile.
    programs
        The payment years' chains; none for raw scores only.
    segment
        Forces this segment; ``all_segments`` prices every one instead.
    refused
        Why members of some profiles are paid by no model.
    """

    lanes: tuple[Lane, ...]
    profiles: Profiles
    seen: tuple[NDArray[np.int32], ...]
    programs: tuple[Program, ...] = ()
    segment: str | None = None
    all_segments: bool = False
    refused: tuple[tuple[str, Members], ...] = ()

    @property
    def books(self) -> tuple[Rulebook, ...]:
        """The lanes' rulebooks."""
        return tuple(lane.book for lane in self.lanes)

    @property
    def names(self) -> tuple[str, ...]:
        """Each lane's model, with its sources where a model has more than one lane."""
        keys = [b.model.key for b in self.books]
        return tuple(
            key if keys.count(key) == 1 else f"{key} ({', '.join(lane.data_sources)})"
            for key, lane in zip(keys, self.lanes, strict=True)
        )

    @property
    def models(self) -> tuple[str, ...]:
        """The keys of the models."""
        return tuple(dict.fromkeys(b.model.key for b in self.books))

    @property
    def forced(self) -> bool:
        """Whether segments are forced, so that the member's status does not choose one."""
        return self.segment is not None or self.all_segments

    @property
    def refuse_esrd(self) -> bool:
        """Whether ESRD members are refused because nothing asks for ESRD status."""
        return not self.forced and "esrd_stage" not in self.profiles.axes

    @property
    def service_year(self) -> int:
        """The data-collection year: the calendar year before the payment year."""
        years = {b.model.facts.payment_year for b in self.books}
        if len(years) > 1:
            raise InputError("the models differ in their payment year: score them apart")
        return years.pop() - 1

    @property
    def age_reference(self) -> str:
        """The date at which age counts, in ISO form."""
        days = {b.model.facts.age_reference for b in self.books}
        if len(days) > 1:
            raise InputError("the models differ in the date at which age counts: score them apart")
        return f"{self.service_year + 1}-{days.pop()}"

    @property
    def caveats(self) -> tuple[str, ...]:
        """What may have to be said of the models and the chains."""
        return self.caveats_of([True] * len(self.lanes))

    def caveats_of(self, used: Sequence[object]) -> tuple[str, ...]:
        """Return what every output must say of the lanes that scored somebody."""
        own = [f"{lane.book.model.key}: {c}" for lane, scored in zip(self.lanes, used, strict=True)
               if scored for c in lane.book.model.facts.caveats]  # fmt: skip
        chains: list[str] = []
        for program in self.programs:
            paying = [s.component for s in program.shares if used[s.lane]]
            chains += program.year.caveats_of(paying) if paying else ()
            if paying and program.frailty:
                added = f"{program.frailty / 1000:.3f}"
                chains.append(f"payment {program.year.key}: frailty factor {added} was supplied")
        return (*dict.fromkeys(own), *chains)


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


@dataclass(frozen=True, slots=True)
class Terms:
    """What a user says about a program's values.

    Attributes
    ----------
    accept_unverified
        Use values that no document read bears out, or on which documents disagree; else the
        members they would pay are refused, and so are months if which are paid is such a value.
    supplied
        What the program asks the user for: see ``payment.read_supplied``.
    """

    accept_unverified: bool = False
    supplied: Mapping[str, Cited] = field(default_factory=dict)


NO_TERMS = Terms()


def plan_model(model: RiskModel, segment: str | None = None, all_segments: bool = False) -> Plan:
    """Plan raw scores of one model."""
    book = compile_rulebook(model)
    if segment is not None and (all_segments or segment not in book.segments):
        raise OptionError(
            f"segment {segment!r}: expected one of {', '.join(book.segments)}, "
            "and not together with all_segments"
        )
    if segment is None and not all_segments:
        return plan_models([model])
    everybody = np.arange(book.profiles.size, dtype=np.int32)
    return Plan((Lane(book),), book.profiles, (everybody,), (), segment, all_segments)


def plan_models(models: Sequence[RiskModel]) -> Plan:
    """Plan raw scores of several models in one pass; each scores the members it is for."""
    books = [compile_rulebook(m) for m in models]
    if len({b.model.key for b in books}) < len(books):
        raise OptionError("a model is given twice")
    profiles = union_of(b.profiles for b in books)
    seen = [profiles.as_seen_by(b.profiles) for b in books]
    takes = [is_for(b, profiles, s) for b, s in zip(books, seen, strict=True)]
    lanes = tuple(Lane(b, (), or_none(t)) for b, t in zip(books, takes, strict=True))
    return Plan(lanes, profiles, tuple(seen), refused=refused(profiles, takes))


def is_for(book: Rulebook, profiles: Profiles, seen: NDArray[np.int32]) -> Members:
    """Say which profiles a model has a segment for; one that never asks for ESRD is not for it."""
    members = book.segment_of[seen] >= 0
    if "esrd_stage" in profiles.axes and "esrd_stage" not in book.profiles.axes:
        members &= profiles.values()["esrd_stage"] == 0
    return members


def or_none(members: Members) -> Members | None:
    """Return None for everybody: then nobody has to be picked out."""
    return None if members.all() else members


NOBODYS = "no model has a segment, or a payment, for this status"


def refused(
    profiles: Profiles, takes: Iterable[Members], why: Iterable[tuple[str, Members]] = ()
) -> tuple[tuple[str, Members], ...]:
    """Return the profiles that nothing takes, with the reason that is known of them."""
    left = ~np.logical_or.reduce(list(takes))
    found = []
    for reason, members in (*why, *_by_esrd(profiles), (NOBODYS, np.ones_like(left))):
        if (these := left & members).any():
            found.append((reason, these))
            left = left & ~members
    return tuple(found)


def _by_esrd(profiles: Profiles) -> Iterator[tuple[str, Members]]:
    if "esrd_stage" in profiles.axes:
        none = profiles.values()["esrd_stage"] == 0
        yield ESRD_ONLY, none
        yield NO_ESRD_MODEL, ~none
