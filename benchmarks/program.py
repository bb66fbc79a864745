"""A program: the cited steps from a baseline to a target, and from results to who owes whom."""

import builtins
import keyword
import math
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchmarks.axes import AXES
from benchmarks.formula import FUNCTIONS, Formula, axes_of, parse
from benchmarks.policy import PARAMETERS
from riskadj.errors import InputError, NotPublishedError

PROGRAMS = Path(__file__).parent / "programs"
Part = Literal["target", "settle"]
PERFORMANCE_YEAR = "performance_year"
"""A name that every formula may read."""
PARTS: tuple[Part, ...] = ("target", "settle")
_STRICT = ConfigDict(extra="forbid", frozen=True)
Axis = Literal["entity", "stratum", "base_year", "year"]


class Input(BaseModel):
    """A column of the entities' own data.

    Attributes
    ----------
    kind
        ``amount``, ``rate`` (a fraction), ``exposure`` (above zero), ``score`` (above zero),
        ``text``, ``flag`` or ``date`` (in formulas a number, 20240101).
    optional
        A file without the column is accepted; what rests on it is not calculable.
    of
        The part that reads it; both when blank.
    low, high
        A value outside is refused.
    """

    model_config = _STRICT
    low: float = -math.inf
    high: float = math.inf
    kind: Literal["amount", "rate", "exposure", "score", "text", "flag", "date"]
    axes: tuple[Axis, ...]
    unit: str
    about: str = Field(min_length=5)
    optional: bool = False
    one_of: tuple[str, ...] = ()
    of: Part | None = None


class Option(BaseModel):
    """A choice that whoever runs the program makes; there is no default.

    Attributes
    ----------
    when
        Other option to the values for which this one is needed.
    low, high
        A number outside is refused.
    """

    model_config = _STRICT
    low: float = -math.inf
    high: float = math.inf
    kind: Literal["choice", "number", "rate", "year", "date", "series"]
    about: str = Field(min_length=5)
    one_of: tuple[str, ...] = ()
    when: Mapping[str, tuple[str, ...]] = {}
    of: Part | None = None


class Index(BaseModel):
    """Growth of a series along the years of the path.

    Attributes
    ----------
    series
        Name of an option that names the series, or of the series.
    measure
        ``growth`` on the year before, or ``average`` of as many years as the option ``years`` says.
    known
        Name of an option that holds the day as of which it is read; else what the run knows.
    """

    model_config = _STRICT
    series: str
    measure: Literal["growth", "average"]
    years: str = ""
    projected: str = ""
    about: str = ""
    when: Mapping[str, tuple[str, ...]] = {}


class Step(BaseModel):
    """One quantity: its formula, unit, rounding and rule."""

    model_config = _STRICT
    id: str
    formula: str
    unit: str
    cite: str = Field(min_length=5)
    about: str = Field(min_length=5)
    round: int | None = None
    status: Literal["final", "administrative", "proposed", "unverified"] = "final"


class Check(BaseModel):
    """What must hold before a part is computed; the message says what to put right."""

    model_config = _STRICT
    formula: str
    message: str = Field(min_length=10)
    of: Part


class Bar(BaseModel):
    """One level of the waterfall: a step in dollars and what it is called."""

    model_config = _STRICT
    id: str
    label: str


class Sheet(BaseModel):
    """A program's file.

    Attributes
    ----------
    status
        final, draft, history (a program that ended) or template (terms are a contract's).
    strata
        Those of the rule; where there are none, those of the files.
    risk_scores
        Which risk scores it uses, in words; Medicare Advantage payment scores are then refused.
    pmpm
        The step or input that is the target per member month, with which groups are compared.
    actual, expected, exposure
        Spending and the target in dollars, and member months, by entity and stratum, for
        actual-to-expected exhibits.
    parameters
        Name to parameter file where a term chooses the file: ``state_target_{state}``.
    checks
        Formulas over inputs that must hold for every entity for which they are known.
    target, settle
        Steps in the order of computing.
    scenario
        What a projection varies: role to name.
    limits
        What it does not do.
    """

    model_config = _STRICT
    schema_: Literal[1] = Field(alias="schema")
    title: str
    status: Literal["final", "draft", "history", "template"]
    summary: str = Field(min_length=20)
    first_year: int
    last_year: int
    strata: tuple[str, ...] = ()
    stratum_names: Mapping[str, str] = {}
    risk_scores: str = ""
    pmpm: str = ""
    actual: str = ""
    expected: str = ""
    exposure: str = ""
    inputs: Mapping[str, Input]
    options: Mapping[str, Option] = {}
    indices: Mapping[str, Index] = {}
    parameters: Mapping[str, str] = {}
    checks: tuple[Check, ...] = ()
    target: tuple[Step, ...] = ()
    settle: tuple[Step, ...] = ()
    results: Mapping[Part, tuple[str, ...]]
    waterfall: Mapping[Part, tuple[Bar, ...]] = {}
    scenario: Mapping[str, str] = {}
    limits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Program:
    """A program that has been checked whole.

    Attributes
    ----------
    name
    sheet
        Its file.
    formulas
        Step to formula.
    parameters
        Name in formulas to the parameter file that it is of, in the order of reading; a file's name
        may hold a term in braces.
    axes
        Name of an input or step to its axes, in the order of ``AXES``.
    """

    name: str
    sheet: Sheet
    formulas: Mapping[str, Formula]
    parameters: Mapping[str, str]
    axes: Mapping[str, tuple[str, ...]]

    def files(self) -> list[str]:
        """Return the names of all parameter files that some terms make it read."""
        return [
            name for pattern in self.parameters.values() for name in _expanded(pattern, self.sheet)
        ]

    def steps(self, parts: tuple[Part, ...]) -> Iterator[Step]:
        """Yield the steps of some parts in order."""
        for part in parts:
            yield from self.sheet.target if part == "target" else self.sheet.settle

    def reads(self, parts: tuple[Part, ...]) -> set[str]:
        """Return every name that the formulas and checks of some parts read."""
        checks = (parse(c.formula, "check").names for c in self.sheet.checks if c.of in parts)
        steps = (self.formulas[s.id].names for s in self.steps(parts))
        return {n for names in (*checks, *steps) for n in names}


