"""The specification of a retraining: one TOML file says data, target, terms, fit and gates.

Unknown keys are refused. What a user would be expected to decide has no default.
"""

import datetime as dt
import hashlib
import re
import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from riskadj.errors import OptionError
from riskadj.tables import MEMBER_ID
from riskadj.training.asop import asop_sheet
from riskadj.training.disclosure import SMALL

SCHEMA = 1
RESERVED = ("segment", "entitlement", "residence", "condition")
"""Groupings that every report has."""
Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Period(_Part):
    """One year of costs, the status of its members and the diagnoses that predict it.

    Paths are relative to the data folder. ``members`` describes 1 February of ``cost_year``.
    """

    members: str
    diagnoses: str
    costs: str
    cost_year: Annotated[int, Field(ge=1990, le=2100)]


class LaterPeriod(Period):
    """A later year to test on; predictions are multiplied by ``trend`` for the years between."""

    trend: Annotated[float, Field(gt=0)]


class Data(Period):
    """The year to fit on.

    Attributes
    ----------
    timing
        ``prospective``: diagnoses of the year before the costs; ``concurrent``: of the same year.
    test_share
        Share of members, by hashed id, on which metrics are measured and nothing is fitted.
    synthetic
        The members are invented, so their full statistics may be published.
    """

    timing: Literal["prospective", "concurrent"]
    test_share: Annotated[float, Field(ge=0, lt=1)]
    synthetic: bool


class Target(_Part):
    """What is predicted: cost a year, paid / (months / 12), never over ``cap_usd`` (0: no cap)."""

    cap_usd: Annotated[int, Field(ge=0, le=50_000_000)]


class Fit(_Part):
    """How the coefficients are found.

    Attributes
    ----------
    method
        ``wls`` (constrained least squares), ``shrinkage`` (towards the base model's published
        coefficients) or ``cms-stepwise`` (CMS's drop and refit).
    order
        A condition that outranks another in the hierarchy costs at least as much.
    equal
        Groups of variables with one coefficient.
    drop
        Variables left out; their factor is 0.
    fixed_usd
        Variables whose coefficient is given, in dollars a year.
    small_members, small_terms
        A term with fewer members is not fitted alone. Under ``merge`` it shares a coefficient with
        its nearest relative, and what has no relative is pooled into one term in proportion to the
        base model's factors; under ``published`` it keeps those factors in this population's
        dollars; under ``drop`` it costs 0. By name. Age-sex cells are always merged: every member
        has one.
    small_segments
        A segment with fewer members is an error (``refuse``), or takes the base model's factors
        times the population's dollars a score (``published``).
    shrinkage_members
        ``shrinkage`` only: Z = n / (n + k); 0 estimates k from the data (Bühlmann).
    """

    method: Literal["wls", "shrinkage", "cms-stepwise"]
    order: bool
    equal: tuple[Annotated[tuple[str, ...], Field(min_length=2)], ...] = ()
    drop: tuple[str, ...] = ()
    fixed_usd: dict[str, Annotated[float, Field(ge=0)]] = {}
    small_members: Annotated[int, Field(ge=0)] = 200
    small_terms: Literal["merge", "drop", "published"] = "merge"
    small_segments: Literal["refuse", "published"] = "refuse"
    shrinkage_members: Annotated[float, Field(ge=0)] = 0


class Group(_Part):
    """Members to report on by name: those whose ``column`` has one of ``values``."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    column: str
    values: Annotated[tuple[str | int, ...], Field(min_length=1)]


class Equity(_Part):
    """Close this share of a group's mean over- or undercompensation, in each segment."""

    group: str
    close: Share


class Trees(_Part):
    """A challenger of gradient boosted trees (LightGBM).

    Attributes
    ----------
    family
        ``lightgbm`` predicts cost; ``residual`` predicts what the linear model leaves.
    monotone
        Predicted cost never falls when a condition is added (not for ``residual``).
    """

    family: Literal["lightgbm", "residual"]
    objective: Literal["l2", "tweedie"] = "l2"
    rounds: Annotated[int, Field(ge=1, le=10_000)]
    leaves: Annotated[int, Field(ge=2, le=1024)] = 31
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.1
    min_members_in_leaf: Annotated[int, Field(ge=1)] = 100
    monotone: bool = False

    @model_validator(mode="after")
    def _residual_is_least_squares(self) -> Self:
        if self.family == "residual" and (self.objective != "l2" or self.monotone):
            raise ValueError("a residual family is l2 and not monotone: residuals have both signs")
        return self


