"""Running a program forward under many futures of trend and index at once.

The same formulas as a single run, over arrays with a scenario axis; nothing is written to a ledger.
"""

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchmarks.axes import AXES, Array, laid_out
from benchmarks.formula import LENGTHS, evaluate
from benchmarks.leaves import FIRST_BASE_YEAR, axis_labels, leaves
from benchmarks.program import Program
from benchmarks.tables import Table
from benchmarks.terms import Request, read_options
from riskadj.errors import InputError, OptionError

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
BATCH = 100
"""Scenarios computed at once: memory stays flat."""
_STRICT = ConfigDict(extra="forbid", frozen=True)


class Range(BaseModel):
    """Values of a yearly rate: a grid from low to high, with noise around it each year."""

    model_config = _STRICT
    low: float = Field(ge=-0.5, le=1)
    high: float = Field(ge=-0.5, le=1)
    steps: int = Field(ge=1, le=100_000)
    yearly_sd: float = Field(ge=0, le=0.5)


class Scenarios(BaseModel):
    """A file of scenarios: every trend of its grid with every index growth.

    Attributes
    ----------
    trend, index
        Their grids; one scenario a pair.
    risk_growth
        Growth of the mean risk score a year, coding and ageing together.
    years
        How far to go.
    seed
        Of the yearly noise.
    trend_of_stratum
        Points a year by which a stratum's trend differs.
    unmet_need
        Stratum to the share of what its members need that the baseline did not spend.
    """

    model_config = _STRICT
    trend: Range
    index: Range
    risk_growth: float = Field(ge=-0.2, le=0.2)
    years: int = Field(ge=1, le=50)
    seed: int = Field(ge=0)
    trend_of_stratum: Mapping[str, Annotated[float, Field(ge=-0.5, le=0.5)]] = {}
    unmet_need: Mapping[str, Annotated[float, Field(ge=0, lt=1)]] = {}

    @property
    def count(self) -> int:
        """How many scenarios there are."""
        return self.trend.steps * self.index.steps


@dataclass(frozen=True, slots=True)
class Projection:
    """What came out.

    Attributes
    ----------
    years
        Calendar years projected.
    forms
        Forms of the cap, in the program's order.
    chosen
        The form of the run's terms, of which the fans are.
    target_usd, uncapped_usd : float, shape (n_years, n_quantiles)
        Totals over all entities: quantiles over scenarios.
    entity_usd : float, shape (n_entities, n_quantiles)
        Targets in the last year.
    entities, left_out
        Those projected, and those of which some stratum lacks a number.
    strata
    kept : float, shape (n_forms, n_strata, n_years)
        Target over uncapped target, mean over scenarios of the totals over entities.
    bound : float, shape (n_forms, n_strata)
        Share of scenarios in which the cap holds the stratum's last year down.
    of_need : float, shape (n_forms, n_strata)
        Last year's target over what members need; nan where unmet need is not given.
    scenarios
        How many.
    assumed
        The scenarios and the terms, name to value.
    """

    years: tuple[int, ...]
    forms: tuple[str, ...]
    chosen: str
    target_usd: Array
    uncapped_usd: Array
    entity_usd: Array
    entities: tuple[str, ...]
    left_out: tuple[str, ...]
    strata: tuple[str, ...]
    kept: Array
    bound: Array
    of_need: Array
    scenarios: int
    assumed: Mapping[str, str]


def read_scenarios(path: Path) -> Scenarios:
    """Read a scenario file.

    Raises
    ------
    InputError
        A key is unknown or missing, or a value is out of range.
    """
    try:
        return Scenarios(**tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name}: {error}") from None
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise InputError(f"{path.name}: {said}") from None


def paths(scenarios: Scenarios) -> tuple[Array, Array]:
    """Return yearly trend and index growth: float, shape (n_scenarios, n_years) each."""
    trend, index = np.meshgrid(_grid(scenarios.trend), _grid(scenarios.index), indexing="ij")
    draw = np.random.default_rng(scenarios.seed)
    shape = (scenarios.count, scenarios.years)
    noisy = [grid.reshape(-1, 1) + spec.yearly_sd * draw.standard_normal(shape)
             for grid, spec in ((trend, scenarios.trend), (index, scenarios.index))]  # fmt: skip
    return noisy[0], noisy[1]


