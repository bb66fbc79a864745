"""Group tables: worked by hand, metamorphic, and compared with loops over members."""

import math
from fractions import Fraction

import numpy as np
import pytest

from riskadj.errors import InputError, OptionError
from riskadj.measures.groups import (
    GroupRow,
    calibration_error,
    decile_curve,
    deciles,
    group_r2,
    group_table,
    groups_flagged,
    groups_labelled,
    pseudo_groups,
)

Y = np.array([0.0, 1_000.0, 4_000.0, 10_000.0])
P = np.array([1_000.0, 2_000.0, 4_000.0, 6_000.0])
W = np.array([1.0, 1.0, 0.5, 0.5])
NAMES = np.array(["a", "b", "a", "b"])


def cohort(n: int, seed: int) -> tuple[np.ndarray, ...]:
    """Costs, predictions with many ties, months / 12 and labels."""
    rng = np.random.default_rng(seed)
    p = np.round(rng.lognormal(8.5, 0.7, n), -3) + 500
    y = np.where(rng.random(n) < 0.15, 0.0, p * rng.lognormal(-0.5, 1.0, n))
    return (
        y,
        p,
        rng.integers(1, 13, n) / 12,
        rng.choice(["x", "y", "z", "rare"], n, p=[0.5, 0.3, 0.19, 0.01]),
    )


def numbers(row: GroupRow) -> tuple[float, ...]:
    return (row.n_members, row.member_years, row.mean_cost_usd, row.mean_predicted_usd,
            row.predictive_ratio, row.net_compensation_usd, row.gap_usd)  # fmt: skip


def slow_table(y, p, w, labels) -> dict[str, tuple[float, ...]]:
    """Measure groups by loops over members."""
    found = {}
    for label in sorted(set(labels)):
        sums = {True: [0.0, 0.0, 0.0, 0], False: [0.0, 0.0, 0.0, 0]}
        for cost, paid, years, own in zip(y, p, w, labels, strict=True):
            side = sums[own == label]
            side[0] += years
            side[1] += years * cost
            side[2] += years * paid
            side[3] += 1
        (years, cost, paid, n), rest = sums[True], sums[False]
        net = (paid - cost) / years
        gap = net - (rest[2] - rest[1]) / rest[0] if rest[3] else math.nan
        pr = paid / cost if cost else math.nan
        found[str(label)] = (n, years, cost / years, paid / years, pr, net, gap)
    return found


def slow_deciles(p, w, n: int) -> list[int]:
    ranked = sorted(range(len(p)), key=lambda i: (p[i], i))
    bins, before = [0] * len(p), Fraction(0)
    total = sum(Fraction(v).limit_denominator(12) for v in w)
    for i in ranked:
        own = Fraction(w[i]).limit_denominator(12)
        bins[i] = min(math.floor((before + own / 2) * n / total), n - 1) + 1
        before += own
    return bins


def test_group_table_by_hand() -> None:
    first, second = group_table(Y, P, W, NAMES)

    # a: 1.5 years, cost 2,000, paid 3,000; b: 1.5 years, cost 6,000, paid 5,000
    assert (first.group, second.group) == ("a", "b")
    assert numbers(first) == pytest.approx((2, 1.5, 4e3 / 3, 2_000, 1.5, 2e3 / 3, 4e3 / 3))
    assert numbers(second) == pytest.approx((2, 1.5, 4_000, 1e4 / 3, 5 / 6, -2e3 / 3, -4e3 / 3))


@pytest.mark.parametrize("seed", range(6))
def test_table_is_that_of_a_loop_over_members(seed: int) -> None:
    y, p, w, labels = cohort(400, seed)

    found = {row.group: numbers(row) for row in group_table(y, p, w, labels)}

    expected = slow_table(y, p, w, labels)
    assert list(found) == list(expected)
    for name, row in expected.items():
        assert found[name] == pytest.approx(row, rel=1e-10, nan_ok=True), name


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("n", [1, 3, 10])
def test_deciles_are_those_of_a_loop_over_ranked_members(seed: int, n: int) -> None:
    _, p, w, _ = cohort(307, seed)

    assert deciles(p, w, n).tolist() == slow_deciles(p, w, n)


def test_deciles_hold_equal_member_years() -> None:
    _, p, w, _ = cohort(20_000, 3)

    years = np.bincount(deciles(p, w))[1:]
    held = np.bincount(deciles(p, w), w)[1:]

    assert len(years) == 10
    np.testing.assert_allclose(held, w.sum() / 10, atol=1)


def test_equal_predictions_stand_in_row_order() -> None:
    assert deciles(np.full(4, 7.0), np.ones(4), 2).tolist() == [1, 1, 2, 2]


def test_decile_curve_leaves_empty_bins_out_and_counts_numerically() -> None:
    assert [row.group for row in decile_curve(Y, P, W)] == ["2", "6", "8", "10"]
    assert [row.group for row in decile_curve(*cohort(100, 1)[:3])] == [
        str(i) for i in range(1, 11)
    ]


