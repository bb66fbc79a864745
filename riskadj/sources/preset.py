"""The presets of invented populations, as their TOML files state them.

References
----------
``populations/<preset>.toml`` holds each preset's numbers and its target moments with their
sources; ``populations/conditions.toml`` the conditions all of them share.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from riskadj.errors import OptionError

FOLDER = Path(__file__).parent / "populations"
CONDITIONS = "conditions"


@dataclass(frozen=True, slots=True)
class Kind:
    """One way of being a member: there from the start, or joining; aged or disabled.

    Attributes
    ----------
    share
        Of all members.
    joins
        Whether they join in one of 47 months: the year before the first year, and the three years.
    disabled
        Entitled by disability.
    ages
        ``(from, below, share)`` in the first year, or at joining; empty for who turns 65 on it.
    """

    share: float
    joins: bool
    disabled: bool
    ages: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True, slots=True)
class PeopleRules:
    """Shares and log ratios of members' status; deaths are a year's chances."""

    male: float
    originally_disabled: float
    esrd_reason: float
    dual_full: float
    dual_partial: float
    dual_per_decile: float
    dual_if_disabled: float
    institutional: float
    institutional_per_decade: float
    chronic_snp: float
    death: float
    death_per_decade: float
    death_per_condition: float
    race: Mapping[str, float]
    svi_power: Mapping[str, float]
    state: Mapping[str, float]
    kind: tuple[Kind, ...]


@dataclass(frozen=True, slots=True)
class IllnessRules:
    """How conditions are drawn and coded."""

    scale: float
    frailty_shape: float
    cluster_shape: float
    disabled: float
    undercoded_decile: int
    undercoded_share: float
    more_codes: float
    everyday: float
    everyday_frailty: float


@dataclass(frozen=True, slots=True)
class CostRules:
    """The parameters of the true mean and of the draw around it; dollars a year."""

    trend: float
    age_from: tuple[int, ...]
    female_usd: tuple[float, ...]
    male_usd: tuple[float, ...]
    full_dual_usd: float
    partial_dual_usd: float
    disabled_usd: float
    institutional_usd: float
    price: float
    per_point_usd: float
    incident_share: float
    count_from: int
    count_usd: float
    count_power: float
    frailty_shape: float
    frailty_known: float
    end_of_life_usd: float
    zero: float
    zero_usd: float
    tail_share: float
    tail_usd: float
    tail_sigma: float
    body_shape: float
    body_sigma: float


@dataclass(frozen=True, slots=True)
class Target:
    """A moment the population is to have, and where the number comes from."""

    moment: str
    value: float
    source: str


@dataclass(frozen=True, slots=True)
class Preset:
    """One kind of population.

    Attributes
    ----------
    conditions
        The content of ``conditions.toml``.
    """

    name: str
    title: str
    people: PeopleRules
    illness: IllnessRules
    cost: CostRules
    targets: tuple[Target, ...]
    conditions: Mapping[str, Any]

    @property
    def undercoded_group(self) -> str:
        """The group whose conditions are partly not coded, in words."""
        rules = self.illness
        return (
            f"svi_decile >= {rules.undercoded_decile}: each of a year's true conditions is never "
            f"coded with probability {rules.undercoded_share:g}"
        )


def list_presets() -> list[str]:
    """Return the names of the presets."""
    return sorted(path.stem for path in FOLDER.glob("*.toml") if path.stem != CONDITIONS)


def load_preset(name: str) -> Preset:
    """Read a preset by name.

    Raises
    ------
    OptionError
        There is no such preset; the message lists those that exist.
    """
    if name not in list_presets():
        raise OptionError(f"No preset {name!r}. There is: {', '.join(list_presets())}")
    read = _toml(name)
    people = {**read["people"], "kind": tuple(_kind(row) for row in read["people"]["kind"])}
    cost: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in read["cost"].items()
    }
    return Preset(
        name=name,
        title=read["title"],
        people=PeopleRules(**people),
        illness=IllnessRules(**read["illness"]),
        cost=CostRules(**cost),
        targets=tuple(Target(**row) for row in read["target"]),
        conditions=_toml(CONDITIONS),
    )


def _kind(row: Mapping[str, Any]) -> Kind:
    bands = tuple((low, below, share) for low, below, share in row["ages"])
    return Kind(row["share"], row["joins"], row["disabled"], bands)


def _toml(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
