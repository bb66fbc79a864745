"""Member months: each month's segment and score, and the average over a member's paid months.

Who is scored how in a month, and where CMS says it:

- payment is by month: 42 CFR 422.304(a); risk factors are age, sex, disability, institutional and
  health status: 42 CFR 422.308(c)(1);
- aged or disabled for the whole year by age on 1 February: macros V2419P1M and E2118P1M, parameter
  DATE_ASOF; CMS memo of 10 June 2016, 2017 CMS-HCC model implementation, section III;
- dual status of the month, or of the anchor months at interim payment: the same memo, sections II
  and III;
- new enrollee with fewer than 12 months of Part B in the data year, before long-term institutional:
  Medicare Managed Care Manual, chapter 7, section 70.2 (its title was seen, the wording not);
- ESRD: transplant in the month of the transplant and the two after it, then a functioning graft:
  CMS, Capitation Payment under the Risk Adjustment Model, May 2004; E2118P1M, lines 575-637;
- hospice months are not paid by the score: 42 USC 1395w-23(h)(2);
- Part A and Part B for Part C: 42 CFR 422.50(a)(1); either for Part D: 42 CFR 423.30(a)(1)(i);
- Part D's low income is that of the month: manual, section 70.4.2 (title only).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from riskadj.connection import connect
from riskadj.engine.duck import Quality, Reduced, none_left, reduce_months
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
from riskadj.scoring.plan import NO_TERMS, Options, Plan, Program, Terms
from riskadj.scoring.programs import plan_payers
from riskadj.scoring.sink import Files, Paths, Progress, with_claims

BOTH_PARTS = "part_a and part_b"
NO_FACTOR = f"no {MSP} supplied: months in which Medicare is the secondary payer count in full"


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
        ``member_id, month, program, main_model, segment, score, paid``: ``main_model`` is the one
        of the greatest weight that pays the month, and ``segment`` its segment.
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
    plan = plan_payers(payers, payment_year, terms, monthly=True)
    rule = Months(payment_year, chosen.dual_timing)
    with connect(chosen.options.memory_limit, chosen.options.threads) as connection:
        sources = (members, months, diagnoses)
        population, counts = reduced_months(plan, connection, sources, rule, terms, chosen.options)
        years, monthly = [], []
        for year, month, _ in month_batches(plan, population, terms):
            years.append(year)
            monthly.append(month)
        if not years:
            raise _no_month(counts)
        return MonthlyScores(
            as_kind(pa.concat_tables(years), members), as_kind(pa.concat_tables(monthly), members),
            population.quality, counts, tuple(population.quality.caveats), population.rejected,
        )  # fmt: skip


def reduced_months(
    plan: Plan,
    connection: Any,
    sources: tuple[Source, Source, Source],
    rule: Months,
    terms: Terms,
    options: Options,
) -> tuple[Reduced, MonthCounts]:
    """Reduce members, months and diagnoses (``sources``) for a plan."""
    found, counts = reduce_months(connection, *sources, request_of(plan, options), rule)
    found.quality.caveats += plan.caveats_of(found.words)
    found.quality.caveats += [c for p in plan.programs for c in p.year.month_caveats]
    if given := terms.supplied.get(MSP):
        found.quality.caveats.append(f"{MSP} {given.value} was supplied ({given.source})")
    return found, counts


def months_to_files(
    plan: Plan,
    sources: tuple[Source, Source, Source],
    outputs: "MonthOutputs",
    rule: Months,
    terms: Terms,
    run: tuple[Options, Progress],
    claims_rejected: Sequence[tuple[int, str]] = (),
) -> tuple[Quality, MonthCounts]:
    """Score members, months and diagnoses (``sources``) into files; memory stays flat.

    ``claims_rejected`` are the lines of a claims file that could not be read, with reasons.

    Raises
    ------
    InputError
        Input cannot be read or breaks the contract; no output is left behind.
    """
    options, progress = run
    outputs.refuse_inputs(s for s in sources if isinstance(s, (str, Path)))
    with connect(options.memory_limit, options.threads) as connection:
        progress("reading members, months and diagnoses", 0)
        population, counts = reduced_months(plan, connection, sources, rule, terms, options)
        about = {"models": plan.models, "caveats": population.quality.caveats}
        with Files(outputs, about) as files:
            done, wanted = 0, files.wants("months")
            for year, month, rows in month_batches(plan, population, terms, wanted):
                files.write("scores", year)
                files.write("months", month)
                done += rows
                progress("scoring statuses", done)
            if not done:
                raise _no_month(counts)
            files.write("rejected", with_claims(population.rejected, claims_rejected))
            files.write_quality(population.quality, asdict(counts))
    return population.quality, counts


def _no_month(counts: MonthCounts) -> InputError:
    """Return the error of months of which none is left, with what became of them."""
    unknown = {"of members that are not in the members table": counts.of_unknown_members,
               "of members set aside": counts.of_refused_members}  # fmt: skip
    told = {why: n for why, n in {**counts.rejected, **unknown}.items() if n}
    return none_left("member_months", told)


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
    plan: Plan, population: Reduced, terms: Terms, wanted: bool = True
) -> Iterator[tuple[pa.Table, pa.Table, int]]:
    """Score the population batch by batch.

    Yields
    ------
    a row a member and program; a row a month and program (none unless ``wanted``); how many
    statuses these are of
    """
    given = terms.supplied.get(MSP)
    factor = None if given is None else Fraction(given.number)
    unpaid = population.quality.unpaid
    secondary = False

    def work(batch: pa.RecordBatch) -> tuple[pa.Table, pa.Table, bool]:
        runs = _all_runs(plan, population.words, batch)
        found = list(zip(plan.programs, runs, strict=True))
        years = [_year_table(batch, p, own, 1 if factor is None else factor) for p, own in found]
        months = [_month_table(plan, p, batch, own) for p, own in found if wanted]
        has_secondary = any(bool(own.secondary.any()) for own in runs)
        for program, own in found:
            if n := int(np.bitwise_count(own.months[own.lane < 0]).sum()):
                unpaid[program.unpaid] = unpaid.get(program.unpaid, 0) + n
        return pa.concat_tables(years), _joined(months), has_secondary

    for (years, months, has_secondary), batch in in_turn(_whole(population.batches()), work):
        secondary |= has_secondary
        yield years, months, batch.num_rows
    if secondary and factor is None:
        population.quality.notes.append(NO_FACTOR)


def _joined(tables: Sequence[pa.Table]) -> pa.Table:
    return pa.concat_tables(tables) if tables else pa.table({})


def _whole(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Cut batches anew so that all rows of a member stand in one."""
    rest: pa.Table | None = None
    for batch in batches:
        table = pa.Table.from_batches([batch])
        table = table if rest is None else pa.concat_tables([rest, table])
        place = table["place"].to_numpy()
        last = int(np.searchsorted(place, place[-1]))
        rest = table.slice(last)
        if last:
            yield from table.slice(0, last).combine_chunks().to_batches()
    if rest is not None:
        yield from rest.combine_chunks().to_batches()


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
    """Return the months of each row, those that the program pays, and the secondary ones.

    Which parts of Medicare a month needs, and which flag leaves it out, the program says.
    """

    def of(name: str) -> NDArray[np.int64]:
        return np.asarray(batch.column(name).to_numpy(), dtype=np.int64)

    months, a, b = of("months"), of("part_a"), of("part_b")
    entitled = a & b if program.year.entitled.value == BOTH_PARTS else a | b
    paid = np.where(lane < 0, 0, months & entitled)
    if program.year.unpaid_months.value:
        paid = paid & ~of(program.year.unpaid_months.value)
    return months, paid, paid & of("medicare_secondary_payer")


