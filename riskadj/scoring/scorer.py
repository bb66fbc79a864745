"""Score whole populations: a model, or all the models of a payment year."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from riskadj.catalog import resolve_model
from riskadj.connection import connect
from riskadj.engine.duck import Quality, none_left
from riskadj.engine.inputs import Source
from riskadj.model import RiskModel
from riskadj.scoring.batches import as_kind, reduced, score_batches
from riskadj.scoring.explain import factor_table, status_table
from riskadj.scoring.plan import NO_TERMS, Options, Plan, Terms, plan_model
from riskadj.scoring.programs import plan_payers

DEFAULTS = Options()


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of a population.

    Attributes
    ----------
    table
        A frame of the kind the members came in (pyarrow for a path), columns as in
        ``score_batch``.
    quality
        What was read, set aside and assumed.
    caveats
        What rests on a single source or on less than a primary document.
    rejected
        ``table, row, why`` of rows set aside in quarantine (pyarrow).
    """

    table: Any
    quality: Quality
    caveats: tuple[str, ...]
    rejected: pa.Table
    plan: Plan = field(repr=False)
    population: pa.Table = field(repr=False)
    words: list[list[str]] = field(repr=False)
    sources: tuple[Source, Source] = field(repr=False)
    options: Options = field(repr=False)

    def factors(self) -> Any:
        """Return ``member_id, model, segment, term, label, coefficient``: scores are its sums."""
        return as_kind(factor_table(self.plan, self.population, self.words), self.sources[0])

    def diagnosis_status(self) -> Any:
        """Return every distinct diagnosis of every member, with its status and the reason."""
        table = status_table(self.plan, self.population, self.words, self.sources[1], self.options)
        return as_kind(table, self.sources[0])


def run(plan: Plan, members: Source, diagnoses: Source, options: Options) -> Scores:
    """Score a population in memory."""
    with connect(options.memory_limit, options.threads) as connection:
        population = reduced(plan, connection, members, diagnoses, options)
        scored = list(score_batches(plan, population))
    batches = [batch for _, batch in scored]
    if not scored:
        raise none_left("members", population.quality.members_rejected)
    return Scores(
        table=as_kind(pa.concat_tables([t for t, _ in scored]), members),
        quality=population.quality,
        caveats=tuple(population.quality.caveats),
        rejected=population.rejected,
        plan=plan,
        population=pa.Table.from_batches(batches),
        words=population.words,
        sources=(members, diagnoses),
        options=options,
    )


class Scorer:
    """A model ready to score."""

    def __init__(self, model: RiskModel) -> None:
        self.model = model

    def __repr__(self) -> str:
        return f"<Scorer {self.model.key}>"

    def score(
        self,
        members: Source,
        diagnoses: Source,
        *,
        segment: str | None = None,
        all_segments: bool = False,
        options: Options = DEFAULTS,
    ) -> Scores:
        """Score members with this model; see the README for the columns.

        Parameters
        ----------
        members, diagnoses
            A path (Parquet, CSV, NDJSON) or a pandas, polars or pyarrow frame.
        segment
            Price this segment, whatever the member's status.
        all_segments
            Price every segment, as CMS's software does: one row a member and segment.

        Raises
        ------
        InputError
            A table cannot be read or breaks the contract.
        """
        return run(plan_model(self.model, segment, all_segments), members, diagnoses, options)


def load_model(model: str | Path) -> Scorer:
    """Load a published model by key, or any sealed model folder by ``Path``.

    Raises
    ------
    NotPublishedError
        No such key; the message lists the keys there are.
    ModelFolderError
        The folder is not whole, or changed after it was sealed.
    """
    return Scorer(resolve_model(model))


def score(
    members: Source,
    diagnoses: Source,
    *,
    payment_year: int,
    payer: str | Sequence[str] = "ma",
    models: Mapping[str, str | Path] | None = None,
    terms: Terms = NO_TERMS,
    options: Options = DEFAULTS,
) -> Scores:
    """Score members with the models, segments and blend of a payment year.

    Parameters
    ----------
    members, diagnoses
        A path (Parquet, CSV, NDJSON) or a pandas, polars or pyarrow frame.
    payment_year
        Such as 2026.
    payer
        Such as ``"ma"``; several, such as ``("ma", "part-d-ma-pd")``, share one pass.
    models
        Your own model folders, by the published key that each replaces.
    terms
        ``Terms(accept_unverified=True)`` uses values that no document read bears out, and the
        caveats name them; ``Terms(supplied=read_supplied(path))`` gives what a program
        asks its user for.

    Returns
    -------
    Scores
        One row a member and model; a blend adds a row whose model is ``ma/<year>``.

    Raises
    ------
    NotPublishedError
        The year, or a model that it blends, is not published.
    InputError
        A table cannot be read or breaks the contract.
    """
    payers = (payer,) if isinstance(payer, str) else payer
    return run(plan_payers(payers, payment_year, terms, models), members, diagnoses, options)
