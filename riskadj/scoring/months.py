"""Member months: each month's segment and score, and the average over a member's paid months."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from riskadj.connection import connect
from riskadj.engine.duck import Quality, Reduced, reduce_months
from riskadj.engine.inputs import Source
from riskadj.engine.months import DualTiming, MonthCounts, Months
from riskadj.errors import InputError, OptionError
from riskadj.scoring.batches import (
    LaneScores,
    as_kind,
    component_scores,
    in_turn,
    program_scores,
    request_of,
    score_lane,
)
from riskadj.scoring.payment import MSP
from riskadj.scoring.plan import NO_TERMS, Options, Plan, Program, Terms, plan_payers
from riskadj.scoring.sink import Files, Paths, Progress

DEFAULTS = Options()
ENTITLED = ("part_a", "part_b")
"""A month is paid only with both: 42 CFR 422.50(a)(1), entitled under Part A and enrolled in B."""
EVERY_MONTH = (1 << 12) - 1


@dataclass(frozen=True, slots=True)
class MonthlyScores:
    """Scores of a population with monthly statuses.

    Attributes
    ----------
    years
        A frame of the kind the members came in: ``member_id, program, payment_year, months,
        payment_months, average_score, score_months, payment_score_months``, one row a member and
        program. ``average_score`` is over the paid months, null without any;
        ``score_months`` adds the scores of the paid months, exactly; ``payment_score_months``
        counts a month in which Medicare is the secondary payer by the factor that was supplied.
    months
        ``member_id, month, program, model, segment, score, paid``.
    quality, counts
        What was read of members and diagnoses, and of the months.
    caveats
        What rests on a single source or on less than a primary document.
    rejected
        ``table, row, why`` of rows set aside in quarantine (pyarrow).
    """

    years: Any
    months: Any
    quality: Quality
    counts: MonthCounts
    caveats: tuple[str, ...]
    rejected: pa.Table


def score_months(
    members: Source,
    months: Source,
    diagnoses: Source,
    *,
    payment_year: int,
    payer: str | Sequence[str] = "ma",
    terms: Terms = NO_TERMS,
    how: "MonthOptions | None" = None,
) -> MonthlyScores:
    """Score every month of members by the models and segments of the month's status.

    Parameters
    ----------
    members, diagnoses
        As for ``score``.
    months
        ``member_id, month`` and any monthly status: the rest is read from the members.
    how
        Dual timing, errors, memory.

    Raises
    ------
    NotPublishedError, OptionError, InputError
        As ``score``; also for a month that is outside the year or stands twice.
    """
    chosen = how or MonthOptions()
    payers = (payer,) if isinstance(payer, str) else payer
    plan = plan_payers(payers, payment_year, terms)
    rule = Months(payment_year, chosen.dual_timing)
    with connect(chosen.options.memory_limit, chosen.options.threads) as connection:
        population, counts = reduce_months(
            connection, members, months, diagnoses, request_of(plan, chosen.options), rule
        )
        years = YearSums(plan, population, terms)
        monthly = [t for batch in month_batches(plan, population, years) for t in batch]
        if not monthly:
            raise InputError("member_months: no month is left to score")
        population.quality.notes += years.notes
        return MonthlyScores(
            as_kind(years.table(), members), as_kind(pa.concat_tables(monthly), members),
            population.quality, counts, plan.caveats,
            population.rejected,
        )  # fmt: skip


def months_to_files(
    plan: Plan,
    sources: tuple[Source, Source, Source],
    outputs: "MonthOutputs",
    rule: Months,
    terms: Terms,
    run: tuple[Options, Progress],
) -> tuple[Quality, MonthCounts]:
    """Score members, months and diagnoses (``sources``) into files; memory stays flat.

    Raises
    ------
    InputError
        Input cannot be read or breaks the contract; no output is left behind.
    """
    options, progress = run
    outputs.refuse_inputs(s for s in sources if isinstance(s, (str, Path)))
    with connect(options.memory_limit, options.threads) as connection:
        progress("reading members, months and diagnoses", 0)
        population, counts = reduce_months(connection, *sources, request_of(plan, options), rule)
        with Files(outputs, {"models": plan.models, "caveats": plan.caveats}) as files:
            years = YearSums(plan, population, terms)
            for tables in month_batches(plan, population, years, files.wants("months")):
                for table in tables:
                    files.write("months", table)
                progress("scoring months", years.done)
            if not years.done:
                raise InputError("member_months: no month is left to score")
            files.write("scores", years.table())
            files.write("rejected", population.rejected)
            population.quality.notes += years.notes
            files.write_quality(population.quality, plan.caveats, asdict(counts))
    return population.quality, counts


@dataclass(frozen=True, slots=True)
class MonthOutputs(Paths):
    """Where results go; None is not written.

    Attributes
    ----------
    scores
        One row a member and program, ``.parquet`` or ``.csv``.
    months
        One row a member, month and program.
    """

    scores: Path
    months: Path | None = None
    rejected: Path | None = None
    quality: Path | None = None


@dataclass(frozen=True, slots=True)
class MonthOptions:
    """How to read the months.

    Attributes
    ----------
    dual_timing
        ``monthly``, or ``interim`` for the anchor months of interim payment: see ``Months``.
    """

    dual_timing: DualTiming = "monthly"
    options: Options = field(default_factory=Options)

    def __post_init__(self) -> None:
        if self.dual_timing not in ("monthly", "interim"):
            raise OptionError(
                f"dual_timing is {self.dual_timing!r}; expected 'monthly' or 'interim'"
            )


@dataclass(frozen=True, slots=True)
class Runs:
    """The rows of one batch for one program: a member and status each.

    Attributes
    ----------
    score : int64, shape (n_rows,)
        The program's score in thousandths.
    months, paid, secondary : int64, shape (n_rows,)
        Twelve bits: the months of the status, those that are paid, and those in which Medicare is
        the secondary payer.
    lane, segment : shape (n_rows,)
        The lane that pays most of the score, -1 if none does, and its segment.
    """

    score: NDArray[np.int64]
    months: NDArray[np.int64]
    paid: NDArray[np.int64]
    secondary: NDArray[np.int64]
    lane: NDArray[np.int8]
    segment: NDArray[np.int8]


def month_batches(
    plan: Plan, population: Reduced, years: "YearSums", wanted: bool = True
) -> Iterator[list[pa.Table]]:
    """Score the population batch by batch: adds to ``years``; yields the months, if wanted."""
    runs_of = partial(_all_runs, plan, population.words)
    for runs, batch in in_turn(population.batches(), runs_of):
        ids, place = batch.column("member_id"), batch.column("place").to_numpy()
        years.add(place, ids, runs)
        found = zip(plan.programs, runs, strict=True)
        yield [_month_table(plan, p, ids, own) for p, own in found] if wanted else []


def _all_runs(plan: Plan, words: Sequence[Sequence[str]], batch: pa.RecordBatch) -> list[Runs]:
    """Score one batch by every program."""
    profile = batch.column("profile").to_numpy()
    scored = [score_lane(plan, i, batch, names) for i, names in enumerate(words)]
    paid = component_scores(plan, profile, scored)
    found = []
    for program in plan.programs:
        score, _ = program_scores(profile, program, scored, paid)
        lane, segment = _main_lane(profile, program, scored)
        found.append(Runs(score, *_masks(batch, program, lane), lane, segment))
    return found


def _main_lane(
    profile: NDArray[np.int32], program: Program, scored: Sequence[Sequence[LaneScores]]
) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Return the lane of the greatest weight that pays each row, and its segment."""
    lane = np.full(len(profile), -1, dtype=np.int8)
    segment = np.zeros(len(profile), dtype=np.int8)
    for share in sorted(program.shares, key=lambda s: s.weight):
        for part in scored[share.lane]:
            pays = share.pays[profile[part.who]]
            lane[part.who[pays]] = share.lane
            segment[part.who[pays]] = part.raw.segment[pays]
    return lane, segment


