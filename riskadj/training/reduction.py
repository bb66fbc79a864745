"""Which terms are fitted: small ones merged or dropped, equal ones joined, empty ones left out.

Everything here is decided from counts of members before any coefficient is known, by name, and
said in a line. What is left is a smaller regression in which every term has enough members.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from riskadj.errors import OptionError
from riskadj.model import AGE_LIMIT, Cell, RiskModel
from riskadj.training.disclosure import shown_count
from riskadj.training.spec import Fit
from riskadj.training.statistics import SegmentStatistics

DEPENDENT = 1e-7
"""A term whose variation is this share explained by earlier terms is a combination of them."""


@dataclass(frozen=True, slots=True)
class Reduction:
    """How a segment's variables become the terms of a regression.

    Attributes
    ----------
    variables
        The segment's variables.
    term_of : int, shape (n_variables,)
        The term of each variable; -1 for one that is left out or fixed.
    terms
        The variables that share each term, the first one naming it.
    status
        For each variable: ``fitted``, ``merged``, ``equal``, ``pooled``, ``dropped``,
        ``published`` or ``fixed``.
    weights : float, shape (n_variables,)
        What a variable counts for in its term: 1, or, pooled, its published thousandths.
    fixed_usd : float, shape (n_variables,)
        Coefficients that are given, by the spec or the base model; 0 elsewhere.
    lines
        What was done and why, for people.
    """

    variables: tuple[str, ...]
    term_of: NDArray[np.int64]
    terms: tuple[tuple[str, ...], ...]
    status: tuple[str, ...]
    fixed_usd: NDArray[np.float64]
    weights: NDArray[np.float64]
    lines: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """A term's name: the first of its variables."""
        return tuple(group[0] for group in self.terms)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The map from terms to variables, shape (n_variables, n_terms): weights, else 0."""
        made = np.zeros((len(self.variables), len(self.terms)))
        there = self.term_of >= 0
        made[np.flatnonzero(there), self.term_of[there]] = self.weights[there]
        return made

    @property
    def pooled(self) -> NDArray[np.bool_]:
        """Which terms are pooled in proportion to published factors, shape (n_terms,)."""
        status = dict(zip(self.variables, self.status, strict=True))
        return np.array([status[name] == "pooled" for name in self.names], dtype=np.bool_)

    def mean_of(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return each term's mean, over its variables, of a value per unit of weight."""
        there = self.matrix > 0
        mean: NDArray[np.float64] = (values / self.weights) @ there / np.maximum(there.sum(0), 1)
        return mean

    def spread(self, coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return a value for every variable from one for every term; 0 for those left out."""
        return self.matrix @ coefficients


class _Groups:
    """Variables joined step by step; a group is known by its first variable.

    ``count`` is how many members have any of a group's variables; overlaps count twice.
    """

    def __init__(self, statistics: SegmentStatistics) -> None:
        self.statistics = statistics
        self.place = {name: i for i, name in enumerate(statistics.names)}
        self.members: dict[str, tuple[str, ...]] = {name: (name,) for name in statistics.names}
        self.gone: dict[str, str] = {}
        self.joined: dict[str, str] = {}
        self.kept: set[str] = set()
        self.pooled: set[str] = set()
        self.weight = dict.fromkeys(statistics.names, 1)
        self.count = dict(zip(statistics.names, statistics.term_members.tolist(), strict=True))

    def first(self, name: str) -> str:
        """Return the first variable of the group that ``name`` is in."""
        return next(k for k, group in self.members.items() if name in group)

    def join(self, a: str, b: str, why: str) -> None:
        """Make one group of two."""
        a, b = sorted((self.first(a), self.first(b)), key=self.place.__getitem__)
        if a != b:
            group = sorted((*self.members[a], *self.members.pop(b)), key=self.place.__getitem__)
            self.members[a] = tuple(group)
            self.count[a] += self.count[b]
            self.joined |= dict.fromkeys(group, why)

    def drop(self, name: str, why: str, keep: bool = False) -> None:
        """Leave a whole group out; ``keep`` its published coefficients."""
        group = self.members.pop(self.first(name))
        self.gone |= dict.fromkeys(group, why)
        self.kept |= set(group) if keep else set()


def reduce_terms(
    statistics: SegmentStatistics,
    model: RiskModel,
    fit: Fit,
    published: NDArray[np.int64],
    cents_per_thousandth: float,
) -> Reduction:
    """Decide which terms of a segment are fitted.

    Parameters
    ----------
    statistics
        Of the segment, over all of its variables.
    model
        Whose hierarchy and cells say what is related to what.
    published : int, shape (n_variables,)
        The base model's coefficients in thousandths, for small terms that keep or share them.
    cents_per_thousandth
        What a thousandth costs in this population.

    Raises
    ------
    OptionError
        The spec names a variable that the model does not have.
    """
    check_names(model, fit)
    groups = _Groups(statistics)
    for name, why in {**dict.fromkeys(fit.fixed_usd, "fixed"),
                      **dict.fromkeys(fit.drop, "the spec drops it")}.items():  # fmt: skip
        if name in groups.place:
            groups.drop(name, why)
    partition = _partition(model, groups)
    for name in [n for n in groups.members if groups.count[n] == 0 and n not in partition]:
        groups.drop(name, "no member has it", keep=fit.small_terms != "drop")
    _join_equal(groups, fit)
    _settle_small(groups, model, fit)
    if fit.small_terms == "merge":
        _pool(groups, dict(zip(statistics.names, published.tolist(), strict=True)), fit)
    _drop_dependent(groups)
    return _made(groups, fit, np.rint(published * cents_per_thousandth) / 100)


def check_names(model: RiskModel, fit: Fit) -> None:
    """Refuse variables that the model does not have."""
    known = set(model.labels)
    named = {*fit.drop, *fit.fixed_usd, *(n for group in fit.equal for n in group)}
    if odd := sorted(named - known):
        raise OptionError(f"fit: no variable {', '.join(odd)} in {model.key}")


def _join_equal(groups: _Groups, fit: Fit) -> None:
    for equal in fit.equal:
        there = [n for n in equal if n in groups.place and n not in groups.gone]
        for name in there[1:]:
            groups.join(there[0], name, "equal")


def _settle_small(groups: _Groups, model: RiskModel, fit: Fit) -> None:
    """Merge or drop every group with fewer members than the spec allows, smallest first."""
    partition = _partition(model, groups)
    enough = max(1, fit.small_members)
    while small := [n for n in groups.members if groups.count[n] < enough]:
        name = min(small, key=lambda n: (groups.count[n], groups.place[n]))
        mate = _relative(groups, model, partition, name, fit)
        if mate is None:
            alone = len(groups.members[name]) == 1
            why = f"{shown_count(groups.count[name])} members" if alone else "too few members"
            groups.drop(name, why, keep=fit.small_terms != "drop")
        else:
            groups.join(name, mate, "too few members")


def _pool(groups: _Groups, published: dict[str, int], fit: Fit) -> None:
    """Make one term of what has no relative, in proportion to the published factors.

    Nothing that is priced becomes a zero because few have it, and the data still say whether the
    published level fits. Too few together, they keep the published factors.
    """
    pool = sorted((n for n in groups.kept if published[n] > 0), key=groups.place.__getitem__)
    members = sum(int(groups.statistics.term_members[groups.place[n]]) for n in pool)
    if not pool or members < max(1, fit.small_members):
        return
    groups.members[pool[0]] = tuple(pool)
    groups.count[pool[0]] = members
    groups.weight |= {n: published[n] for n in pool}
    groups.kept -= set(pool)
    groups.pooled = set(pool)
    for name in pool:
        del groups.gone[name]


def _partition(model: RiskModel, groups: _Groups) -> dict[str, Cell]:
    """Return the age-sex cells: every member has exactly one, so none may be dropped."""
    return {
        c.variable: c
        for c in model.cells
        if c.variable in groups.place and c.sex and (c.age_min, c.age_max) != (0, AGE_LIMIT)
    }


def _relative(
    groups: _Groups, model: RiskModel, partition: dict[str, Cell], name: str, fit: Fit
) -> str | None:
    """Return the group nearest to ``name``, or None if nothing is related to it."""
    if name in partition:
        others = [n for n in groups.members if n in partition and n != name]
        distance = {n: _apart(partition[name], partition[n], groups.place[n]) for n in others}
        return min(others, key=distance.__getitem__, default=None)
    if fit.small_terms != "merge":
        return None
    related = [n for n in _kin(model, groups.members[name]) if n not in groups.gone
               and n in groups.place and groups.first(n) != name]  # fmt: skip
    size = {n: (groups.count[groups.first(n)], -groups.place[n]) for n in related}
    return max(related, key=size.__getitem__, default=None)


def _apart(a: Cell, b: Cell, place: int) -> tuple[float, int]:
    """Measure how unlike two age-sex cells are: ten years weigh as much as another status."""
    years = abs((a.age_min + a.age_max) - (b.age_min + b.age_max)) / 20
    return years + (a.when != b.when) + 5 * (a.sex != b.sex), place


def _kin(model: RiskModel, names: Sequence[str]) -> Iterator[str]:
    """Yield what stands next to some variables: hierarchy partners, neighbouring counts."""
    for parent, child in model.hierarchy:
        if parent in names:
            yield child
        if child in names:
            yield parent
    counts = [c.name for c in model.counts]
    for i, count in enumerate(counts):
        if count in names:
            yield from counts[max(0, i - 1) : i] + counts[i + 1 : i + 2]


def _drop_dependent(groups: _Groups) -> None:
    """Drop a term that earlier ones determine, naming them (Cholesky in table order)."""
    names = list(groups.members)
    gram = _grouped(groups, names)
    scale = np.sqrt(np.diag(gram))
    gram = gram / np.outer(scale, scale)
    kept: list[int] = []
    for i, name in enumerate(names):
        if not kept:
            kept.append(i)
            continue
        inner = gram[np.ix_(kept, kept)]
        weights = np.linalg.solve(inner, gram[kept, i])
        if gram[i, i] - gram[kept, i] @ weights > DEPENDENT:
            kept.append(i)
            continue
        by = [names[k] for k, w in zip(kept, weights, strict=True) if abs(w) > 1e-6]
        groups.drop(name, f"collinear: determined by {', '.join(by)}")


def _grouped(groups: _Groups, names: Sequence[str]) -> NDArray[np.float64]:
    chosen = np.zeros((len(groups.place), len(names)))
    for j, name in enumerate(names):
        for member in groups.members[name]:
            chosen[groups.place[member], j] = groups.weight[member]
    return chosen.T @ groups.statistics.gram @ chosen


def _made(groups: _Groups, fit: Fit, published_usd: NDArray[np.float64]) -> Reduction:
    variables = tuple(groups.place)
    terms = tuple(groups.members.values())
    number = {name: j for j, group in enumerate(terms) for name in group}
    own = dict(zip(variables, published_usd, strict=True))
    fixed = [fit.fixed_usd.get(n, own[n] if n in groups.kept else 0.0) for n in variables]
    return Reduction(
        variables, np.array([number.get(n, -1) for n in variables], dtype=np.int64), terms,
        tuple(_status(groups, fit, n) for n in variables), np.array(fixed),
        np.array([groups.weight[n] for n in variables], dtype=np.float64),
        tuple(_lines(groups, terms)),
    )  # fmt: skip


def _status(groups: _Groups, fit: Fit, name: str) -> str:
    if name in fit.fixed_usd:
        return "fixed"
    if name in groups.gone:
        return "published" if name in groups.kept else "dropped"
    if name in groups.pooled:
        return "pooled"
    if name in groups.joined:
        return "equal" if groups.joined[name] == "equal" else "merged"
    return "fitted"


def _lines(groups: _Groups, terms: Sequence[tuple[str, ...]]) -> Iterator[str]:
    for name, why in groups.gone.items():
        if why != "fixed":
            did = "keeps its published factor" if name in groups.kept else "dropped"
            yield f"{name} {did}: {why}"
    for group in terms:
        if group[0] in groups.pooled:
            yield f"{', '.join(group)}: one term, in proportion to their published factors"
        elif any(groups.joined.get(n, "equal") != "equal" for n in group):
            yield f"{' = '.join(group)}: one term, too few members apart"


def reduced(statistics: SegmentStatistics, reduction: Reduction) -> SegmentStatistics:
    """Return the statistics of the reduced regression; fixed coefficients leave the cost.

    A merged term's members are counted once for each of its variables they have.
    """
    t, fixed = reduction.matrix, np.rint(reduction.fixed_usd * 100)
    explained = statistics.gram @ fixed
    whole = (t > 0).astype(np.int64)
    return replace(
        statistics, names=reduction.names, gram=t.T @ statistics.gram @ t,
        members=whole.T @ statistics.members @ whole, cost=t.T @ (statistics.cost - explained),
        term_months=t.T @ statistics.term_months, term_members=whole.T @ statistics.term_members,
        group_months=statistics.group_months @ t,
        group_cost=statistics.group_cost - statistics.group_months @ fixed,
        explained=int(fixed @ statistics.term_months),
    )  # fmt: skip


def without_pooled(
    statistics: SegmentStatistics, reduction: Reduction, coefficients: NDArray[np.float64]
) -> tuple[SegmentStatistics, Reduction]:
    """Return the regression that is left when pooled terms are given their coefficients.

    What the pooled term shares with others is a weighted sum over small groups of members: released
    statistics do without it.

    Parameters
    ----------
    coefficients : float, shape (n_terms,)
        In cents.
    """
    pooled = reduction.pooled
    keep = np.flatnonzero(~pooled)
    given = np.where(pooled, coefficients, 0.0)
    number = np.append(np.cumsum(~pooled) - 1, -1)
    number[:-1][pooled] = -1
    left = replace(
        statistics, names=tuple(statistics.names[j] for j in keep),
        gram=statistics.gram[np.ix_(keep, keep)], members=statistics.members[np.ix_(keep, keep)],
        cost=np.rint(statistics.cost - statistics.gram @ given)[keep],
        term_months=statistics.term_months[keep], term_members=statistics.term_members[keep],
        group_months=statistics.group_months[:, keep],
        explained=statistics.explained + round(float(given @ statistics.term_months)),
    )  # fmt: skip
    fixed = reduction.fixed_usd + reduction.spread(given) / 100
    terms = tuple(reduction.terms[j] for j in keep)
    return left, replace(reduction, terms=terms, term_of=number[reduction.term_of], fixed_usd=fixed)