def _year_table(
    batch: pa.RecordBatch, program: Program, runs: Runs, factor: Fraction | int
) -> pa.Table:
    """Add up each member's months, exactly; the rows of a member stand together."""
    first = np.flatnonzero(np.diff(batch.column("place").to_numpy(), prepend=-1))
    n_paid = np.bitwise_count(runs.paid).astype(np.int64)
    months, paid, score, secondary = (
        np.add.reduceat(values, first) for values in (
            np.bitwise_count(runs.months).astype(np.int64), n_paid, runs.score * n_paid,
            runs.score * np.bitwise_count(runs.secondary),
        )
    )  # fmt: skip
    left, of = Fraction(factor).as_integer_ratio()
    if of > 1 << 30:  # more digits than 64 bits hold: Python's integers
        score, secondary = score.astype(object), secondary.astype(object)
    weighed = ((score * of - secondary * (of - left)) / (1000 * of)).astype(np.float64)
    score = score.astype(np.int64)
    average = np.divide(score, 1000 * paid, out=np.zeros(len(paid)), where=paid > 0)
    n, year = len(first), program.year.payment_year
    return pa.table({
        "member_id": batch.column("member_id").take(pa.array(first)),
        "program": _dictionary([program.year.key], np.zeros(n, np.int8)),
        "payment_year": pa.array(np.full(n, year, np.int16)),
        "months": pa.array(months.astype(np.int8)),
        "payment_months": pa.array(paid.astype(np.int8)),
        "average_score": pa.array(average, mask=paid == 0),
        "score_months": pa.array(score / 1000),
        "payment_score_months": pa.array(weighed),
    })  # fmt: skip


def _month_table(plan: Plan, program: Program, batch: pa.RecordBatch, runs: Runs) -> pa.Table:
    """Write a row a month, in order: a status' row is repeated for each of its months."""
    ids, place = batch.column("member_id"), batch.column("place").to_numpy()
    bits = (runs.months[:, None] >> np.arange(12)) & 1
    row, month = np.nonzero(bits)
    order = np.argsort(place[row].astype(np.int64) * 12 + month, kind="stable")
    row, month = row[order], month[order]
    year = program.year.payment_year
    first = np.array([f"{year}-{m:02d}-01" for m in range(1, 13)], dtype="datetime64[D]")
    lane = runs.lane[row]
    names = [lane.book.segments for lane in plan.lanes]
    start = np.cumsum([0, *(len(n) for n in names)])
    segment = pa.array(start[lane] + runs.segment[row], mask=lane < 0)
    score = runs.score[row] / 1000
    return pa.table({
        "member_id": ids.take(pa.array(row)),
        "month": pa.array(first[month]),
        "program": _dictionary([program.year.key], np.zeros(len(row), np.int8)),
        "main_model": _dictionary(plan.names, lane, lane < 0),
        "segment": pa.array([s for n in names for s in n]).dictionary_encode().take(segment),
        "score": pa.array(score, mask=lane < 0),
        "paid": pa.array((runs.paid[row] >> month) & 1 == 1),
    })  # fmt: skip


def _dictionary(
    names: Sequence[str], place: NDArray[np.int8], mask: NDArray[np.bool_] | None = None
) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(place, mask=mask), pa.array(list(names)))