def _masks(
    batch: pa.RecordBatch, program: Program, lane: NDArray[np.int8]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the months of each row, those that the program pays, and the secondary ones."""

    def of(name: str) -> NDArray[np.int64]:
        return np.asarray(batch.column(name).to_numpy(), dtype=np.int64)

    months = of("months")
    paid = np.where(lane < 0, 0, months & of("part_a") & of("part_b"))
    if program.year.unpaid_months.value:
        paid = paid & ~of(program.year.unpaid_months.value)
    return months, paid, paid & of("medicare_secondary_payer")


class YearSums:
    """Exact sums over each member's months, by program."""

    def __init__(self, plan: Plan, population: Reduced, terms: Terms) -> None:
        people = (len(plan.programs), population.quality.members)
        self.plan = plan
        self.factor = Fraction(terms.supplied[MSP].number) if MSP in terms.supplied else None
        self.sums = {name: np.zeros(people, dtype=np.int64)
                     for name in ("months", "paid", "score", "secondary")}  # fmt: skip
        self.done = 0
        self.place: list[NDArray[np.int32]] = []
        self.ids: list[pa.Array] = []

    def add(self, place: NDArray[np.int32], ids: pa.Array, runs: Sequence[Runs]) -> None:
        """Add a batch by every program; rows of one member stand together."""
        first = np.flatnonzero(np.diff(place, prepend=-1))
        who = place[first]
        for program, own in enumerate(runs):
            n_paid, n_secondary = np.bitwise_count(own.paid), np.bitwise_count(own.secondary)
            added = {"months": np.bitwise_count(own.months).astype(np.int64),
                     "paid": n_paid.astype(np.int64), "score": own.score * n_paid,
                     "secondary": own.score * n_secondary}  # fmt: skip
            for name, values in added.items():
                self.sums[name][program, who] += np.add.reduceat(values, first)
        self.done += len(place)
        self.place.append(who)
        self.ids.append(ids.take(pa.array(first)))

    @property
    def notes(self) -> list[str]:
        """Return what was assumed of months in which Medicare is the secondary payer."""
        if self.factor is not None or not self.sums["secondary"].any():
            return []
        return [f"no {MSP} supplied: months in which Medicare is the secondary payer count in full"]

    def table(self) -> pa.Table:
        """Return one row a member and program."""
        place = np.concatenate(self.place)
        keep = np.flatnonzero(np.diff(place, prepend=-1))
        ids = pa.chunked_array(self.ids).take(pa.array(keep))
        return pa.concat_tables([
            self._program_table(i, p.year.key, ids, place[keep])
            for i, p in enumerate(self.plan.programs)
        ])  # fmt: skip

    def _program_table(
        self, number: int, key: str, ids: pa.ChunkedArray, place: NDArray[np.int32]
    ) -> pa.Table:
        months, paid, score, secondary = (s[number][place] for s in self.sums.values())
        left = 1 if self.factor is None else self.factor
        weighed = (
            [
                float(Fraction(int(a - b) + left * int(b), 1000))
                for a, b in zip(score, secondary, strict=True)
            ]
            if left != 1
            else score / 1000
        )
        average = np.divide(score / 1000, paid, out=np.zeros(len(paid)), where=paid > 0)
        return pa.table({
            "member_id": ids,
            "program": pa.array([key]).take(pa.array(np.zeros(len(place), np.int8))),
            "payment_year": pa.array(np.full(len(place), int(key[-4:]), np.int16)),
            "months": pa.array(months.astype(np.int8)),
            "payment_months": pa.array(paid.astype(np.int8)),
            "average_score": pa.array(average, mask=paid == 0),
            "score_months": pa.array(score / 1000),
            "payment_score_months": pa.array(weighed),
        })  # fmt: skip


def _month_table(plan: Plan, program: Program, ids: pa.Array, runs: Runs) -> pa.Table:
    """Write a row a month: a status' row is repeated for each of its months."""
    bits = (runs.months[:, None] >> np.arange(12)) & 1
    row, month = np.nonzero(bits)
    year = program.year.payment_year
    first = np.array([f"{year}-{m:02d}-01" for m in range(1, 13)], dtype="datetime64[D]")
    lane = runs.lane[row]
    names = [lane.book.segments for lane in plan.lanes]
    start = np.cumsum([0, *(len(n) for n in names)])
    place = pa.array(start[lane] + runs.segment[row], mask=lane < 0)
    score = runs.score[row] / 1000
    return pa.table({
        "member_id": ids.take(pa.array(row)),
        "month": pa.array(first[month]),
        "program": _dictionary([program.year.key], np.zeros(len(row), np.int8)),
        "model": _dictionary(plan.names, lane, lane < 0),
        "segment": pa.array([s for n in names for s in n]).dictionary_encode().take(place),
        "score": pa.array(score, mask=lane < 0),
        "paid": pa.array((runs.paid[row] >> month) & 1 == 1),
    })  # fmt: skip


def _dictionary(
    names: Sequence[str], place: NDArray[np.int8], mask: NDArray[np.bool_] | None = None
) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(place, mask=mask), pa.array(list(names)))