def _grid(spec: Range) -> Array:
    return np.linspace(spec.low, spec.high, spec.steps)


def project(
    program: Program, tables: Sequence[Table], request: Request, scenarios: Scenarios,
    report: Callable[[str, int], None] = lambda what, done: None, workers: int = 2,
) -> Projection:  # fmt: skip
    """Run a program forward, every scenario for every entity, stratum and year.

    Parameters
    ----------
    workers
        Batches computed at the same time; the numbers are the same for any.

    Raises
    ------
    OptionError
        The program cannot be projected, or a stratum of the scenarios is none of the baseline's.
    """
    roles = program.sheet.scenario
    if not roles:
        raise OptionError(f"{program.name} cannot be projected. gdp-cap can")
    options = read_options(program, request)
    chosen, forms = str(options["form"]), _forms(program, request)
    request = replace(request, year=int(options[FIRST_BASE_YEAR]) + 1)
    axes = axis_labels(program, tables, request, options)
    _check_strata(scenarios, axes["stratum"])
    base = _Base(program, tables, request, axes)
    trend, index = paths(scenarios)
    batches = list(_batches(scenarios.count))
    axes = {**axes, "entity": base.entities}
    made = _Totals(len(batches), len(forms), axes, scenarios)
    done = count()

    def one(number: int) -> None:
        batch = batches[number]
        for h in range(scenarios.years):
            values = base.at(h + 1, trend[batch], index[batch], scenarios)
            for f, form in enumerate(forms):
                values = values.under(form)
                made.take((number, f), h, batch, values, form == chosen)
        report("batches of scenarios", next(done))

    with ThreadPoolExecutor(max_workers=workers) as pool:  # numpy computes without the lock
        list(pool.map(one, range(len(batches))))
    return made.projection(base.first_year, forms, chosen, axes, scenarios, base.left_out,
                           _assumed(scenarios, request))  # fmt: skip


def _assumed(scenarios: Scenarios, request: Request) -> dict[str, str]:
    """Return what the projection rests on, in words."""
    grids = {
        name: f"{g.low:.2%} to {g.high:.2%} in {g.steps:,} steps, yearly noise {g.yearly_sd:.2%}"
        for name, g in (("trend", scenarios.trend), ("index growth", scenarios.index))
    }
    rest = {"growth of risk a year": f"{scenarios.risk_growth:.2%}", "seed": str(scenarios.seed)}
    rest |= {f"points added to the trend of {s}": f"{v:.2%}"
             for s, v in scenarios.trend_of_stratum.items()}  # fmt: skip
    rest |= {f"unmet need of {s}": f"{v:.0%}" for s, v in scenarios.unmet_need.items()}
    return {**grids, **rest, **request.terms}


def _forms(program: Program, request: Request) -> list[str]:
    """Return the forms of the cap whose terms are all given."""
    specs = program.sheet.options
    return [form for form in specs["form"].one_of
            if all(n in request.terms for n, spec in specs.items()
                   if form in spec.when.get("form", ()))]  # fmt: skip


def _batches(n: int) -> Iterator[slice]:
    for start in range(0, n, BATCH):
        yield slice(start, min(start + BATCH, n))


def _check_strata(scenarios: Scenarios, strata: Sequence[str]) -> None:
    named = {*scenarios.trend_of_stratum, *scenarios.unmet_need}
    unknown = sorted(named - set(strata))
    if unknown:
        raise OptionError(f"The baseline has no stratum {unknown[0]!r}. It has: "
                          f"{', '.join(strata)}")  # fmt: skip


