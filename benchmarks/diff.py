"""The dollar waterfall between two ledgers: two policy versions, two vintages, two years.

One thing after the other is taken from the second ledger, in the order of computing, and all is
computed again; so the parts add up to the whole difference exactly. The order matters where rules
interact, and is that of the program.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.axes import AXES, Array, laid_out
from benchmarks.formula import LENGTHS, evaluate, parse
from benchmarks.steps import round_half_up
from riskadj.errors import InputError

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """What one change is worth.

    Attributes
    ----------
    id
        The nodes that were taken from the second ledger.
    about
        What they are.
    change
        In the unit of the compared node, over all entities compared.
    values
        From what to what, where it is one value.
    """

    id: str
    about: str
    change: float
    values: str = ""


@dataclass(frozen=True, slots=True)
class Waterfall:
    """From one ledger's total to the other's.

    Attributes
    ----------
    node, unit
        What is compared.
    first, last
        Totals over the entities compared.
    parts
        In order; first + their changes = last.
    compared, only_first, only_second, not_calculable
        Numbers of entities: those in both, and those left out and why.
    only_first_total, only_second_total
        What the entities in one ledger alone add up to.
    """

    node: str
    unit: str
    first: float
    last: float
    parts: tuple[Part, ...]
    compared: int
    only_first: int
    only_second: int
    not_calculable: int
    only_first_total: float
    only_second_total: float


def waterfall(a: Record, b: Record, node: str) -> Waterfall:
    """Split the difference of a node between two ledgers into what caused it.

    Raises
    ------
    InputError
        The ledgers are of different programs, or one has no such step.
    """
    if a["program"] != b["program"]:
        raise InputError(f"The ledgers are of {a['program']} and {b['program']}")
    first, second = _by_name(a), _by_name(b)
    for record, nodes in ((a, first), (b, second)):
        if nodes.get(node, {}).get("kind") != "step":
            results = ", ".join(record["results"])
            raise InputError(f"{record['program']} {record['year']} has no step {node!r}. "
                             f"Its results: {results}")  # fmt: skip
    both = [e for e in a["axes"]["entity"] if e in set(b["axes"]["entity"])]
    order = [n["id"] for n in b["nodes"] if n["kind"] == "step"]
    order = [n["id"] for n in a["nodes"] if n["kind"] == "step" and n["id"] not in second] + order

    def total(state: Mapping[str, Any]) -> Array:
        return _entity_totals(_computed(state, order)[node], len(both))

    left, right = _arrays(a, both), _arrays(b, both)
    first_values, last_values = total(left), total(right)
    sound = np.isfinite(first_values) & np.isfinite(last_values)
    parts = tuple(_parts(left, right, _groups(a, b), lambda state: total(state)[sound]))
    return Waterfall(
        node, second[node]["unit"], float(first_values[sound].sum()),
        float(last_values[sound].sum()), parts, int(sound.sum()),
        len(a["axes"]["entity"]) - len(both), len(b["axes"]["entity"]) - len(both),
        int((~sound).sum()), _total_of(a, node, both), _total_of(b, node, both),
    )  # fmt: skip


def _parts(
    left: Mapping[str, Any], right: Mapping[str, Any], groups: Iterable[tuple[list[str], str]],
    total: Callable[[Mapping[str, Any]], Array],
) -> Iterator[Part]:  # fmt: skip
    """Exchange one group after the other; what only works together is one part."""
    current, before = dict(left), float(total(left).sum())
    names: list[str] = []
    abouts: list[str] = []
    for group, about in groups:
        changed = [n for n in group if not _alike(left.get(n), right.get(n))]
        if not changed:
            continue
        for name in changed:
            current.pop(name, None)
            if name in right:
                current[name] = right[name]
        names += changed
        abouts.append(about)
        now = float(total(current).sum())
        if not np.isfinite(now):  # a term whose own terms are still to come
            continue
        if now != before or _is_term(names, left, right):
            said = [_values_said(n, left.get(n), right.get(n)) for n in names]
            yield Part(", ".join(names), "; ".join(dict.fromkeys(abouts)), now - before,
                       "; ".join(filter(None, said)))  # fmt: skip
        before, names, abouts = now, [], []


def _is_term(names: Sequence[str], left: Mapping[str, Any], right: Mapping[str, Any]) -> bool:
    """Tell whether a change is of one value: a term or number that somebody set."""
    both = [side.get(n) for n in names for side in (left, right)]
    return all(isinstance(v, np.ndarray) and v.size == 1 for v in both)


def _values_said(name: str, one: Any, other: Any) -> str:
    """Return ``name: one to other`` where both are one value."""
    both = [v.item() for v in (one, other) if isinstance(v, np.ndarray) and v.size == 1]
    if len(both) < 2:
        return ""
    first, last = (f"{v:g}" if isinstance(v, float) else v or "none" for v in both)
    return f"{name}: {first} to {last}"


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        numbers = one.dtype.kind == other.dtype.kind == "f"
        return np.array_equal(one, other, equal_nan=numbers)
    if isinstance(one, tuple) and isinstance(other, tuple):  # formula and rounding
        return (one[0].text, one[1]) == (other[0].text, other[1])
    return type(one) is type(other) and bool(one == other)


def _by_name(record: Record) -> dict[str, Record]:
    return {n["id"]: n for n in record["nodes"]}


def _groups(a: Record, b: Record) -> Iterator[tuple[list[str], str]]:
    """Yield what is exchanged at once: nodes along an axis that changed its labels go together."""
    first, second = _by_name(a), _by_name(b)
    moved = {x for x in (*a["axes"], *b["axes"])
             if x != "entity" and a["axes"].get(x) != b["axes"].get(x)}  # fmt: skip
    leaves = [n for n in [*b["nodes"], *(n for n in a["nodes"] if n["id"] not in second)]
              if n["kind"] != "step"]  # fmt: skip
    along = [n["id"] for n in leaves
             if moved & {*n["axes"], *first.get(n["id"], n)["axes"]}
             or (n["kind"] == "option" and n["id"] == "baseline_year")]  # fmt: skip
    if moved and along:
        yield along, f"other {' and '.join(sorted(moved))} labels"
    for node in leaves:
        if node["id"] not in along or not moved:
            yield [node["id"]], node["about"] or node["id"]
    steps = [n for n in [*b["nodes"], *(n for n in a["nodes"] if n["id"] not in second)]
             if n["kind"] == "step"]  # fmt: skip
    for node in steps:
        old = first.get(node["id"], {})
        if (old.get("formula"), old.get("rounding")) != (node["formula"], node["rounding"]) or (
            node["id"] not in second
        ):
            yield [node["id"]], f"rule: {node['about']}"


def _arrays(record: Record, entities: Sequence[str]) -> dict[str, Any]:
    """Return leaves as arrays or tables, and steps as their formula and rounding."""
    places = [record["axes"]["entity"].index(e) for e in entities]
    found: dict[str, Any] = {}
    for node in record["nodes"]:
        if node["kind"] == "step":
            found[node["id"]] = (parse(node["formula"], node["id"]), node["rounding"])
        elif "table" in node:
            found[node["id"]] = _table(node["table"])
        else:
            found[node["id"]] = _values(record, node, places)
    return found


def _table(table: Any) -> Any:
    if isinstance(table, list):
        return [_table(row) for row in table]
    if isinstance(table, Mapping):
        return {k: _table(v) for k, v in table.items()}
    return np.inf if table == "inf" else table


def _values(record: Record, node: Record, places: Sequence[int]) -> Array:
    shape = [len(record["axes"][x]) for x in node["axes"]]
    text = node["unit"] in ("text", "choice") or any(isinstance(v, str) for v in node["values"])
    blank: Any = "" if text else np.nan
    flat = np.array([blank if v is None else v for v in node["values"]])
    array = laid_out(flat.reshape(shape), tuple(node["axes"]))
    return array[:, list(places)] if "entity" in node["axes"] else array


def _computed(state: Mapping[str, Any], order: Sequence[str]) -> dict[str, Array]:
    values = {k: v for k, v in state.items() if not isinstance(v, tuple)}
    values[LENGTHS] = _lengths(values)
    for name in order:
        if name not in state:
            continue
        formula, rounding = state[name]
        try:
            found = evaluate(formula, values)
        except KeyError:  # reads what only the other ledger has
            values[name] = laid_out(np.nan, ())
            continue
        values[name] = found if rounding is None else round_half_up(found, rounding)
    return values


def _lengths(values: Mapping[str, Any]) -> dict[str, int]:
    shapes = [v.shape for v in values.values() if isinstance(v, np.ndarray)]
    return {axis: max((s[i] for s in shapes), default=1) for i, axis in enumerate(AXES)}


def _entity_totals(values: Array, n: int) -> Array:
    """Add up all but the entities: float, shape (n_entities,)."""
    others = tuple(i for i, axis in enumerate(AXES) if axis != "entity")
    return np.broadcast_to(np.asarray(values, dtype=np.float64).sum(others), (n,))


def _total_of(record: Record, node: str, both: Sequence[str]) -> float:
    """Return the total of the entities that the other ledger does not have."""
    found = _by_name(record)[node]
    if "entity" not in found["axes"]:
        return 0.0
    places = [i for i, e in enumerate(record["axes"]["entity"]) if e not in set(both)]
    return float(np.nansum(_values(record, found, places))) if places else 0.0