def load_program(name: str | Path) -> Program:
    """Read a program by name or, given as a path, from a file.

    Raises
    ------
    NotPublishedError
        There is no such program.
    InputError
        The file contradicts itself: an unknown key, a name that nothing defines, a formula that is
        none.
    """
    path = name if isinstance(name, Path) else PROGRAMS / f"{name}.toml"
    if isinstance(name, Path) and not path.is_file():
        raise NotPublishedError(f"No file {name}")
    if not path.is_file():
        raise NotPublishedError(
            f"No program {str(name)!r}. There are: {', '.join(list_programs())}"
        )
    try:
        sheet = Sheet(**tomllib.loads(path.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path.name}: {error}") from None
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise InputError(f"{path.name}: {said}") from None
    return _checked(path.stem, sheet, path.name)


def list_programs() -> list[str]:
    """Return the names of all programs."""
    return sorted(path.stem for path in PROGRAMS.glob("*.toml"))


def _checked(name: str, sheet: Sheet, where: str) -> Program:
    """Parse the formulas and resolve every name."""
    refuse_races([*sheet.inputs, *sheet.options, *sheet.strata])
    axes: dict[str, frozenset[str]] = {a: frozenset([a]) for a in AXES[1:]}
    axes |= {n: frozenset(i.axes) for n, i in sheet.inputs.items()}
    axes |= dict.fromkeys(sheet.options, frozenset())
    axes |= {n: frozenset(["year"]) for n in sheet.indices}
    axes[PERFORMANCE_YEAR] = frozenset()
    _check_names([*sheet.inputs, *sheet.options, *sheet.indices], where)
    formulas: dict[str, Formula] = {}
    parameters: dict[str, str] = {}
    for step in (*sheet.target, *sheet.settle):
        _check_names([step.id], where)
        if step.id in axes:
            raise InputError(f"{where}: {step.id} stands twice")
        formula = parse(step.formula, f"{where}, step {step.id}")
        for used in (n for n in formula.names if n not in axes):
            pattern = sheet.parameters.get(used, used)
            for file in _expanded(pattern, sheet):
                if not (file.isidentifier() and (PARAMETERS / f"{file}.toml").is_file()):
                    raise InputError(f"{where}, step {step.id}: nothing is called {used!r}: no "
                                     f"input, option, index, earlier step or parameters/"
                                     f"{file}.toml")  # fmt: skip
            parameters.setdefault(used, pattern)
        formulas[step.id] = formula
        try:
            axes[step.id] = axes_of(formula.tree, axes)
        except InputError as error:
            raise InputError(f"{where}, step {step.id}: {error}") from None
    shown = [*(i for ids in sheet.results.values() for i in ids),
             *(b.id for bars in sheet.waterfall.values() for b in bars)]  # fmt: skip
    shown += [n for n in (sheet.pmpm, sheet.actual, sheet.expected, sheet.exposure) if n]
    missing = sorted(set(shown) - set(formulas) - set(sheet.inputs))
    if missing:
        raise InputError(f"{where}: results or waterfall name no step: {', '.join(missing)}")
    ordered = {n: tuple(a for a in AXES if a in held) for n, held in axes.items()}
    return Program(name, sheet, formulas, parameters, ordered)


def _expanded(pattern: str, sheet: Sheet) -> list[str]:
    """Return the file names that a pattern stands for, over the choices of the term it names."""
    for option, spec in sheet.options.items():
        if f"{{{option}}}" in pattern:
            return [pattern.replace(f"{{{option}}}", choice) for choice in spec.one_of]
    return [pattern]


RACE_WORDS = frozenset(
    ("race", "racial", "ethnicity", "ethnic", "white", "black", "hispanic", "latino", "latina",
     "latinx", "asian", "african", "caucasian", "indian", "native", "hawaiian", "alaska", "alaskan",
     "islander", "pacific", "indigenous")
)  # fmt: skip
"""Words that no input, term or stratum of a target may have in its name."""


def refuse_races(names: Iterable[str]) -> None:
    """Race and ethnicity evaluate a target and never enter one (Section 1557, 45 CFR 92.210).

    Raises
    ------
    InputError
        A name or label has a word of race or ethnicity in it.
    """
    for name in names:
        if RACE_WORDS & set(re.findall(r"[a-z]+", name.lower().replace("_", " "))):
            raise InputError(f"{name!r} cannot enter a target. Race and ethnicity evaluate one: "
                             "see `tcoc report --people`")  # fmt: skip


def _check_names(names: list[str], where: str) -> None:
    taken = {*FUNCTIONS, *AXES, *keyword.kwlist, *dir(builtins)}
    bad = [n for n in names if not n.isidentifier() or n in taken]
    if bad:
        raise InputError(f"{where}: not usable as names in formulas: {', '.join(bad)}")
