"""Values that carry their source and how good the evidence is."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from riskadj.errors import ModelFolderError, NotPublishedError


@dataclass(frozen=True, slots=True)
class Cited:
    """A published value, where it was read, and the evidence for it."""

    value: Any
    source: str
    evidence: str

    @property
    def number(self) -> Decimal:
        """The value as an exact decimal."""
        return Decimal(self.value)


def read_cited(row: Mapping[str, Any], name: str, where: str) -> Cited:
    """Read ``name = { value = ..., source = ..., evidence = ... }``.

    Raises
    ------
    NotPublishedError
        The value is written as missing.
    ModelFolderError
        The value, its source or its evidence is not there.
    """
    found = row.get(name)
    if isinstance(found, Mapping) and "missing" in found:
        raise NotPublishedError(f"{where}: {name} is not published: {found['missing']}")
    if not isinstance(found, Mapping) or set(found) != {"value", "source", "evidence"}:
        raise ModelFolderError(f"{where}: {name} needs value, source and evidence")
    return Cited(**found)