class _Base:
    """What does not change with the scenario."""

    def __init__(
        self, program: Program, tables: Sequence[Table], request: Request,
        axes: Mapping[str, list[str]],
    ) -> None:  # fmt: skip
        self.program = program
        self.options = read_options(program, request)
        self.average_years = int(request.terms.get("average_years", "0"))
        self.first_year = int(self.options["baseline_year"])
        self.every = int(self.options.get("rebasing_years", 0))
        roles = program.sheet.scenario
        given = {roles["trend"], roles["index"], roles["average"], roles["risk"]}
        skipped = _without(program, given)
        nodes = leaves(skipped, tables, request, axes, self.options)
        self.values = {n: node.table if node.values is None else node.values
                       for n, node in nodes.items()}  # fmt: skip
        self.strata = axes["stratum"]
        self._keep_calculable(axes["entity"])
        self.of_form = _resting_on("form", program)

    def _keep_calculable(self, entities: Sequence[str]) -> None:
        """Leave out entities of which some stratum lacks a number, and count them."""
        sound = np.ones(len(entities), dtype=bool)
        for values in self.values.values():
            if isinstance(values, np.ndarray) and values.dtype.kind == "f":
                wide = values.shape[AXES.index("entity")] == len(entities)
                lacking = np.isnan(values).any(axis=(0, 2, 3, 4))
                sound &= ~lacking if wide and values.shape[1] > 1 else True
        self.entities = [e for e, ok in zip(entities, sound, strict=True) if ok]
        self.left_out = [e for e, ok in zip(entities, sound, strict=True) if not ok]
        if not self.entities:
            raise InputError("No entity has all numbers in all strata: nothing can be projected")
        self.values = {
            n: v[:, sound] if isinstance(v, np.ndarray) and v.shape[1] == len(entities) > 1 else v
            for n, v in self.values.items()
        }

    def at(self, h: int, trend: Array, index: Array, scenarios: Scenarios) -> "_Lazy":
        """Return the steps' values ``h`` years after the baseline, for some scenarios."""
        roles = self.program.sheet.scenario
        start = (h - 1) // self.every * self.every if self.every else 0
        apart = np.array([scenarios.trend_of_stratum.get(s, 0.0) for s in self.strata])
        by_stratum = trend[:, None, :h] + apart[None, :, None]
        actual = (
            np.prod(1 + by_stratum[:, :, :start], axis=2) * (1 + scenarios.risk_growth) ** start
        )
        given = {
            **self.values,
            LENGTHS: {"entity": len(self.entities), "stratum": len(self.strata), "year": h - start},
            "baseline_year": laid_out(float(self.first_year + start), ()),
            "year": laid_out(self.first_year + 1.0 + np.arange(start, h), ("year",)),
            roles["trend"]: laid_out(by_stratum[:, :, start:], ("scenario", "stratum", "year")),
            roles["index"]: laid_out(index[:, start:h], ("scenario", "year")),
            roles["average"]: laid_out(self._average(index, start, h), ("scenario", "year")),
            roles["risk"]: self.values["risk_score"] * (1 + scenarios.risk_growth) ** (h - start),
            roles["spending"]: self.values[roles["spending"]]
            * laid_out(actual, ("scenario", "stratum")),
        }
        return _Lazy(self.program, given, self.of_form)

    def _average(self, index: Array, start: int, h: int) -> Array:
        """Average growth over the years before, as far as the path goes back."""
        n = max(self.average_years, 1)  # read only under the form "average", which needs it
        grown = np.concatenate([np.zeros((len(index), 1)), np.log1p(index).cumsum(1)], axis=1)
        ends = np.arange(start + 1, h + 1)
        begins = np.maximum(ends - n, 0)
        averaged = np.expm1((grown[:, ends] - grown[:, begins]) / (ends - begins))
        return np.asarray(averaged)


class _Lazy(dict[str, Any]):
    """Values of names, each step computed when it is first read."""

    def __init__(self, program: Program, given: Mapping[str, Any], of_form: set[str]) -> None:
        super().__init__(given)
        self._steps = {s.id: s for s in program.sheet.target}
        self._program = program
        self._of_form = of_form

    def __missing__(self, name: str) -> Any:
        self[name] = evaluate(self._program.formulas[self._steps[name].id], self)
        return self[name]  # not rounded: a projection is no payment

    def under(self, form: str) -> "_Lazy":
        """Return the values under another form; those that do not rest on it are kept."""
        kept = {n: v for n, v in self.items() if n not in self._of_form}
        return _Lazy(self._program, {**kept, "form": laid_out(form, ())}, self._of_form)


