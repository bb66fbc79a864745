"""The bootstrap against one that copies members, and its coverage."""

import math
import random

import numpy as np
import pytest

from riskadj.errors import InputError, OptionError
from riskadj.measures.intervals import (
    bootstrap_counts,
    fit_intervals,
    fit_replicates,
    group_intervals,
    interval,
    paired_difference,
)
from riskadj.measures.metrics import cpm, mae, r2


def cohort(n: int, seed: int, n_blocks: int = 12) -> tuple[np.ndarray, ...]:
    """Costs, predictions, months / 12, blocks and labels."""
    rng = np.random.default_rng(seed)
    p = np.round(rng.lognormal(8.5, 0.7, n), -3) + 500
    y = np.where(rng.random(n) < 0.15, 0.0, p * rng.lognormal(-0.5, 1.0, n))
    labels = rng.choice(["x", "y", "rare"], n, p=[0.6, 0.39, 0.01])
    return y, p, rng.integers(1, 13, n) / 12, rng.integers(0, n_blocks, n), labels


def copied_rows(block: np.ndarray, row: np.ndarray) -> list[int]:
    """List the members of a replicate, each as often as its block was drawn."""
    return [i for i in range(len(block)) for _ in range(row[block[i]])]


def slow_fit(y, p, w) -> tuple[float, float, float]:
    """Measure the fit by loops over members."""
    years = sum(w)
    mean = sum(v * u for v, u in zip(y, w, strict=True)) / years
    rows = list(zip(y, p, w, strict=True))
    explained = sum(u * (a - b) ** 2 for a, b, u in rows) / sum(
        u * (a - mean) ** 2 for a, _, u in rows
    )
    error = sum(u * abs(a - b) for a, b, u in rows)
    return 1 - explained, 1 - error / sum(u * abs(a - mean) for a, _, u in rows), error / years


@pytest.mark.parametrize("seed", range(4))
def test_replicates_are_those_of_copied_members(seed: int) -> None:
    y, p, w, block, _ = cohort(150, seed)
    counts = bootstrap_counts(12, 25, seed)

    found = fit_replicates(y, p, w, block, counts)

    for i, row in enumerate(counts):
        rows = copied_rows(block, row)
        got = (found.r2[i], found.cpm[i], found.mae_usd[i])
        assert got == pytest.approx(slow_fit(y[rows], p[rows], w[rows]), rel=1e-10)


def test_group_intervals_are_those_of_copied_members() -> None:
    y, p, w, block, labels = cohort(300, 9)
    counts = bootstrap_counts(12, 40, 5)

    found = {row.group: row for row in group_intervals(y, p, w, labels, block, counts, 0.9)}

    for name in ("rare", "x", "y"):
        ratios, nets = [], []
        for row in counts:
            rows = [i for i in copied_rows(block, row) if labels[i] == name]
            if rows:
                ratios.append((w[rows] @ p[rows]) / (w[rows] @ y[rows]))
                nets.append(w[rows] @ (p[rows] - y[rows]) / w[rows].sum())
        for got, drawn in (
            (found[name].predictive_ratio, ratios),
            (found[name].net_compensation_usd, nets),
        ):
            assert (got.low, got.high) == pytest.approx(np.quantile(drawn, [0.05, 0.95]), rel=1e-9)
    own = labels == "x"
    assert found["x"].predictive_ratio.estimate == pytest.approx(
        w[own] @ p[own] / (w[own] @ y[own])
    )


def test_paired_difference_is_that_of_replicates() -> None:
    y, p, w, block, _ = cohort(300, 2)
    q = p * 0.5 + y.mean() * 0.5
    counts = bootstrap_counts(12, 60, 1)

    found = paired_difference(y, (p, q), w, block, counts, 0.95)

    a, b = (fit_replicates(y, each, w, block, counts) for each in (p, q))
    assert found.r2.estimate == r2(y, q, w) - r2(y, p, w)
    assert found.cpm.estimate == cpm(y, q, w) - cpm(y, p, w)
    assert found.mae_usd.low == np.quantile(b.mae_usd - a.mae_usd, 0.025)
    assert found.r2.high == np.quantile(b.r2 - a.r2, 0.975)


def test_a_model_does_not_differ_from_itself() -> None:
    y, p, w, block, _ = cohort(300, 2)

    found = paired_difference(y, (p, p), w, block, bootstrap_counts(12, 20, 1), 0.95)

    assert (found.r2.low, found.r2.estimate, found.r2.high) == (0, 0, 0)


