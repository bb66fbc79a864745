"""Small models and members for tests of training, with nothing of the engine."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from riskadj.model import AGE_LIMIT, Cell, Count, ModelFacts, RiskModel, Segment
from riskadj.training.design import Columns
from riskadj.training.segment_fit import PriorSource, SegmentFit, fit_segment
from riskadj.training.spec import Fit
from riskadj.training.statistics import Rows, Statistics, accumulate, summed

CELLS = ("young", "middle", "old")
CONDITIONS = ("severe", "mild", "heart", "lung", "rare")
NAMES = (*CELLS, *CONDITIONS)
HIERARCHY = (("severe", "mild"),)
BLOCKS = 50


def tiny_model() -> RiskModel:
    """A model with three cells, five conditions, and one segment."""
    facts = ModelFacts(1, "tiny", "tiny", 2026, "test", "final", "", "02-01", "ne_cells", "",
                       "1", 2, "", (), ())  # fmt: skip
    cells = tuple(
        Cell(n, n, "F", lo, hi, "", ("all",))
        for n, lo, hi in (("young", 0, 64), ("middle", 65, 79), ("old", 80, AGE_LIMIT))
    )
    return RiskModel(
        key="tiny", facts=facts, segments=(Segment("all", "all", "", True),), flags=(),
        cells=cells, code_map=(), categories={c: c for c in CONDITIONS}, rules=(),
        hierarchy=HIERARCHY, groups={}, terms=(), counts=(Count("D9", "", 9, None, ()),),
        coefficients={("all", n): 1000 for n in NAMES},
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cohort:
    """Members as plain arrays: 0/1 design, months, paid cents, block."""

    design: NDArray[np.int64]
    months: NDArray[np.int64]
    paid: NDArray[np.int64]
    block: NDArray[np.int64]

    def take(self, which) -> "Cohort":
        return Cohort(self.design[which], self.months[which], self.paid[which], self.block[which])

    def rows(self, cost=None, groups=None) -> Rows:
        n = len(self.months)
        return Rows(
            sparse.csr_array(self.design.astype(np.float64)), np.zeros(n, np.int8), self.months,
            12 * self.paid if cost is None else cost, self.block,
            np.zeros((0, n), np.bool_) if groups is None else groups,
        )  # fmt: skip


def draw_cohort(n: int, seed: int, truth=None) -> Cohort:
    """Draw members: one cell each, clustered conditions, 10 % partial years, noisy cost."""
    rng = np.random.default_rng(seed)
    design = np.zeros((n, len(NAMES)), dtype=np.int64)
    design[np.arange(n), rng.integers(0, 3, n)] = 1
    frail = rng.gamma(1.0, 1.0, n)
    for j, share in enumerate((0.06, 0.12, 0.15, 0.1, 0.02), start=3):
        design[:, j] = rng.random(n) < np.minimum(share * frail, 0.9)
    design[:, 4] &= ~design[:, 3] & 1
    months = np.where(rng.random(n) < 0.1, rng.integers(1, 12, n), 12)
    worth = np.array([2000, 3000, 4500, 9000, 3000, 6000, 5000, 20000]) if truth is None else truth
    mean = design @ worth * 100 * months / 12
    paid = (mean * rng.lognormal(-0.5, 1.0, n)).astype(np.int64)
    return Cohort(design, months, paid, rng.integers(0, BLOCKS, n))


def columns_of(*segments: tuple[str, tuple[str, ...]]) -> Columns:
    """Columns without a rulebook behind them."""
    offsets = np.concatenate(([0], np.cumsum([len(n) for _, n in segments])))
    none = np.zeros((0, 0), np.int32)
    return Columns(tuple(s for s, _ in segments), tuple(n for _, n in segments),
                   offsets.astype(np.int64), none, none, ())  # fmt: skip


ONE = columns_of(("all", NAMES))


def count(*batches: Rows, jobs: int = 1, groups: tuple[str, ...] = ()) -> Statistics:
    return accumulate(batches, ONE, BLOCKS, groups, jobs)


def fit_of(
    rows: Rows | Statistics, equity=(), errors=None, published=None, **options
) -> SegmentFit:
    """Fit the one segment of a tiny model; ``published`` replaces some of its thousandths."""
    statistics = rows if isinstance(rows, Statistics) else count(rows)
    model = tiny_model()
    how = Fit(**{"method": "wls", "order": True, "small_members": 0, **options})
    coefficients = {**model.coefficients, **{("all", n): v for n, v in (published or {}).items()}}
    prior = PriorSource(coefficients, 500.0, how.shrinkage_members, errors)
    return fit_segment("all", summed(statistics)[0], model, how, equity, prior)
