"""A formula over arrays and the same formula cell by cell are one number."""

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from benchmarks.axes import laid_out
from benchmarks.formula import LENGTHS, SUPPRESSED, axes_of, evaluate, parse
from benchmarks.replay import Book, NotCalculableError, same
from riskadj.errors import InputError

AXES = {"entity": ["E1", "E2", "E3"], "stratum": ["s", "t"]}
TABLE = {"EN": 0.75, "A": 0.4}
BANDS = [[5, 10, 0.1, 0.05], [20, "inf", 0.02, 0.02]]
SHARES = [[1, 1.0], [3, 0.5], ["inf", 0.1]]
NUMBERS = st.one_of(st.none(), st.floats(-20, 30).map(lambda x: round(x, 3)), st.just(0.0))
LEAVES = st.sampled_from(["x", "y", "z", "2", "0.5", "rate[track]", "band(steps_, y)",
                          "corridor(shares, x)", "interpolate(sizes, abs(x) + 5)"])  # fmt: skip


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(inner, inner)
    return st.one_of(
        st.tuples(pair, st.sampled_from("+-*/")).map(lambda p: f"({p[0][0]} {p[1]} {p[0][1]})"),
        st.tuples(pair, st.sampled_from(("min", "max"))).map(
            lambda p: f"{p[1]}({p[0][0]}, {p[0][1]})"
        ),
        st.tuples(inner, inner, inner, st.sampled_from((">", "<=", "=="))).map(
            lambda p: f"({p[0]} if {p[1]} {p[3]} 1 else {p[2]})"
        ),
        st.tuples(inner, inner, st.sampled_from(("and", "or"))).map(
            lambda p: f"(1 if {p[0]} > 0 {p[2]} not {p[1]} > 2 else 0)"
        ),
        inner.map(lambda i: f"total({i}, over='stratum')"),
        pair.map(lambda p: f"mean({p[0]}, weight=abs({p[1]}), over='stratum')"),
        inner.map(lambda i: f"running(1 + {i} / 100, over='stratum')"),
        st.tuples(inner, st.sampled_from(("x", "y", "track"))).map(
            lambda p: f"({p[0]} if given({p[1]}) else 7)"
        ),
        inner.map(lambda i: f"(not {i})"),
        st.tuples(inner, inner).map(lambda p: f"({p[0]} or {p[1]})"),
        st.tuples(inner, inner).map(lambda p: f"(1 if {p[0]} in (2, {p[1]}) else 0)"),
        st.tuples(inner, inner).map(lambda p: f"({p[0]} ** {p[1]})"),
        inner.map(lambda i: f"log({i})"),
        inner.map(lambda i: f"round_half_up({i}, 1)"),
        inner.map(lambda i: f"(1 if track in ('EN', 'B') else {i})"),
    )


FORMULAS = st.recursive(LEAVES, _grow, max_leaves=8)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(FORMULAS, st.lists(NUMBERS, min_size=6, max_size=6),
       st.lists(NUMBERS, min_size=3, max_size=3), st.lists(NUMBERS, min_size=2, max_size=2),
       st.lists(st.sampled_from(["EN", "A", "?", None]), min_size=3, max_size=3))  # fmt: skip
def test_two_ways_to_every_number(text, x, y, z, track) -> None:
    both, entity, stratum = ("entity", "stratum"), ("entity",), ("stratum",)
    held = {"x": (both, x), "y": (entity, y), "z": (stratum, z), "track": (entity, track)}
    tables = {"rate": TABLE, "sizes": BANDS, "shares": SHARES,
              "steps_": [[0, 1.0], ["inf", 2.0]]}  # fmt: skip
    formula = parse(text, "here")
    try:
        axes = axes_of(formula.tree, {n: frozenset(a) for n, (a, _) in held.items()})
    except InputError:
        assume(False)
    order = [a for a in ("entity", "stratum") if a in axes]
    book = Book(AXES)
    for name, (along, values) in held.items():
        untold = {str(i): "suppressed" for i in range(0, len(values), 2) if values[i] is None}
        book.add({"id": name, "kind": "input", "axes": list(along), "values": values,
                  "reasons": untold})  # fmt: skip
    for name, table in tables.items():
        book.add({"id": name, "kind": "parameter", "axes": [], "table": table})

    slow = [value for value, _ in book.compute({"formula": text, "axes": order})]
    fast = evaluate(formula, _arrays(held, tables))

    shape = [len(AXES[a]) if a in order else 1 for a in ("entity", "stratum")]
    flat = np.broadcast_to(fast, (1, *shape, 1, 1)).ravel().tolist()
    for one, other in zip(flat, slow, strict=True):
        assert same(None if one != one else one, other), (text, flat, slow)