def test_pairing_is_narrower_than_the_two_intervals() -> None:
    y, p, w, block, _ = cohort(5_000, 2, n_blocks=100)
    counts = bootstrap_counts(100, 200, 1)

    one = fit_intervals(y, p, w, block, counts, 0.95).r2
    pair = paired_difference(y, (p, 1.02 * p), w, block, counts, 0.95).r2

    assert pair.high - pair.low < 0.3 * (one.high - one.low)


def test_counts_draw_as_many_blocks_as_there_are() -> None:
    counts = bootstrap_counts(500, 300, 8)

    assert counts.shape == (300, 500)
    assert set(counts.sum(axis=1)) == {500}
    assert counts.mean(axis=0).std() == pytest.approx(math.sqrt(1 / 300), rel=0.2)
    np.testing.assert_array_equal(counts, bootstrap_counts(500, 300, 8))
    assert (counts != bootstrap_counts(500, 300, 9)).any()


def test_row_order_and_names_of_blocks_change_nothing() -> None:
    y, p, w, block, _ = cohort(200, 3)
    counts = bootstrap_counts(12, 30, 4)
    turned = np.array(random.Random(1).sample(range(200), 200))

    found = fit_intervals(y[turned], p[turned], w[turned], block[turned], counts, 0.95)

    expected = fit_intervals(y, p, w, block, counts, 0.95)
    assert (found.cpm.low, found.r2.high) == pytest.approx((expected.cpm.low, expected.r2.high))


def test_intervals_cover_the_truth() -> None:
    """p is normal with variance 1, y = p + e with variance 4: R2 is 1/5, MAE 2 sqrt(2 / pi)."""
    rng, hits = np.random.default_rng(11), np.zeros(4)
    n, blocks = 1_500, np.arange(1_500) % 60
    truth = (0.2, 1 - math.sqrt(0.8), 2 * math.sqrt(2 / math.pi), 1.0)
    for seed in range(300):
        p = 10 + rng.normal(0, 1, n)
        y = p + rng.normal(0, 2, n)
        w = rng.integers(1, 13, n) / 12
        counts = bootstrap_counts(60, 200, seed)
        fit = fit_intervals(y, p, w, blocks, counts, 0.95)
        (group,) = group_intervals(y, p, w, np.zeros(n, dtype=int), blocks, counts, 0.95)
        found = (fit.r2, fit.cpm, fit.mae_usd, group.predictive_ratio)
        hits += [i.low <= t <= i.high for i, t in zip(found, truth, strict=True)]

    # expected .95 less a little for 60 blocks; four standard errors are .05
    assert (hits / 300 > 0.90).all(), hits / 300
    assert (hits / 300 < 0.99).all(), hits / 300


def test_constant_cost_has_no_interval_of_fit() -> None:
    y, p = np.full(20, 0.1), np.arange(20.0)

    found = fit_intervals(y, p, np.ones(20), np.arange(20) % 5, bootstrap_counts(5, 9, 1), 0.95)

    assert all(math.isnan(v) for v in (found.r2.low, found.r2.estimate, found.cpm.high))
    assert found.mae_usd.estimate == mae(y, p, np.ones(20))


def test_replicates_without_members_are_left_out() -> None:
    # all members in block 0: replicates that miss it are empty
    y, p, counts = np.array([1.0, 3.0]), np.array([2.0, 2.0]), np.array([[0, 2], [1, 1], [2, 0]])

    found = fit_intervals(y, p, np.ones(2), np.zeros(2, dtype=int), counts, 0.95)

    assert (found.mae_usd.low, found.mae_usd.high) == (1, 1)
    assert (found.cpm.low, found.r2.high) == (0, 0)


def test_what_cannot_be_drawn_is_refused() -> None:
    y, counts = np.array([1.0, 3.0]), bootstrap_counts(2, 3, 1)

    with pytest.raises(OptionError, match="needs 2 blocks"):
        bootstrap_counts(1, 10, 1)
    with pytest.raises(InputError, match="Blocks run from 0 to 2, but 2 are drawn from"):
        fit_replicates(y, y, np.ones(2), np.array([0, 2]), counts)
    with pytest.raises(InputError, match="whole numbers: got float64"):
        fit_replicates(y, y, np.ones(2), np.ones(2), counts)
    with pytest.raises(OptionError, match="between 0 and 1, got 95"):
        interval(1.0, y, 95)
