"""One ACO's files for the programs that build a benchmark from three base years."""

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.tables import Table

Held = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Aco:
    """What all cells hold: by base year, by stratum, and of the ACO."""

    strata: tuple[str, ...]
    base: Held
    stratum: Held
    aco: Held

    def tables(
        self, aco: Held | None = None, strata: Mapping[str, Held] | None = None,
        base: Mapping[tuple[str, str], Held] | None = None, **everywhere: object,
    ) -> list[Table]:  # fmt: skip
        """Make its files; single cells may hold something else."""
        strata, base = strata or {}, base or {}
        cells = [(s, b) for s in self.strata for b in ("BY1", "BY2", "BY3")]
        return [
            _table("base.csv", ("entity_id", "stratum", "base_year"),
                   [(("A", s, b), {**self.base, **base.get((s, b), {})}) for s, b in cells]),
            _table("strata.csv", ("entity_id", "stratum"),
                   [(("A", s), {**self.stratum, **everywhere, **strata.get(s, {})})
                    for s in self.strata]),
            _table("aco.csv", ("entity_id",), [(("A",), {**self.aco, **(aco or {})})]),
        ]  # fmt: skip


def _table(name: str, keys: tuple[str, ...], rows: list[tuple[tuple[str, ...], Held]]) -> Table:
    columns = (*keys, *rows[0][1])
    return Table(name, columns, tuple(
        dict(zip(columns, (*labels, *map(str, held.values())), strict=True))
        for labels, held in rows
    ))  # fmt: skip
