"""How fairly predictions pay groups: predictive ratios, net compensation, group R2, deciles.

``y``, ``p`` and ``w`` are as in ``riskadj.measures.metrics``.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskadj.errors import InputError, OptionError
from riskadj.measures.metrics import Floats, check_members, ratio, spread, weighted_sum

Labels = NDArray[np.integer] | NDArray[np.bool_] | NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class Groups:
    """Who belongs to which group; groups may overlap and need not hold everybody.

    Attributes
    ----------
    names
        Of the groups, in the order of the table.
    member, group : intp, shape (n_memberships,)
        Row of a member and number of a group that holds it.
    n_members
        How many rows there are.
    """

    names: tuple[str, ...]
    member: NDArray[np.intp]
    group: NDArray[np.intp]
    n_members: int


@dataclass(frozen=True, slots=True)
class GroupRow:
    """How one group is paid.

    Attributes
    ----------
    group
        Its name.
    n_members, member_years
        Rows, and their weights together.
    mean_cost_usd, mean_predicted_usd
        Of a member year.
    predictive_ratio
        Predicted over actual cost; nan when the group has no cost.
    net_compensation_usd
        Predicted minus actual cost of a member year; negative when underpaid.
    gap_usd
        Its net compensation minus that of everybody else; nan when there is nobody else.
    """

    group: str
    n_members: int
    member_years: float
    mean_cost_usd: float
    mean_predicted_usd: float
    predictive_ratio: float
    net_compensation_usd: float
    gap_usd: float


def groups_labelled(labels: Labels) -> Groups:
    """Group members by label: every member in one group, groups in the order of their labels.

    Raises
    ------
    OptionError
        Labels are neither whole numbers, booleans nor text.
    """
    if labels.dtype.kind not in "iubU":
        raise OptionError(f"Labels are whole numbers, booleans or text, got {labels.dtype}")
    found, group = np.unique(labels, return_inverse=True)
    everybody = np.arange(len(labels), dtype=np.intp)
    return Groups(tuple(map(str, found.tolist())), everybody, group.astype(np.intp), len(labels))


def groups_flagged(flags: Mapping[str, NDArray[np.bool_]]) -> Groups:
    """Group members by flags, which may overlap (conditions, dual, disabled).

    Parameters
    ----------
    flags
        Name of a group to bool, shape (n_members,).

    Raises
    ------
    InputError
        There are no flags, or their lengths differ.
    """
    lengths = {len(flag) for flag in flags.values()}
    if len(lengths) != 1:
        raise InputError(f"Flags need one value a member: got lengths {sorted(lengths)}")
    members = [np.flatnonzero(flag) for flag in flags.values()]
    group = np.repeat(np.arange(len(members)), [len(who) for who in members])
    return Groups(tuple(flags), np.concatenate(members), group.astype(np.intp), lengths.pop())


def group_table(y: Floats, p: Floats, w: Floats, labels: Labels | Groups) -> list[GroupRow]:
    """Measure every group that has a member.

    Parameters
    ----------
    labels : int, bool or str, shape (n_members,), or Groups
    """
    check_members(y, p, w)
    groups = as_groups(labels, len(y))
    n = np.bincount(groups.group, minlength=len(groups.names))
    years, cost, paid = (_sums(groups, v) for v in (w, w * y, w * p))
    net, rest = paid - cost, float(w.sum()) - years
    rest_net = weighted_sum(p - y, w) - net
    return [
        GroupRow(
            group=groups.names[g], n_members=int(n[g]), member_years=float(years[g]),
            mean_cost_usd=float(cost[g] / years[g]), mean_predicted_usd=float(paid[g] / years[g]),
            predictive_ratio=ratio(float(paid[g]), float(cost[g])),
            net_compensation_usd=float(net[g] / years[g]),
            gap_usd=np.nan if n[g] == len(y) else float(net[g] / years[g] - rest_net[g] / rest[g]),
        )
        for g in np.flatnonzero(n)
    ]  # fmt: skip


def deciles(p: Floats, w: Floats, n: int = 10) -> NDArray[np.intp]:
    """Cut members into ``n`` bins of equal member years, by prediction.

    A member stands where the middle of its own weight falls; members of equal prediction stand in
    the order of their rows.

    Returns
    -------
    intp, shape (n_members,)
        1 for the lowest predictions to ``n`` for the highest.

    Raises
    ------
    OptionError
        There is less than one bin.
    """
    if n < 1:
        raise OptionError(f"Members fall into at least 1 bin, got {n}")
    check_members(p, p, w)
    order = np.argsort(p, kind="stable")
    ranked = w[order]
    middle = np.cumsum(ranked) - ranked / 2
    bins = np.empty(len(p), dtype=np.intp)
    bins[order] = np.minimum((middle * (n / ranked.sum())).astype(np.intp), n - 1) + 1
    return bins


def decile_curve(y: Floats, p: Floats, w: Floats, n: int = 10) -> list[GroupRow]:
    """Measure the bins of ``deciles``; bins without a member are left out."""
    check_members(y, p, w)
    return group_table(y, p, w, deciles(p, w, n))


def calibration_error(y: Floats, p: Floats, w: Floats, bins: Labels) -> float:
    """Return the mean |mean cost - mean prediction| over bins by member years, in dollars."""
    check_members(y, p, w)
    groups = as_groups(bins, len(y))
    return float(np.abs(_sums(groups, w * (y - p))).sum() / w.sum())


def group_r2(y: Floats, p: Floats, w: Floats, labels: Labels | Groups) -> float:
    """Return the share of the variance between groups explained by their mean predictions.

    1 - sum W_g (cost_g - predicted_g)^2 / sum W_g (cost_g - mean)^2, where W_g are member years.
    nan when there are fewer than two groups, or all cost the same. The mean is that of the groups
    together: everybody's for labels.

    Parameters
    ----------
    labels : int, bool or str, shape (n_members,), or Groups
    """
    check_members(y, p, w)
    groups = as_groups(labels, len(y))
    years = _sums(groups, w)
    some = years > 0
    if some.sum() < 2 or y.min() == y.max():
        return np.nan
    years, cost, error = years[some], _sums(groups, w * y)[some], _sums(groups, w * (y - p))[some]
    return 1 - ratio(float((error**2 / years).sum()), spread(cost / years, years))


def pseudo_groups(n_members: int, size: int, seed: int) -> NDArray[np.intp]:
    """Deal members at random into groups of about ``size`` lives, as if they were plans.

    Groups go by row: sort members by id before comparing runs. Fewer than ``2 * size`` members
    make one group.

    Returns
    -------
    intp, shape (n_members,)
        Numbers of the groups; every group has ``size`` members or a few more.

    Raises
    ------
    OptionError
        The size is below 1.
    """
    if size < 1:
        raise OptionError(f"A group has at least 1 life, got {size}")
    n_groups = max(n_members // size, 1)
    place = np.random.default_rng(seed).permutation(n_members)
    return np.asarray(place * n_groups // max(n_members, 1))


def as_groups(labels: Labels | Groups, n_members: int) -> Groups:
    """Return labels as groups, checked against the number of members.

    Raises
    ------
    InputError
        There is not one label a member.
    """
    groups = labels if isinstance(labels, Groups) else groups_labelled(labels)
    if groups.n_members != n_members:
        raise InputError(f"Groups are of {groups.n_members:,} members, costs of {n_members:,}")
    return groups


def _sums(groups: Groups, values: Floats) -> Floats:
    """Add members' values up, a group: float, shape (n_groups,)."""
    held = values[groups.member]
    return np.bincount(groups.group, held, minlength=len(groups.names)).astype(np.float64)
