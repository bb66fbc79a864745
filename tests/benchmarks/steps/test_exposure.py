"""Member months by entity, stratum and calendar month, counted on the first day."""

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.steps.exposure import Spans, exposure, member_months, months_of, person_years
from riskadj.errors import InputError

YEAR = months_of(2024)


def _spans(*rows: tuple[int, int, str, str]) -> Spans:
    member, label, start, end = zip(*rows, strict=True)
    days = (np.array(d, dtype="datetime64[D]") for d in (start, end))
    return Spans(np.array(member), np.array(label), *days)


ALWAYS = _spans((0, 0, "2024-01-01", "NaT"))


def test_a_month_counts_when_its_first_day_is_eligible_and_attributed() -> None:
    eligible = _spans((0, 0, "2024-01-02", "2024-05-01"))
    attributed = _spans((0, 0, "2023-07-01", "2024-05-31"))

    found = exposure(eligible, attributed, YEAR, (1, 1), 1)

    assert found[0, 0].tolist() == [0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0]


def test_a_member_moves_between_strata_and_entities_month_by_month() -> None:
    eligible = _spans((0, 0, "2024-01-01", "2024-03-31"), (0, 1, "2024-04-01", "NaT"))
    attributed = _spans((0, 1, "2024-01-01", "2024-06-30"), (0, 0, "2024-07-01", "2024-12-31"))

    found = exposure(eligible, attributed, YEAR, (2, 2), 1)

    assert found.sum(2).tolist() == [[0, 6], [3, 3]]
    assert person_years(found.sum((1, 2))).tolist() == [0.5, 0.5]


def test_overlapping_spans_of_one_label_count_once() -> None:
    eligible = _spans((0, 0, "2024-01-01", "2024-08-31"), (0, 0, "2024-03-01", "2024-04-30"))

    assert exposure(eligible, ALWAYS, YEAR, (1, 1), 1).sum() == 8


def test_a_member_of_two_entities_or_strata_in_a_month_is_refused_and_counted() -> None:
    two = _spans((0, 0, "2024-01-01", "2024-03-31"), (0, 1, "2024-03-01", "2024-12-31"))

    with pytest.raises(InputError, match="1 member months have more than one entity"):
        exposure(ALWAYS, two, YEAR, (2, 1), 1)
    with pytest.raises(InputError, match="1 member months have more than one stratum"):
        exposure(two, ALWAYS, YEAR, (1, 2), 1)


@pytest.mark.parametrize(
    ("spans", "said"),
    [(_spans((0, 0, "NaT", "2024-01-31")), "1 spans have no first day"),
     (_spans((0, 0, "2024-02-01", "2024-01-31")), "1 spans end before they start"),
     (_spans((-1, 0, "2024-01-01", "NaT")), "1 spans have a member row that is not from 0 to 0"),
     (_spans((0, 1, "2024-01-01", "NaT")), "1 spans have a entity row that is not from 0 to 0")],
)  # fmt: skip
def test_spans_that_would_count_wrongly_are_refused(spans: Spans, said: str) -> None:
    with pytest.raises(InputError, match=said):
        exposure(ALWAYS, spans, YEAR, (1, 1), 1)


def test_a_month_named_twice_a_wrong_row_and_negative_months_are_refused() -> None:
    with pytest.raises(InputError, match="named twice"):
        exposure(ALWAYS, ALWAYS, YEAR[[0, 0]], (1, 1), 1)
    with pytest.raises(InputError, match="1 spans have a member row"):
        member_months(np.array([-1]), ALWAYS.start, ALWAYS.end, 2024, 1)
    with pytest.raises(InputError, match="0 or more"):
        person_years(np.array([-1]))


DAY = st.dates(dt.date(2023, 11, 1), dt.date(2025, 2, 28))
SPAN = st.tuples(st.integers(0, 3), DAY, st.none() | DAY).filter(lambda s: not s[2] or s[1] <= s[2])


@given(st.lists(SPAN, min_size=1, max_size=8), st.lists(SPAN, min_size=1, max_size=8))
def test_any_spans_count_as_a_plain_loop_over_first_days_does(eligible, attributed) -> None:
    """Each member has an own stratum and entity, so that nobody has two."""
    held = [_spans(*((m, m % 2, a.isoformat(), b.isoformat() if b else "NaT") for m, a, b in s))
            for s in (eligible, attributed)]  # fmt: skip

    found = exposure(*held, YEAR, (2, 2), 4)

    plain = np.zeros((2, 2, 12), dtype=int)
    for member in range(4):
        for month in range(12):
            day = dt.date(2024, month + 1, 1)
            inside = [any(m == member and a <= day and (b is None or day <= b) for m, a, b in s)
                      for s in (eligible, attributed)]  # fmt: skip
            plain[member % 2, member % 2, month] += all(inside)
    np.testing.assert_array_equal(found, plain)
    total = exposure(*held, YEAR[:5], (2, 2), 4).sum() + exposure(*held, YEAR[5:], (2, 2), 4).sum()
    assert total == found.sum()


def test_a_years_months_are_the_same_by_either_way() -> None:
    eligible = _spans((0, 0, "2024-01-01", "2024-08-31"), (1, 0, "2024-03-01", "NaT"))
    everyone = _spans((0, 0, "2020-01-01", "NaT"), (1, 0, "2020-01-01", "NaT"))

    by_member = member_months(eligible.member, eligible.start, eligible.end, 2024, 2)

    assert by_member.tolist() == [8, 10]
    assert exposure(eligible, everyone, YEAR, (1, 1), 2).sum() == by_member.sum()