def _resting_on(name: str, program: Program) -> set[str]:
    """Return the steps whose value may change with a name's."""
    found = {name}
    for step in program.sheet.target:
        if found & set(program.formulas[step.id].names):
            found.add(step.id)
    return found


def _without(program: Program, given: set[str]) -> Program:
    """Return the program with inputs and indices that scenarios give left out."""
    sheet = program.sheet.model_copy(update={
        "inputs": {n: i for n, i in program.sheet.inputs.items() if n not in given},
        "indices": {n: i for n, i in program.sheet.indices.items() if n not in given},
    })  # fmt: skip
    return Program(program.name, sheet, program.formulas, program.parameters, program.axes)


class _Totals:
    """Sums that the batches fill."""

    def __init__(
        self, n_batches: int, n_forms: int, axes: Mapping[str, list[str]], scenarios: Scenarios
    ) -> None:
        n, years, strata = scenarios.count, scenarios.years, len(axes["stratum"])
        self.target = np.zeros((years, n))
        self.uncapped = np.zeros((years, n))
        self.entity = np.zeros((n, len(axes["entity"])))
        self.capped = np.zeros((n_batches, n_forms, strata, years))
        self.free = np.zeros((n_batches, n_forms, strata, years))
        self.bound = np.zeros((n_batches, n_forms, strata))
        self.last = years - 1

    def take(
        self, place: tuple[int, int], h: int, batch: slice, values: Mapping[str, Any], chosen: bool
    ) -> None:
        """Keep one batch's values under one form in one year; ``place`` is batch and form."""
        months = values["performance_member_months"]
        target = _scenario_entity_stratum(values["target_pmpm_usd"] * months)
        free = _scenario_entity_stratum(values["uncapped_pmpm_usd"] * months)
        of_stratum, free_of_stratum = target.sum(1), free.sum(1)
        self.capped[place][:, h] = of_stratum.sum(0)
        self.free[place][:, h] = free_of_stratum.sum(0)
        if h == self.last:
            self.bound[place] = (of_stratum < free_of_stratum * (1 - 1e-9)).sum(0)
        if chosen:
            self.target[h, batch] = of_stratum.sum(1)
            self.uncapped[h, batch] = free_of_stratum.sum(1)
            if h == self.last:
                self.entity[batch] = target.sum(2)

    def projection(
        self, first_year: int, forms: Sequence[str], chosen: str, axes: Mapping[str, list[str]],
        scenarios: Scenarios, left_out: Sequence[str], assumed: Mapping[str, str],
    ) -> Projection:  # fmt: skip
        """Return quantiles and shares."""
        kept = self.capped.sum(0) / self.free.sum(0)
        need = np.array([1 - scenarios.unmet_need.get(s, np.nan) for s in axes["stratum"]])
        return Projection(
            years=tuple(range(first_year + 1, first_year + scenarios.years + 1)),
            forms=tuple(forms), chosen=chosen,
            target_usd=np.quantile(self.target, QUANTILES, axis=1).T,
            uncapped_usd=np.quantile(self.uncapped, QUANTILES, axis=1).T,
            entity_usd=np.quantile(self.entity, QUANTILES, axis=0).T,
            entities=tuple(axes["entity"]), left_out=tuple(left_out),
            strata=tuple(axes["stratum"]), kept=kept,
            bound=self.bound.sum(0) / scenarios.count, of_need=kept[:, :, -1] * need,
            scenarios=scenarios.count, assumed=assumed,
        )  # fmt: skip


def _scenario_entity_stratum(values: Array) -> Array:
    """Drop the axes of years, which steps in dollars have summed away."""
    assert values.shape[AXES.index("base_year")] == values.shape[AXES.index("year")] == 1
    return values[:, :, :, 0, 0]