class Gates(_Part):
    """Bounds that ``validate`` holds a fit to; a failed one stops publication.

    A looser bound than those allowed here is an override: it needs a name and a reason.
    """

    predictive_ratio_train: Annotated[float, Field(gt=0, le=0.01)] = 0.001
    predictive_ratio_out_of_time: Annotated[float, Field(gt=0, le=0.05)] = 0.02
    decile_ratio: Annotated[float, Field(gt=0, le=0.2)] = 0.1
    kkt_usd: Annotated[float, Field(gt=0, le=1)] = 0.01
    group_ratio: Annotated[float, Field(gt=0, le=1)] | None = None


class Spec(_Part):
    """A retraining as its file says it.

    Attributes
    ----------
    base
        The model whose terms, groups, hierarchy and code map are used: a registry key, or a
        folder relative to the spec.
    dated
        Stands on what is published; no clock is read.
    bootstrap, blocks
        Refits for intervals, from this many blocks of members by hashed id.
    truth
        Synthetic data only: a table of ``member_id, year, mean_cents``, the expected cost a year,
        that nothing is fitted on and accuracy is measured against.
    report_columns
        Columns of the members table to report by (race and ethnicity among them); they never
        predict.
    """

    schema_: Annotated[Literal[1], Field(alias="schema")]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    title: str
    base: str
    payer: str
    payment_year: int
    dated: dt.date
    seed: Annotated[int, Field(ge=0)]
    data: Data
    out_of_time: LaterPeriod | None = None
    target: Target
    fit: Fit
    bootstrap: Annotated[int, Field(ge=20, le=2000)] = 200
    blocks: Annotated[int, Field(ge=2, le=5000)] = 500
    truth: str | None = None
    report_columns: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()
    equity: tuple[Equity, ...] = ()
    challengers: tuple[Trees, ...] = ()
    gates: Gates = Gates()
    asop: dict[str, str] = {}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.out_of_time and self.out_of_time.cost_year <= self.data.cost_year:
            raise ValueError("out_of_time.cost_year must be after data.cost_year: years overlap")
        if self.truth and not self.data.synthetic:
            raise ValueError("truth: only synthetic data have one")
        if not self.data.test_share and not self.out_of_time:
            raise ValueError("nobody to test on: test_share is 0 and there is no out_of_time")
        asop_sheet(self.asop)
        return self

    @model_validator(mode="after")
    def _names_are_clear(self) -> Self:
        if odd := sorted({c.lower() for c in self.columns} & {*MEMBER_ID, *RESERVED}):
            raise ValueError(f"report columns cannot be {', '.join(odd)}")
        groups = [g.name for g in self.groups]
        for what, names in (("groups", groups), ("families", [c.family for c in self.challengers])):
            if len(set(names)) < len(names):
                raise ValueError(f"two {what} have the same name")
        if odd := sorted({e.group for e in self.equity} - set(groups)):
            raise ValueError(f"equity names unknown groups: {', '.join(odd)}")
        return self

    @model_validator(mode="after")
    def _small_counts_stay_private(self) -> Self:
        if self.data.synthetic:
            return self
        if self.fit.small_members < SMALL:
            raise ValueError(f"fit.small_members: at least {SMALL}, or small counts are published")
        if any(c.min_members_in_leaf < self.fit.small_members for c in self.challengers):
            raise ValueError(
                "challengers: trees show the members of every leaf: min_members_in_leaf must be at "
                "least fit.small_members"
            )
        return self

    @property
    def prepared_sha256(self) -> str:
        """The hash of what decides the prepared rows; the rest may change without preparing."""
        parts = {"data", "out_of_time", "truth", "base", "blocks", "report_columns", "groups"}
        return hashlib.sha256(self.model_dump_json(include=parts).encode()).hexdigest()

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column of the members table that reports use, each once."""
        return tuple(dict.fromkeys([*self.report_columns, *(g.column for g in self.groups)]))


def read_spec(path: Path) -> Spec:
    """Read a spec.

    Raises
    ------
    OptionError
        Not TOML, an unknown or missing key, or a value out of bounds: all of them in one message.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise OptionError(f"No spec {path}, or it is not UTF-8 text") from None
    return parse_spec(text, path.name)


def parse_spec(text: str, name: str) -> Spec:
    """Read a spec from its text; ``name`` is said in errors, as ``read_spec`` raises them."""
    try:
        return Spec.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise OptionError(f"{name}: not TOML: {error}") from None
    except ValidationError as error:
        lines = "\n".join(f"  {_fault(e['loc'], e['msg'])}" for e in error.errors())
        raise OptionError(f"{name}:\n{lines}") from None


def _fault(place: tuple[int | str, ...], message: str) -> str:
    where = ".".join(str(p) for p in place)
    said = message.removeprefix("Value error, ").replace("Extra inputs are not permitted",
                                                         "unknown key")  # fmt: skip
    said = re.sub(r"^Field required$", "missing", said)
    return f"{where}: {said}" if where else said
