"""A value is dated, known since a day, and cited."""

import datetime as dt

import pytest

from benchmarks.policy import PARAMETERS, list_parameters, load_parameter
from riskadj.errors import InputError, NotPublishedError

HEAD = 'description = "A number for tests."\nunit = "1"\n'
VALUE = """
[[values]]
from = {start}
known = {known}
status = "{status}"
value = {value}
source = "A statute, section 1"
"""


def _value(start="2024-01-01", known="2022-11-18", status="final", value="0.3") -> str:
    return VALUE.format(start=start, known=known, status=status, value=value)


@pytest.fixture
def parameter(tmp_path, request):
    def make(*values: str):
        name = f"p{len(list(tmp_path.iterdir()))}"
        (tmp_path / f"{name}.toml").write_text(HEAD + "".join(values), encoding="utf-8")
        return load_parameter(name, tmp_path)

    return make


@pytest.mark.parametrize("name", list_parameters())
def test_every_value_of_the_project_names_its_source_and_says_how_firm_it_is(name: str) -> None:
    found = load_parameter(name)

    for value in found.values:
        assert len(value.source) >= 15, name
        assert value.known <= dt.date(2026, 11, 25), name
        assert value.governs_to is None or value.governs_from <= value.governs_to, name
        if value.status == "unverified":
            assert value.note or "memory" in value.source or "secondary" in value.source, name


def test_a_year_before_the_first_value_is_refused_with_the_file_to_mend(parameter) -> None:
    with pytest.raises(NotPublishedError, match=r"no value for 2023: the first governs from 2024"):
        parameter(_value()).at(2023, dt.date(2026, 1, 1))


def test_a_value_not_yet_known_is_not_used(parameter) -> None:
    found = parameter(_value(), _value(known="2024-11-11", status="administrative", value="0.15"))

    assert found.at(2024, dt.date(2024, 11, 10)).value == 0.3
    assert found.at(2024, dt.date(2024, 11, 11)).value == 0.15
    with pytest.raises(NotPublishedError, match="was not known on 2022-01-01"):
        found.at(2024, dt.date(2022, 1, 1))


def test_a_proposed_value_counts_only_where_it_is_asked_for(parameter) -> None:
    found = parameter(_value(), _value(known="2026-07-10", status="proposed", value="0.5"))
    late = dt.date(2026, 11, 1)

    assert found.at(2025, late).value == 0.3
    assert found.at(2025, late, ("proposed",)).value == 0.5


def test_a_percentage_is_refused(parameter) -> None:
    with pytest.raises(InputError, match=r"looks like a percentage: write 0\.05"):
        parameter(_value(value="50"))


def test_weights_that_do_not_add_up_are_refused(parameter) -> None:
    weights = "{{ first = {{ BY1 = 0.1, BY2 = 0.3, BY3 = {last} }} }}"
    head = "adds_up_to = 1\n"

    assert parameter(head + _value(value=weights.format(last=0.6))).adds_up_to == 1
    with pytest.raises(InputError, match=r"adds up to 0\.9, not to 1"):
        parameter(head + _value(value=weights.format(last=0.5)))


def test_a_value_without_a_source_is_refused(parameter) -> None:
    with pytest.raises(InputError, match=r"values\.0\.source"):
        parameter(_value().replace("A statute, section 1", ""))


def test_an_unknown_key_is_refused(parameter) -> None:
    with pytest.raises(InputError, match="Extra inputs"):
        parameter(_value() + "pages = 3\n")


def test_every_parameter_is_read_by_a_program() -> None:
    from benchmarks.program import list_programs, load_program

    read = {p for name in list_programs() for p in load_program(name).files()}

    assert set(list_parameters()) == read
    assert PARAMETERS.is_dir()