def test_calibration_error_by_hand() -> None:
    assert calibration_error(Y, P, W, NAMES) == pytest.approx(2_000 / 3, rel=1e-14)
    assert calibration_error(Y, Y, W, NAMES) == 0


def test_a_constant_more_for_everybody_is_that_much_more_compensation() -> None:
    y, p, w, labels = cohort(400, 1)

    before, after = group_table(y, p, w, labels), group_table(y, p + 250, w, labels)

    for a, b in zip(before, after, strict=True):
        assert b.net_compensation_usd - a.net_compensation_usd == pytest.approx(250, rel=1e-9)
        assert b.gap_usd == pytest.approx(a.gap_usd, abs=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_ratio_of_a_union_lies_between_its_parts(seed: int) -> None:
    y, p, w, labels = cohort(400, seed)
    flags = {"x": labels == "x", "y": labels == "y", "either": (labels == "x") | (labels == "y")}

    x, other, union = (r.predictive_ratio for r in group_table(y, p, w, groups_flagged(flags)))

    assert min(x, other) < union < max(x, other)


def test_row_order_changes_nothing_and_weight_two_is_row_twice() -> None:
    y, p, w, labels = cohort(400, 1)
    expected = [numbers(row)[1:] for row in group_table(y, p, w, labels)]
    turned = np.random.default_rng(0).permutation(400)
    twice = np.r_[np.arange(400), np.arange(400)]

    for rows, weight in ((turned, w), (twice, w / 2)):
        found = group_table(y[rows], p[rows], weight[rows], labels[rows])
        np.testing.assert_allclose([numbers(r)[1:] for r in found], expected, rtol=1e-10)
    assert group_r2(y[turned], p[turned], w[turned], labels[turned]) == pytest.approx(
        group_r2(y, p, w, labels), rel=1e-10
    )


def test_flags_may_overlap_and_empty_ones_are_left_out() -> None:
    flags = {"rich": Y > 500, "nobody": Y < 0, "dear": Y > 5_000}

    found = group_table(Y, P, W, groups_flagged(flags))

    assert [(row.group, row.n_members) for row in found] == [("rich", 3), ("dear", 1)]
    assert found[1].predictive_ratio == 0.6


def test_everybody_has_no_complement_and_a_free_group_no_ratio() -> None:
    (everybody,) = group_table(Y, P, W, np.zeros(4, dtype=int))
    free, _ = group_table(Y, P, W, Y > 0)

    assert everybody.net_compensation_usd == 0
    assert math.isnan(everybody.gap_usd)
    assert math.isnan(free.predictive_ratio)
    assert (free.group, free.net_compensation_usd) == ("False", 1_000)


def test_group_r2_by_hand() -> None:
    # mean 8000/3; groups' costs 4000/3 and 4000, errors -2000/3 and 2000/3
    assert group_r2(Y, P, W, NAMES) == pytest.approx(1 - (2 / 3) ** 2 / (4 / 3) ** 2, rel=1e-14)
    assert group_r2(Y, P, W, np.arange(4)) == pytest.approx(1 - 10_000_000 / (113_000_000 / 3))
    assert math.isnan(group_r2(Y, P, W, np.zeros(4, dtype=int)))
    assert math.isnan(group_r2(np.full(4, 0.1), P, W, NAMES))


def test_pseudo_groups_have_equal_sizes_and_follow_the_seed() -> None:
    plans = pseudo_groups(10_999, 1_000, seed=3)

    sizes = np.bincount(plans)
    assert len(sizes) == 10
    assert sizes.min() >= 1_000
    assert sizes.max() - sizes.min() <= 1
    np.testing.assert_array_equal(plans, pseudo_groups(10_999, 1_000, seed=3))
    assert (plans != pseudo_groups(10_999, 1_000, seed=4)).any()
    assert set(pseudo_groups(1_999, 1_000, seed=3)) == {0}
    with pytest.raises(OptionError, match="at least 1 life"):
        pseudo_groups(10, 0, seed=1)


def test_pseudo_groups_mix_members() -> None:
    old = np.arange(10_000) < 5_000

    share = np.bincount(pseudo_groups(10_000, 1_000, seed=1), old) / 1_000

    assert np.abs(share - 0.5).max() < 0.06  # four standard deviations


def test_labels_that_cannot_be_used_are_refused() -> None:
    with pytest.raises(OptionError, match="whole numbers, booleans or text, got float64"):
        groups_labelled(np.array([1.0, np.nan]))
    with pytest.raises(InputError, match="Groups are of 3 members, costs of 4"):
        group_table(Y, P, W, np.arange(3))
    with pytest.raises(InputError, match=r"got lengths \[3, 4\]"):
        groups_flagged({"a": np.ones(3, dtype=bool), "b": np.ones(4, dtype=bool)})
    with pytest.raises(OptionError, match="at least 1 bin"):
        deciles(P, W, 0)
