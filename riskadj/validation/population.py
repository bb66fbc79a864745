"""The members that a model is judged on: cost, exposure, predictions, and who they are."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from riskadj.features.rulebook import Rulebook
from riskadj.measures.baselines import BANDS, cell_means, prior_cost_bands
from riskadj.scoring.batches import word_columns, words_of
from riskadj.tables import FULL_DUAL, NOT_DUAL, PARTIAL_DUAL
from riskadj.training.challengers import live_conditions, tree_design
from riskadj.training.design import Columns, design_columns, design_matrix
from riskadj.training.model_fit import group_masks
from riskadj.training.prepare import carried_name
from riskadj.training.spec import Spec
from riskadj.training.trees import TreeRegressor

Floats = NDArray[np.float64]
CELL = 30
"""Members that a baseline's cell needs for a mean of its own."""
AGES = (0, 35, 45, 55, 60, 65, 70, 75, 80, 85, 90, 95)
AGE_NAMES = (*(f"{low}-{high - 1}" for low, high in pairwise(AGES)), f"{AGES[-1]}+")
DUAL_NAMES = {NOT_DUAL: "not dual", PARTIAL_DUAL: "partial dual", FULL_DUAL: "full dual"}


@dataclass(frozen=True, slots=True)
class Population:
    """Members of one period, in the order of their ids.

    Attributes
    ----------
    cost : float, shape (n,)
        Annualised, uncapped, dollars.
    weight : float, shape (n,)
        Months / 12.
    block, segment : int, shape (n,)
    predicted
        Name of a model to dollars a year, shape (n,).
    labels
        Name of a grouping to each member's group, as text.
    flags
        Name of a group to membership, bool.
    conditions : csr_array, shape (n, n_categories)
        Live conditions, named by ``condition_names``.
    cell : int, shape (n,)
        The demographic variables that a member has, as one number.
    prior_band : int, shape (n,)
        Band of the cost of the year before.
    """

    cost: Floats
    weight: Floats
    block: NDArray[np.int64]
    segment: NDArray[np.int64]
    predicted: dict[str, Floats]
    labels: dict[str, NDArray[np.str_]]
    flags: dict[str, NDArray[np.bool_]]
    conditions: sparse.csr_array
    condition_names: tuple[str, ...]
    cell: NDArray[np.int64]
    prior_band: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Models:
    """What predicts: coefficients by name in cents a year, and trees by family."""

    book: Rulebook
    columns: Columns
    linear: Mapping[str, Floats]
    trees: Mapping[str, TreeRegressor]


def gather(batches: Iterator[pa.RecordBatch], spec: Spec, models: Models) -> Population:
    """Read prepared rows into one population with every model's predictions."""
    cells = _cells(models.columns)
    parts = [_part(batch, spec, models, cells) for batch in batches]
    return Population(**{n: _joined([p[n] for p in parts]) for n in parts[0]},
                      condition_names=_condition_names(models.book))  # fmt: skip


def _joined(parts: list[Any]) -> Any:
    """Join what batches gave: arrays, sparse rows, or arrays by name."""
    if isinstance(parts[0], dict):
        return {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}
    if sparse.issparse(parts[0]):
        return sparse.vstack(parts, format="csr")
    return np.concatenate(parts)


def _condition_names(book: Rulebook) -> tuple[str, ...]:
    return tuple(book.names[i] for i in range(book.n_categories))


def _part(
    batch: pa.RecordBatch, spec: Spec, models: Models, cells: NDArray[np.int64]
) -> dict[str, Any]:
    profile = batch.column("profile").to_numpy()
    months = batch.column("months").to_numpy().astype(np.float64)
    cost = batch.column("paid_cents").to_numpy() / 100 * 12 / months
    prior = batch.column("prior_cents").to_numpy(zero_copy_only=False)
    seen = tree_design(batch, models.book)
    live = live_conditions(seen, models.book)
    masks = group_masks(batch, spec.groups)
    return {
        "cost": cost,
        "weight": months / 12,
        "block": batch.column("block").to_numpy().astype(np.int64),
        "segment": models.book.segment_of[profile].astype(np.int64),
        "predicted": predict(batch, models, seen),
        "labels": _labels(batch, spec, models, seen),
        "flags": {g.name: masks[i] for i, g in enumerate(spec.groups)},
        "conditions": live,
        "cell": cells[profile],
        "prior_band": prior_cost_bands(prior.astype(np.float64) / 100).astype(np.int64),
    }


