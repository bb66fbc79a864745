"""Coding stress: what one more code a member earns, by how the code is chosen."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from riskadj.features.rulebook import WORD, Rulebook
from riskadj.training.challengers import live_conditions, tree_design
from riskadj.validation.population import Models, predict

MOST_MEMBERS = 20_000
POOLS = ("prevalence", "chronic pairs", "best paying")


@dataclass(frozen=True, slots=True)
class Stress:
    """What a model pays for codes that were added to everybody.

    Attributes
    ----------
    pool
        ``prevalence``: a condition drawn as common as it is; ``chronic pairs``: a condition that
        outranks or is outranked by one the member has; ``best paying``: the condition that this
        model pays most for, for the member's segment.
    model
    members
        Who got a code.
    usd_a_code
        Mean rise of the prediction, dollars a year.
    elasticity
        Relative rise of the mean prediction over the relative rise of the number of conditions.
    """

    pool: str
    model: str
    members: int
    usd_a_code: float
    elasticity: float


def coding_stress(batches: Iterator[pa.RecordBatch], models: Models, seed: int) -> list[Stress]:
    """Add one condition to each of at most ``MOST_MEMBERS`` drawn members and predict again.

    Members of segments that use no diagnoses get none.
    """
    rng = np.random.default_rng(seed)
    batch = _drawn(batches, rng)
    models = replace(models, linear={"linear": models.linear["linear"]})
    before = predict(batch, models)
    live = _conditions(batch, models.book)
    found = []
    for pool in POOLS:
        who, added = _draw(pool, batch, models, live, rng)
        after = predict(_with_codes(batch, who, added), models)
        share = len(who) / max(live.sum(), 1)
        for name, old in before.items():
            if name == "oracle":
                continue
            rise = float((after[name] - old)[who].mean()) if len(who) else float("nan")
            relative = float(after[name].sum() / old.sum() - 1)
            found.append(Stress(pool, name, len(who), rise, relative / share))
    return found


def _drawn(batches: Iterator[pa.RecordBatch], rng: np.random.Generator) -> pa.RecordBatch:
    whole = pa.Table.from_batches(batches)
    if whole.num_rows > MOST_MEMBERS:
        rows = np.sort(rng.choice(whole.num_rows, MOST_MEMBERS, replace=False))
        whole = whole.take(pa.array(rows))
    return whole.combine_chunks().to_batches()[0]


def _conditions(batch: pa.RecordBatch, book: Rulebook) -> NDArray[np.bool_]:
    """Return live conditions: bool, shape (n_members, n_categories)."""
    return np.asarray(live_conditions(tree_design(batch, book), book).toarray(), dtype=np.bool_)


def _draw(
    pool: str,
    batch: pa.RecordBatch,
    models: Models,
    live: NDArray[np.bool_],
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Choose who gets which condition; only conditions that the member does not have."""
    book = models.book
    uses = np.array([s.uses_diagnoses for s in book.model.segments])
    segment = book.segment_of[batch.column("profile").to_numpy()]
    scored = np.flatnonzero(uses[segment])
    if pool == "best paying":
        column = models.columns.of_bit[: book.n_categories][:, segment[scored]].T
        worth = np.where(column >= 0, models.linear["linear"][column], 0.0)
        added = np.where(live[scored], -1.0, worth).argmax(axis=1)
    else:
        weight = np.tile(live.mean(axis=0), (len(scored), 1))
        if pool == "chronic pairs":
            weight = weight * (live[scored].astype(np.float64) @ _related(book) > 0)
        weight[live[scored]] = 0.0
        total = weight.sum(axis=1)
        scored, weight = scored[total > 0], weight[total > 0]
        draw = rng.random(len(scored)) * weight.sum(axis=1)
        added = (weight.cumsum(axis=1) < draw[:, None]).sum(axis=1)
    return scored, added


def _related(book: Rulebook) -> NDArray[np.float64]:
    made = np.zeros((book.n_categories, book.n_categories))
    for parent, child in book.hierarchy:
        made[parent, child] = made[child, parent] = 1.0
    return made


def _with_codes(
    batch: pa.RecordBatch, who: NDArray[np.int64], added: NDArray[np.int64]
) -> pa.RecordBatch:
    """Set a condition's bit in the words of some members."""
    word, place = np.divmod(added, WORD)
    for number in np.unique(word):
        name = f"w{number}"
        values = batch.column(name).to_numpy().copy()
        mine = word == number
        values[who[mine]] |= np.int64(1) << place[mine]
        batch = batch.set_column(batch.schema.get_field_index(name), name, pa.array(values))
    return batch