def _arrays(held, tables):
    def array(along, values):
        blank = "" if any(isinstance(v, str) for v in values) or along == "text" else np.nan
        filled = np.array([blank if v is None else v for v in values])
        return laid_out(filled.reshape([len(AXES[a]) for a in along]), along)

    made = {n: array(a, v) for n, (a, v) in held.items() if n != "track"}
    along, track = held["track"]
    made["track"] = laid_out(np.array(["" if t is None else t for t in track], dtype=str), along)

    def ends(table):
        if isinstance(table, list):
            return [ends(row) for row in table]
        return np.inf if table == "inf" else table

    made[LENGTHS] = {"entity": 3, "stratum": 2}
    for name, (along, values) in held.items():
        untold = np.array([v is None and i % 2 == 0 for i, v in enumerate(values)])
        shape = [len(AXES[a]) if a in along else 1 for a in ("entity", "stratum")]
        made.setdefault(SUPPRESSED, {})[name] = untold.reshape([1, *shape, 1, 1])
    return made | {n: ends(t) for n, t in tables.items()}


@pytest.mark.parametrize(
    "text",
    ["__import__('os')", "x.real", "[1, 2]", "lambda: 1", "(x := 1)", "open('f')", "f'{x}'",
     "x if y", "total(x)", "min(x, over='stratum')", "x[1:2]", "None", "x @ y",
     "total(x, over='sex')", "min(x)", "clip(x)", "given(2 / x)", "round_half_up(x, y)",
     "total(x, weight=y, over='stratum')", "1e16", "1" + " + 1" * 600,
     "-" * 70 + "x", "True"],
)  # fmt: skip
def test_a_formula_can_name_and_do_nothing_else(text: str) -> None:
    with pytest.raises(InputError):
        parse(text, "step")


def test_adding_up_what_does_not_vary_is_refused() -> None:
    formula = parse("total(y, over='stratum')", "step")

    with pytest.raises(InputError, match="does not vary by stratum"):
        axes_of(formula.tree, {"y": frozenset(["entity"])})


def test_what_is_not_known_is_not_read_as_false() -> None:
    nan = laid_out(np.nan, ())
    kept = parse("1 if quality >= 0.5 else 0", "step")
    decided = parse("1 if quality >= 0.5 or size > 1 else 0", "step")

    assert np.isnan(evaluate(kept, {"quality": nan})).all()
    assert evaluate(decided, {"quality": nan, "size": laid_out(2.0, ())}).item() == 1


def test_dividing_by_zero_says_what_was_zero() -> None:
    book = Book({})
    book.add({"id": "benchmark_usd", "kind": "input", "axes": [], "values": [0.0]})

    with pytest.raises(NotCalculableError, match="benchmark_usd is 0 and cannot divide"):
        book.value(parse("5 / benchmark_usd", "step").tree, {})


def test_halves_are_rounded_away_from_zero_both_ways() -> None:
    from benchmarks.replay import rounded
    from benchmarks.steps import round_half_up

    halves = [0.125, -0.125, 2.675, 1.005, 1e9 + 0.005]
    both = [rounded(h, 2) for h in halves]

    assert both == [0.13, -0.13, 2.68, 1.01, 1_000_000_000.01]
    assert round_half_up(np.array(halves), 2).tolist() == both


def test_infinity_never_becomes_a_number() -> None:
    zero = {"y": laid_out(0.0, ())}
    for text in ("min(1 / y, 5)", "max(log(y), 0)", "1 / exp(2000)", "min(9 ** 9 ** 9, 3)"):
        assert np.isnan(evaluate(parse(text, "step"), zero)).all(), text


def test_the_second_way_needs_no_numpy() -> None:
    import subprocess
    import sys

    code = (
        "import sys, benchmarks.replay; print({'numpy', 'pydantic', 'riskadj'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"
