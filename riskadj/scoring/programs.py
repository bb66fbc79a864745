"""From payment years to a plan: which model pays whom, by whose diagnoses, at what weight."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from riskadj.catalog import resolve_model
from riskadj.engine.words import Lane
from riskadj.errors import ModelFolderError, OptionError
from riskadj.features.profiles import Facts, Profiles, holds, status_facts, union_of
from riskadj.features.rulebook import Rulebook, compile_rulebook
from riskadj.model import RiskModel
from riskadj.scoring.payment import (
    MSP,
    Component,
    PaymentYear,
    common_weights,
    frailty_of,
    load_payment_year,
    refuse_unused,
)
from riskadj.scoring.plan import (
    NO_TERMS,
    Members,
    Plan,
    Program,
    Share,
    Terms,
    is_for,
    or_none,
    refused,
)


def plan_payment_year(
    payer: str,
    payment_year: int,
    models: Mapping[str, str | Path] | None = None,
    terms: Terms = NO_TERMS,
) -> Plan:
    """Plan the payment scores of a year.

    Parameters
    ----------
    models
        Models to take instead of the published ones, by the key they replace.

    Raises
    ------
    NotPublishedError
        The year, or every model that it blends, is not published.
    OptionError
        All members would be paid by unverified values, or a value must be supplied.
    """
    year = load_payment_year(payer, payment_year, terms.supplied)
    _check_instead(year, dict(models or {}))
    usable, barred = _usable(year, terms.accept_unverified)
    chosen = {c.model: _chosen(c, year, dict(models or {})) for c in usable}
    books = {key: compile_rulebook(model) for key, model in chosen.items()}
    added = frailty_of(terms.supplied) if year.frailty else 0
    frail = year.frailty.value if year.frailty and added else ""
    guards = [*(c.when for c in year.components), frail]
    profiles = union_of((b.profiles for b in books.values()), guards)
    facts = status_facts(profiles)
    lanes, seen, shares = _shares(usable, books, profiles, facts)
    takes = [np.logical_or.reduce([s.pays for s in shares if s.lane == i])
             for i in range(len(lanes))]  # fmt: skip
    common = common_weights(usable)[1]
    reasons = tuple(why for _, why in barred)
    program = Program(year, shares, common, added, holds(frail, facts), reasons)
    _check_whole(program)
    return Plan(
        tuple(replace(lane, takes=or_none(t)) for lane, t in zip(lanes, takes, strict=True)),
        profiles, seen, (program,),
        refused=refused(profiles, takes, [(why, holds(when, facts)) for when, why in barred]),
    )  # fmt: skip


def _shares(
    usable: Sequence[Component], books: Mapping[str, Rulebook], profiles: Profiles, facts: Facts
) -> tuple[list[Lane], tuple[NDArray[np.int32], ...], tuple[Share, ...]]:
    """Return a lane for each model and set of sources, its profiles, and whom it pays for what."""
    kinds = list(dict.fromkeys((c.model, tuple(c.diagnosis_sources.value)) for c in usable))
    lanes = [Lane(books[model], sources) for model, sources in kinds]
    seen = [profiles.as_seen_by(lane.book.profiles) for lane in lanes]
    fits = [is_for(lane.book, profiles, s) for lane, s in zip(lanes, seen, strict=True)]
    shares = []
    for c, weight in zip(usable, common_weights(usable)[0], strict=True):
        i = kinds.index((c.model, tuple(c.diagnosis_sources.value)))
        shares.append(Share(i, c, fits[i] & holds(c.when, facts), weight))
    return lanes, tuple(seen), tuple(shares)


def _check_whole(program: Program) -> None:
    """Refuse a program that would pay a status by a part of a blend, or twice.

    Raises
    ------
    ModelFolderError
        The weights of the models that pay some status do not add up to 1.
    """
    paid = np.sum([s.pays * s.weight for s in program.shares], axis=0)
    if not np.isin(paid, (0, program.common)).all():
        raise ModelFolderError(f"{program.year.key}: some members would be paid by a part of it")


def plan_payers(
    payers: Sequence[str],
    payment_year: int,
    terms: Terms = NO_TERMS,
    models: Mapping[str, str | Path] | None = None,
    monthly: bool = False,
) -> Plan:
    """Plan several programs of one year, so that one pass over the claims serves them all.

    ``monthly`` scores are those that know which months are paid, and in which of them Medicare is
    the secondary payer.

    Raises
    ------
    OptionError
        No program has a use for a value that was supplied, or which months are paid is unverified;
        and as ``plan_payment_year``.
    """
    if not payers:
        raise OptionError("payer: name at least one program")
    refuse_unused(terms.supplied, [(p, payment_year) for p in payers], () if monthly else (MSP,))
    plans = [plan_payment_year(p, payment_year, models, terms) for p in payers]
    if monthly and not terms.accept_unverified:
        _check_months([program.year for plan in plans for program in plan.programs])
    return plan_together(plans)


def _check_months(years: Sequence[PaymentYear]) -> None:
    """Refuse to say which months are paid by a rule that no document read bears out."""
    named = [f"{y.key}: {', '.join(n.replace('_', ' ') for n in y.unverified_months)}"
             for y in years if y.unverified_months]  # fmt: skip
    if named:
        raise OptionError(f"{'; '.join(named)} is unverified: --accept-unverified uses it and "
                          "says so")  # fmt: skip


def _usable(
    year: PaymentYear, accept_unverified: bool
) -> tuple[list[Component], list[tuple[str, str]]]:
    """Return the components that can pay, and ``(when, why not)`` of the others.

    Components of one status pay together or not at all.
    """
    unread: dict[str, list[str]] = {}
    for c in year.components:
        if c.unverified and not accept_unverified:
            names = ", ".join(n.replace("_", " ") for n in c.unverified)
            unread.setdefault(c.when, []).append(f"{names} of {c.model}")
    barred = {when: f"{year.key}: {'; '.join(named)} is unverified: --accept-unverified"
              for when, named in unread.items()}  # fmt: skip
    usable = [c for c in year.components if c.when not in barred]
    if not usable:
        raise OptionError("; ".join(barred.values()) + " uses it and says so")
    return usable, list(barred.items())


def _check_instead(year: PaymentYear, instead: Mapping[str, str | Path]) -> None:
    if odd := sorted(set(instead) - {c.model for c in year.components}):
        wanted = ", ".join(dict.fromkeys(c.model for c in year.components))
        raise OptionError(f"{year.key} does not use {', '.join(odd)}; it uses {wanted}")


def _chosen(
    component: Component, year: PaymentYear, instead: Mapping[str, str | Path]
) -> RiskModel:
    model = resolve_model(instead.get(component.model, component.model))
    family = component.model.partition("/")[0]
    if (model.facts.model, model.facts.payment_year) != (family, year.payment_year):
        raise OptionError(
            f"{model.key} is {model.facts.model} of {model.facts.payment_year}; "
            f"{year.key} pays by {component.model}"
        )
    return model


def plan_together(plans: Sequence[Plan]) -> Plan:
    """Join plans of one payment year, so that one pass over the claims serves them all.

    Raises
    ------
    OptionError
        Two of them use the same model: its rows could not be told apart.
    """
    if len(plans) == 1:
        return plans[0]
    names = [n for p in plans for n in p.names]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise OptionError(f"two programs use {', '.join(twice)}: score them apart")
    profiles = union_of(p.profiles for p in plans)
    lanes: list[Lane] = []
    seen: list[NDArray[np.int32]] = []
    programs: list[Program] = []
    takes: list[Members] = []
    for plan in plans:
        wide = profiles.as_seen_by(plan.profiles)
        own = [s[wide] for s in plan.seen]
        fits = [is_for(lane.book, profiles, s) for lane, s in zip(plan.lanes, own, strict=True)]
        for program in plan.programs:
            shares = [s._replace(lane=s.lane + len(lanes), pays=s.pays[wide] & fits[s.lane])
                      for s in program.shares]  # fmt: skip
            frail = program.frail[wide]
            programs.append(program._replace(shares=tuple(shares), frail=frail))
        for lane, fit in zip(plan.lanes, fits, strict=True):
            takes.append(fit if lane.takes is None else fit & lane.takes[wide])
            lanes.append(replace(lane, takes=or_none(takes[-1])))
        seen += own
    why = [(text, members[profiles.as_seen_by(p.profiles)]) for p in plans
           for text, members in p.refused]  # fmt: skip
    return Plan(tuple(lanes), profiles, tuple(seen), tuple(programs),
                refused=refused(profiles, takes, why))  # fmt: skip
