"""Invented populations with a known truth: three years of members, diagnoses and cost.

Nobody in them exists. Diagnoses of a year predict the cost of the next; what a member-year is
expected to cost is known (``truth.py``) and written apart, so a trained model can be held against
it. Numbers come from ``populations/*.toml``; they are plausible, and fitted to the target moments
stated there, not to any person's data.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from riskadj.errors import OptionError
from riskadj.model import RiskModel
from riskadj.sources.conditions import Conditions, read_conditions
from riskadj.sources.illness import Coded, code_year, draw_illness, keep_most_severe
from riskadj.sources.moments import achieved_moments
from riskadj.sources.people import (
    YEARS,
    Exposure,
    People,
    draw_deaths,
    draw_people,
    exposure,
    members_table,
)
from riskadj.sources.preset import Preset, load_preset
from riskadj.sources.truth import Cost, draw_cost

CHUNK, FEWEST = 250_000, 1000
ROW_GROUP = 1 << 18
HEAD = "population.json"
YEAR_TABLES = ("diagnoses", "costs", "truth")


@dataclass(frozen=True, slots=True)
class Population:
    """Invented members of a payment year and their diagnoses of the year before."""

    members: pa.Table
    diagnoses: pa.Table


@dataclass(frozen=True, slots=True)
class Year:
    """One year of a chunk of members.

    Attributes
    ----------
    number
        0, 1 or 2.
    conditions
        How many true conditions each has, most severe kept, shape (n,).
    """

    number: int
    exposed: Exposure
    coded: Coded
    cost: Cost
    conditions: NDArray[np.int16]

    @property
    def there(self) -> NDArray[np.intp]:
        """The members with exposure in the year."""
        return np.flatnonzero(self.exposed.months)


def draw_population(n_members: int, seed: int, preset: str, model: RiskModel) -> Population:
    """Invent members of the model's payment year, with diagnoses of the year before.

    The same arguments give the same tables.
    """
    rules, payment_year = load_preset(preset), model.facts.payment_year
    conditions = read_conditions(rules, model)
    # a few die before the payment year begins
    drawn = n_members + n_members // 8 + 100
    (people, years), *_ = _chunks(rules, conditions, drawn, seed, payment_year - 1)
    who = years[1].there[:n_members]
    members = members_table(people, rules, 1, who)
    diagnoses = _diagnoses(people, years[0], conditions)
    known = pc.is_in(diagnoses["member_id"], value_set=members["member_id"].combine_chunks())
    return Population(members, diagnoses.filter(known))


def write_population(
    out: Path,
    n_members: int,
    seed: int,
    preset: str,
    model: RiskModel,
    first_year: int,
    progress: Callable[[str, int], None],
) -> Path:
    """Write a population of three years as Parquet files; the same arguments give the same bytes.

    Parameters
    ----------
    out
        Folder for ``members-<year>``, ``diagnoses``, ``costs`` and ``truth`` (.parquet) and
        ``population.json``. Files that are there are replaced.
    n_members
        Members of all years together; at least 1,000.
    progress
        Told what is going on, and how many members are done.

    Returns
    -------
    Path
        Of ``population.json``.

    Raises
    ------
    OptionError
        There is no such preset, or the population is too small.
    """
    rules = load_preset(preset)
    if n_members < FEWEST:
        raise OptionError(f"members: expected at least {FEWEST:,}, not {n_members:,}")
    if out.exists() and not out.is_dir():
        raise OptionError(f"{out} is a file; a population is a folder")
    out.mkdir(parents=True, exist_ok=True)
    (out / HEAD).unlink(missing_ok=True)
    conditions = read_conditions(rules, model)
    seen: list[tuple[NDArray[Any], ...]] = []
    done = 0
    with ExitStack() as stack:
        writers: dict[str, pq.ParquetWriter] = {}
        for people, years in _chunks(rules, conditions, n_members, seed, first_year):
            for year in years:
                for name, table in _tables(people, year, conditions, rules, first_year):
                    _write(writers, stack, out / f"{name}.parquet", table)
                seen.append(_for_moments(year))
            done += len(people.numbers)
            progress("members drawn", done)
    head = _head(rules, model, first_year, seen) | {"members": n_members, "seed": seed}
    head["files"] = {name: _sha256(out / name) for name in population_files(first_year)}
    (out / HEAD).write_text(json.dumps(head, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return out / HEAD


def population_files(first_year: int) -> list[str]:
    """Return the names of a population's Parquet files."""
    members = (f"members-{first_year + year}" for year in range(YEARS))
    return [f"{name}.parquet" for name in (*members, *YEAR_TABLES)]


