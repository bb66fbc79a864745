"""Released statistics: no count from 1 to 10, none by subtraction, and nearly the same fit."""

import numpy as np
import pytest

from riskadj.publication.release import (
    is_small,
    positive_definite,
    public_statistics,
    suppressed_pairs,
)
from riskadj.training.disclosure import hidden_parts
from riskadj.training.segment_fit import solve_terms
from riskadj.training.spec import Fit
from tests.training.cohorts import NAMES, draw_cohort, fit_of, tiny_model

PART = np.arange(3)
COHORT = draw_cohort(900, 12)


def counts_of(design) -> np.ndarray:
    return design.T @ design


def test_small_pairs_and_small_remainders_are_hidden() -> None:
    members = counts_of(COHORT.design)

    hidden = suppressed_pairs(members, [(PART, True)])

    n = np.diag(members)
    off = ~np.eye(len(n), dtype=bool)
    assert (hidden == hidden.T).all()
    assert hidden[is_small(members) & off].all()
    assert hidden[is_small(n[:, None] - members) & off].all()
    assert not hidden[members == 0].any()


def test_hidden_cells_of_a_partition_cannot_be_subtracted() -> None:
    rng = np.random.default_rng(3)
    for seed in range(30):
        cohort = draw_cohort(int(rng.integers(200, 900)), seed)
        members = counts_of(cohort.design)
        hidden = suppressed_pairs(members, [(PART, True)])
        for j in range(3, len(NAMES)):
            gone = PART[hidden[PART, j]]
            positive = PART[members[PART, j] > 0]
            if len(gone):
                assert len(gone) > 1 or len(gone) == len(positive)
                assert members[gone, j].sum() >= 11 or len(gone) == len(positive)


def test_public_statistics_keep_totals_and_stay_definite() -> None:
    solved = fit_of(COHORT.rows()).solved
    reduction = fit_of(COHORT.rows()).reduction

    public, hidden = public_statistics(reduction, solved.statistics, tiny_model())

    assert hidden.any()
    assert positive_definite(public.gram)
    np.testing.assert_array_equal(public.gram[~hidden], solved.statistics.gram[~hidden])
    assert (public.gram[hidden] != solved.statistics.gram[hidden]).any()
    for j in range(3, len(NAMES)):  # a member has one cell: the cells of a term add up to it
        total = public.gram[PART, j].sum()
        assert total == pytest.approx(solved.statistics.gram[j, j], abs=len(PART))
    assert not public.members.any()


def test_a_reader_gets_nearly_the_same_coefficients() -> None:
    fit = fit_of(draw_cohort(6000, 12).rows())

    public, _ = public_statistics(fit.reduction, fit.solved.statistics, tiny_model())
    again = solve_terms(public, fit.solved.constraints, Fit(method="wls", order=True), None)

    np.testing.assert_allclose(again.coefficients, fit.solved.solution.coefficients, rtol=0.05)


def test_parts_of_a_total_hide_each_other() -> None:
    assert hidden_parts(np.array([3, 500, 40])).tolist() == [True, False, True]
    assert hidden_parts(np.array([9, 8, 40])).tolist() == [True, True, False]
    assert hidden_parts(np.array([0, 12, 40])).tolist() == [False, False, False]
    assert hidden_parts(np.array([2, 3, 40])).tolist() == [True, True, True]
