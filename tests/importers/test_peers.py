"""The forms in which wheels carry CMS's tables, and conditions carried over by code."""

import pytest

from riskadj.errors import ImportFormatError
from riskadj.importers.peers import (
    carry_conditions,
    confirmed,
    macro_hierarchy,
    macro_labels,
    model_pairs,
    tab_pairs,
    wide_coefficients,
)


def row(code: str, category: str, low: str = "", high: str = "", sex: str = "", mce: str = ""):
    return (code, category, low, high, sex, mce, "", "")


def test_format_lines_are_code_category_and_maybe_a_second_assignment_mark() -> None:
    assert tab_pairs(b"A0103\t115\t\r\nB377\t6\tD\n", "f") == {
        ("A0103", "HCC115"),
        ("B377", "HCC6"),
    }
    with pytest.raises(ImportFormatError, match="line 1 is not code"):
        tab_pairs(b"A0103\t115\tX\n", "f")
    with pytest.raises(ImportFormatError, match="is not a code and a category"):
        tab_pairs(b"25000\t15\n", "f")


def test_rows_of_one_model_are_taken() -> None:
    data = b"diagnosis_code,cc,model_name\nA0103,115.0,V24\nA0104,39,V28\n"
    assert model_pairs(data, "f", "V24") == {("A0103", "HCC115")}
    with pytest.raises(ImportFormatError, match="no rows of V29"):
        model_pairs(data, "f", "V29")


def test_coefficients_in_one_row() -> None:
    assert wide_coefficients(b"CNA_HCC1,CND_HCC1,NE_NMCAID_NORIGDIS_NEF65\n.3,0.2,1\n", "f") == {
        "HCC1": {"CNA": ".3", "CND": "0.2"},
        "NMCAID_NORIGDIS_NEF65": {"NE": "1"},
    }


def test_macro_lines_keep_their_order_and_may_wrap() -> None:
    text = b"%SET0(CC=191   , HIER=%STR(\n180, 192 ));\n %SET0(CC=8 , HIER=%STR(9 ));"
    assert macro_hierarchy(text, "f") == [
        ("HCC191", "HCC180"), ("HCC191", "HCC192"), ("HCC8", "HCC9"),
    ]  # fmt: skip
    with pytest.raises(ImportFormatError, match="another form"):
        macro_hierarchy(b"%SET0(CC=8 , HIER=9);", "f")


def test_labels_lose_their_padding() -> None:
    assert macro_labels(b' HCC1 ="HIV/AIDS   "\n', "f") == {"HCC1": "HIV/AIDS"}


def test_a_plain_pair_takes_the_conditions_of_its_code() -> None:
    table = [
        row("J430", "HCC111", "18"),
        row("J430", "HCC112", "", "17"),
        row("F0150", "HCC52", mce="15"),
    ]
    base = {("J430", "HCC111"), ("F0150", "HCC52"), ("E119", "HCC19")}

    assert carry_conditions(base, table) == [
        ("E119", "HCC19", "", "", "", "", "", ""),
        ("F0150", "HCC52", "", "", "", "15", "", "1"),
        ("J430", "HCC111", "18", "", "", "", "", "1"),
        ("J430", "HCC112", "", "17", "", "", "", "1"),
    ]


def test_a_category_that_the_code_has_lost_keeps_its_mce_ages() -> None:
    table = [row("E1152", "HCC18", mce="15"), row("E1152", "HCC106", mce="15")]

    assert carry_conditions({("E1152", "HCC18"), ("E1152", "HCC108")}, table) == [
        ("E1152", "HCC18", "", "", "", "15", "", "1"),
        ("E1152", "HCC108", "", "", "", "15", "", "1"),
    ]


def test_sources_that_disagree_stop_the_build() -> None:
    ours, theirs = {("A", "1"), ("B", "2")}, {("A", "1")}
    with pytest.raises(ImportFormatError, match="differ in 1 pairs"):
        confirmed(ours, {"other": theirs}, "identical", "x")
    with pytest.raises(ImportFormatError, match="1 pairs stand in no other source"):
        confirmed(ours, {"other": theirs}, "any", "x")
    confirmed(ours, {"other": theirs, "third": {("B", "2")}}, "any", "x")