def _chunks(
    preset: Preset, conditions: Conditions, n_members: int, seed: int, first_year: int
) -> Iterator[tuple[People, list[Year]]]:
    """Draw chunk by chunk, each from its own child of the seed."""
    starts = range(1, n_members + 1, CHUNK)
    for start, child in zip(starts, np.random.SeedSequence(seed).spawn(len(starts)), strict=True):
        n = min(CHUNK, n_members + 1 - start)
        rng = np.random.default_rng(child)
        people = draw_people(preset, start, n, rng)
        yield people, _draw_years(people, preset, conditions, first_year, rng)


def _draw_years(
    people: People,
    preset: Preset,
    conditions: Conditions,
    first_year: int,
    rng: np.random.Generator,
) -> list[Year]:
    """Draw the year before the first, whose conditions the first year's cost needs, and three."""
    has = draw_illness(people, conditions, preset.illness, YEARS + 1, rng)
    kept = [keep_most_severe(of_year, conditions.outranks) for of_year in has]
    counts = np.array([k.sum(axis=0) for k in kept], dtype=np.int16)
    death = draw_deaths(people, counts[:-1], preset.people, rng)
    origin = int(np.datetime64(f"{first_year}-01-01", "D").astype(np.int64))
    years = []
    for y in range(YEARS):
        exposed = exposure(people, death, y)
        coded = code_year(people, has[y + 1], conditions, preset.illness, (exposed, origin), rng)
        cost = draw_cost(people, kept[y], kept[y + 1], conditions, preset.cost, (y, exposed), rng)
        years.append(Year(y, exposed, coded, cost, counts[y + 1]))
    return years


def _tables(
    people: People, year: Year, conditions: Conditions, preset: Preset, first_year: int
) -> Iterator[tuple[str, pa.Table]]:
    """Yield a year's tables with the names of their files."""
    who, calendar = year.there, first_year + year.number
    keys = {
        "member_id": people.ids.take(pa.array(who)),
        "year": np.full(len(who), calendar, np.int16),
    }
    yield f"members-{calendar}", members_table(people, preset, year.number, who)
    yield "diagnoses", _diagnoses(people, year, conditions)
    costs = {
        "months": year.exposed.months[who].astype(np.int8),
        "paid_cents": year.cost.paid_cents[who],
    }
    yield "costs", pa.table(keys | costs)
    yield "truth", pa.table(keys | {"mean_cents": year.cost.mean_cents[who]})


def _diagnoses(people: People, year: Year, conditions: Conditions) -> pa.Table:
    return pa.table({
        "member_id": people.ids.take(pa.array(year.coded.member)),
        "diagnosis_code": pa.array(conditions.codes).take(pa.array(year.coded.code)),
        "thru_date": pa.array(year.coded.day).cast(pa.date32()),
    })  # fmt: skip


def _write(
    writers: dict[str, pq.ParquetWriter], stack: ExitStack, path: Path, table: pa.Table
) -> None:
    if path.name not in writers:
        opened = pq.ParquetWriter(path, table.schema, compression="zstd")
        writers[path.name] = stack.enter_context(opened)
    writers[path.name].write_table(table, row_group_size=ROW_GROUP)


def _for_moments(year: Year) -> tuple[NDArray[Any], ...]:
    """Return mean and cost of full years, and the conditions of all."""
    full = year.exposed.months == 12
    mean, paid = year.cost.mean_cents[full] / 100, year.cost.paid_cents[full] / 100
    return mean, paid, year.conditions[year.there]


def _head(
    preset: Preset, model: RiskModel, first_year: int, seen: list[tuple[NDArray[Any], ...]]
) -> dict[str, Any]:
    """Return what ``population.json`` says about the draw."""
    mean, paid, conditions = (np.concatenate(part) for part in zip(*seen, strict=True))
    achieved = achieved_moments(mean, paid, conditions)
    return {
        "preset": preset.name,
        "title": preset.title,
        "model": model.key,
        "years": [first_year + y for y in range(YEARS)],
        "targets": [
            {"moment": t.moment, "value": t.value, "source": t.source} for t in preset.targets
        ],
        "achieved": {name: float(f"{value:.6g}") for name, value in achieved.items()},
        "undercoded_group": preset.undercoded_group,
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