def predict(
    batch: pa.RecordBatch, models: Models, seen: sparse.csr_array | None = None
) -> dict[str, Floats]:
    """Return every model's predictions of prepared rows, dollars a year.

    ``seen`` is what trees see, where it was made already.
    """
    words = words_of(batch, word_columns(batch))
    design = design_matrix(words, batch.column("profile").to_numpy(), models.book, models.columns)
    found = {name: design @ cents / 100 for name, cents in models.linear.items()}
    if models.trees and seen is None:
        seen = tree_design(batch, models.book)
    for family, trees in models.trees.items():
        base = found["linear"] if family == "residual" else 0.0
        found[family] = base + trees.predict(seen)
    if "true_cents" in batch.schema.names:
        found["oracle"] = batch.column("true_cents").to_numpy() / 100
    return found


def _labels(
    batch: pa.RecordBatch, spec: Spec, models: Models, seen: sparse.csr_array
) -> dict[str, NDArray[np.str_]]:
    """Return the groupings that every report shows, and the spec's own columns."""
    profile = batch.column("profile").to_numpy()
    status = models.book.profiles.values(profile)
    age, sex = status["age"], status["sex"]
    band = np.array(AGE_NAMES)[np.searchsorted(AGES, age, side="right") - 1]
    number = np.asarray(seen[:, [seen.shape[1] - 1]].todense()).ravel().astype(int)
    groups = np.array(["0", "1-3", "4-6", "7-9", "10+"])
    made = {
        "segment": np.array(models.book.segments)[models.book.segment_of[profile]],
        "age and sex": np.char.add(np.where(sex == 1, "M ", "F "), band),
        "number of conditions": groups[np.searchsorted([1, 4, 7, 10], number, side="right")],
    } | _status_labels(status)
    own = {
        c: batch.column(carried_name(c)).to_numpy(zero_copy_only=False).astype(str)
        for c in spec.columns
    }
    return made | own


def _status_labels(status: dict[str, NDArray[np.int64]]) -> dict[str, NDArray[np.str_]]:
    """Return the groupings by status that the model's own rules ask for."""
    made = {}
    if "dual" in status:
        made["dual status"] = np.array([DUAL_NAMES[k] for k in range(3)])[status["dual"]]
    if "orec" in status:
        old = np.where(status["orec"] == 1, "aged, originally disabled", "aged")
        made["entitlement"] = np.where(status["age"] < 65, "disabled", old)
    if "long_term_institutional" in status:
        lives = status["long_term_institutional"] == 1
        made["residence"] = np.where(lives, "long-term institutional", "community")
    return made


def _cells(columns: Columns) -> NDArray[np.int64]:
    """Number the combinations of demographic variables, by profile."""
    _, number = np.unique(columns.of_profile, axis=0, return_inverse=True)
    return number.ravel().astype(np.int64)


def models_of(
    book: Rulebook,
    cents: Mapping[tuple[str, str], int],
    others: Mapping[str, Floats],
    cents_per_thousandth: float,
    trees: Mapping[str, TreeRegressor],
) -> Models:
    """Bring together a fit, other methods' coefficients, the base model's, and the trees."""
    columns = design_columns(book)
    pairs = column_pairs(columns)
    own = np.array([cents[pair] for pair in pairs], dtype=np.float64)
    base = np.array([book.model.coefficients[pair] for pair in pairs], dtype=np.float64)
    linear = {"linear": own, **others, "base": base * cents_per_thousandth}
    return Models(book, columns, linear, trees)


def column_pairs(columns: Columns) -> list[tuple[str, str]]:
    """Return the segment and variable of every column."""
    return [(s, n) for s, names in zip(columns.segments, columns.names, strict=True) for n in names]


def add_baselines(train: Population, others: Sequence[Population], cap_usd: float) -> None:
    """Predict by demographic variables alone, and by segment and last year's cost.

    Both are weighted means of capped cost of the training members of a cell; a cell of fewer than
    ``CELL`` takes the mean of all.
    """
    cost = np.minimum(train.cost, cap_usd)
    kinds: dict[str, Callable[[Population], NDArray[np.int64]]] = {
        "demographic": lambda p: p.cell,
        "prior cost": lambda p: p.segment * len(BANDS) + p.prior_band,
    }
    for name, label in kinds.items():
        means = cell_means(label(train), cost, train.weight, CELL)
        for population in (train, *others):
            population.predicted[name] = means.predict(label(population))
