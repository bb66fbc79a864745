"""Every form of the same tables gives the same scores, and the frame that members came in."""

import datetime as dt
import gzip
import json

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from riskadj import InputError, Options, load_model
from riskadj.model import AGE_LIMIT
from riskadj.scoring.person import PersonScorer
from riskadj.scoring.plan import plan_model
from riskadj.scoring.programs import plan_payment_year
from riskadj.scoring.scorer import run
from tests.engine.arrivals import (
    FORMS,
    arriving,
    diagnosis_table,
    member_table,
    raw_by_member,
    text_file,
)
from tests.people import profile, random_members, tables
from tests.plain import Member

PLAN = plan_payment_year("ma", 2026)
HEADER = "member_id,age,sex,original_reason_entitlement_code,dual_status_code"
MEMBERS = member_table(2, age=[70, 71], sex=["F", "M"], dual_status_code=[None, "02"])
DIAGNOSES = diagnosis_table(("A0", "E11.21"), ("A0", "I28.1"), ("A1", "I10"))
CFA_WOMAN_OF_70 = 0.506
EXPECTED = {"A0": 1.033, "A1": 0.626}
"""CMS-HCC V28 2026: CNA F70_74 + HCC37 + HCC226 + DIABETES_HF_V28; CFA M70_74."""


def scored(members, diagnoses=DIAGNOSES):
    return run(PLAN, members, diagnoses, Options())


def csv_text(table, separator=","):
    lines = [table.column_names, *(list(r.values()) for r in table.to_pylist())]
    return "".join(
        separator.join("" if v is None else str(v) for v in line) + "\n" for line in lines
    )


def written(form, table, folder, name):
    """Write a table as a file of this form; return its path."""
    path = folder / f"{name}.{form}"
    text = csv_text(table, "\t" if form.startswith("tsv") else ",")
    lines = "".join(
        json.dumps({k: v for k, v in row.items() if v is not None}) + "\n"
        for row in table.to_pylist()
    )
    if form == "parquet":
        pq.write_table(table, path)
    elif form.endswith(".gz"):
        path.write_bytes(gzip.compress((lines if "json" in form else text).encode()))
    else:
        path.write_text(lines if "json" in form else text)
    return path


# ---- Forms -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form", ["csv", "csv.gz", "tsv", "tsv.gz", "txt", "parquet", "ndjson", "jsonl", "ndjson.gz"]
)
def test_every_file_form_gives_the_same_scores(form, tmp_path):
    members = written(form, MEMBERS, tmp_path, "members")

    scores = scored(members, written(form, DIAGNOSES, tmp_path, "diagnoses"))

    assert raw_by_member(scores) == EXPECTED
    assert isinstance(scores.table, pa.Table)


@pytest.mark.parametrize("form", FORMS)
def test_a_path_may_be_text(form, tmp_path):
    members = arriving(form, MEMBERS, tmp_path)
    members = str(members) if form in ("csv", "parquet") else members

    assert raw_by_member(scored(members)) == EXPECTED


@pytest.mark.parametrize(
    ("form", "kind"), [("pyarrow", pa.Table), ("pandas", pd.DataFrame), ("polars", pl.DataFrame)]
)
def test_results_are_frames_of_the_kind_that_members_came_in(form, kind, tmp_path):
    scores = scored(arriving(form, MEMBERS, tmp_path), DIAGNOSES)

    assert raw_by_member(scores) == EXPECTED
    for table in (scores.table, scores.factors(), scores.diagnosis_status()):
        assert type(table) is kind


@pytest.mark.parametrize(
    ("members_form", "diagnoses_form"), list(zip(FORMS, FORMS[1:] + FORMS[:1], strict=True))
)
def test_the_two_tables_may_come_in_different_forms(members_form, diagnoses_form, tmp_path):
    members = arriving(members_form, MEMBERS, tmp_path, "members")
    diagnoses = arriving(diagnoses_form, DIAGNOSES, tmp_path, "diagnoses")

    assert raw_by_member(scored(members, diagnoses)) == EXPECTED


def test_random_members_score_the_same_from_every_form(tmp_path):
    model = load_model("cms-hcc-v28/2026").model
    people, codes = tables(random_members(200, 7, model))
    as_text = people.set_column(0, "member_id", pc.cast(people["member_id"], pa.string()))
    codes_text = codes.set_column(0, "member_id", pc.cast(codes["member_id"], pa.string()))
    plan = plan_model(model)

    found = [
        list(raw_by_member(run(plan, arriving(form, as_text, tmp_path, "m"),
                               arriving(form, codes_text, tmp_path, "d"), Options())).items())
        for form in FORMS
    ]  # fmt: skip

    assert len(found[0]) == 200
    assert all(scores == found[0] for scores in found[1:])


def test_a_lazy_polars_frame_is_refused_with_what_to_do():
    with pytest.raises(InputError, match=r"a LazyFrame is .*collect a lazy frame first"):
        scored(pl.from_arrow(MEMBERS).lazy())


def test_a_record_batch_is_a_frame():
    assert raw_by_member(scored(MEMBERS.combine_chunks().to_batches()[0])) == EXPECTED


def test_inputs_come_back_unchanged():
    members, diagnoses = MEMBERS.to_pandas(), DIAGNOSES.to_pandas()
    before = members.copy(), diagnoses.copy()

    scored(members, diagnoses)

    pd.testing.assert_frame_equal(members, before[0])
    pd.testing.assert_frame_equal(diagnoses, before[1])


# ---- CSV as people write it ------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", "\t", "|", ";"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_separators_line_ends_and_byte_order_marks_do_not_matter(separator, end, mark, tmp_path):
    path = tmp_path / "m.csv"
    text = mark + csv_text(MEMBERS, separator).replace("\n", end)
    path.write_bytes(text.encode())

    assert raw_by_member(scored(path)) == EXPECTED


def test_blank_lines_are_no_members(tmp_path):
    path = text_file(tmp_path, "m.csv", HEADER, "A0,70,F,0,", "", "A1,71,M,0,02", "", "")

    assert raw_by_member(scored(path)) == EXPECTED


def test_a_last_line_without_line_end_counts(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text(csv_text(MEMBERS).rstrip("\n"))

    assert raw_by_member(scored(path)) == EXPECTED


def test_quoted_values_keep_separators_and_quotes(tmp_path):
    path = text_file(tmp_path, "m.csv", HEADER, '"A,0",70,F,0,', '"A""1",71,M,0,02')

    assert list(raw_by_member(scored(path))) == ["A,0", 'A"1']


def test_column_names_may_hold_quotes_blanks_and_capitals(tmp_path):
    path = text_file(
        tmp_path, "m.csv", "\" Member_ID \",AGE,Sex,OREC,\"dual\",\"the \"\"x\"\"\",o'clock",
        "A0,70,F,0,,1,2", "A1,71,M,0,02,1,2",
    )  # fmt: skip

    assert raw_by_member(scored(path)) == EXPECTED


def test_values_may_have_blanks_around_them(tmp_path):
    path = text_file(tmp_path, "m.csv", HEADER, "A0, 70 , f , 0 , ", "A1, 71,male ,0, 02 ")

    assert raw_by_member(scored(path)) == EXPECTED


# ---- Paths -----------------------------------------------------------------------------------

NAMES = ["a b", "it's", 'say "so"', "a[1]", "{a,b}", "a*", "a?", "Ünïcode", "a;b", "%20", "-a"]


@pytest.mark.parametrize("form", ["csv", "parquet", "ndjson"])
@pytest.mark.parametrize("name", NAMES)
def test_a_path_is_a_name_and_not_a_pattern(form, name, tmp_path):
    folder = tmp_path / name
    folder.mkdir()
    written(form, member_table(1, member_id=["OTHER"]), folder, "a1")
    written(form, member_table(1, member_id=["OTHERS"]), folder, "ab")
    (tmp_path / "a1").mkdir()
    written(form, member_table(1, member_id=["ELSEWHERE"]), tmp_path / "a1", "a1")
    members = written(form, MEMBERS, folder, name)

    assert raw_by_member(scored(members)) == EXPECTED


@pytest.mark.parametrize("form", ["csv", "parquet", "ndjson"])
def test_the_name_of_a_folder_is_no_column(form, tmp_path):
    folder = tmp_path / "dual_status_code=02" / "lti=1"
    folder.mkdir(parents=True)

    scores = scored(written(form, member_table(1), folder, "m"))

    assert raw_by_member(scores) == {"A0": 1.033}
    assert "no column dual_status_code: taken as not dual" in scores.quality.notes


@pytest.mark.parametrize("name", ["m.parquet.csv", "m.2026.01.csv", "m.json.csv"])
def test_the_last_suffix_says_what_a_file_is(name, tmp_path):
    path = tmp_path / name
    path.write_text(csv_text(MEMBERS))

    assert raw_by_member(scored(path)) == EXPECTED


# ---- NDJSON ----------------------------------------------------------------------------------


def test_a_key_that_comes_late_in_an_ndjson_file_is_read(tmp_path):
    first = '{"member_id":"A%d","age":70,"sex":"F","orec":0}\n'
    last = '{"member_id":"Z","age":70,"sex":"F","orec":0,"dual":"02"}\n'
    (tmp_path / "m.ndjson").write_text("".join(first % i for i in range(25_000)) + last)

    scores = scored(tmp_path / "m.ndjson")

    assert raw_by_member(scores)["Z"] == CFA_WOMAN_OF_70
    assert scores.table["segment"].to_pylist()[-1] == "CFA"


def test_keys_left_out_of_some_ndjson_lines_are_blank(tmp_path):
    assert raw_by_member(scored(written("ndjson", MEMBERS, tmp_path, "m"))) == EXPECTED


@pytest.mark.parametrize(
    "member_id", ["007", "2024-01-01", "123e4567-e89b-12d3-a456-426614174000", "1e3", "true"]
)
def test_text_ids_of_ndjson_files_stay_text(member_id, tmp_path):
    path = written("ndjson", member_table(1, member_id=[member_id]), tmp_path, "m")
    diagnoses = written("ndjson", diagnosis_table((member_id, "E1121")), tmp_path, "d")

    assert raw_by_member(scored(path, diagnoses)) == {member_id: 0.561}


# ---- Ids -------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["csv", "tsv", "csv.gz"])
def test_leading_zeros_of_ids_stay(form, tmp_path):
    members = written(form, member_table(2, member_id=["007", "7"]), tmp_path, "m")
    diagnoses = written(form, diagnosis_table(("007", "E1121")), tmp_path, "d")

    assert raw_by_member(scored(members, diagnoses)) == {"007": 0.561, "7": 0.395}


@pytest.mark.parametrize("form", ["pyarrow", "pandas", "polars", "parquet"])
@pytest.mark.parametrize("kind", [pa.int64(), pa.uint64()])
def test_whole_number_ids_of_63_bits_stay_exact(form, kind, tmp_path):
    ids = [2**63 - 1, 2**63 - 2, 2**53 + 1]
    members = member_table(member_id=pa.array(ids, kind))
    diagnoses = diagnosis_table(*((i, "E1121") for i in ids[:1]))

    scores = scored(arriving(form, members, tmp_path), diagnoses)

    assert raw_by_member(scores) == dict(zip(ids, (0.561, 0.395, 0.395), strict=True))


@pytest.mark.parametrize("kind", [pa.int8(), pa.int16(), pa.int32(), pa.uint8(), pa.uint32()])
def test_whole_number_ids_of_two_widths_match(kind):
    members = member_table(member_id=pa.array([1, 2, 3], kind))

    scores = scored(members, diagnosis_table((1, "E1121")))

    assert raw_by_member(scores) == {1: 0.561, 2: 0.395, 3: 0.395}


@pytest.mark.parametrize("form", FORMS)
def test_unicode_ids_stay_as_they_are(form, tmp_path):
    ids = ["Ä€", "日本", "😀"]
    members = arriving(form, member_table(member_id=ids), tmp_path)

    scores = scored(members, diagnosis_table(("日本", "E1121")))

    assert raw_by_member(scores) == {"Ä€": 0.395, "日本": 0.561, "😀": 0.395}


# ---- Column types ----------------------------------------------------------------------------


def test_dictionary_columns_are_their_values():
    coded = [
        pa.table({n: t[n].combine_chunks().dictionary_encode() for n in t.column_names})
        for t in (MEMBERS, DIAGNOSES)
    ]

    assert raw_by_member(scored(*coded)) == EXPECTED


def test_pandas_categories_are_their_values():
    frames = [t.to_pandas().astype("category") for t in (MEMBERS, DIAGNOSES)]

    assert raw_by_member(scored(*frames)) == EXPECTED


def test_polars_categories_are_their_values():
    text = pl.col("member_id", "sex", "dual_status_code").cast(pl.Categorical)

    members = pl.from_arrow(MEMBERS).with_columns(text)

    assert raw_by_member(scored(members, DIAGNOSES)) == EXPECTED


@pytest.mark.parametrize("ages", [pa.float64(), pa.int8(), pa.decimal128(22, 2), pa.string()])
def test_ages_of_any_type_are_read(ages):
    members = MEMBERS.set_column(1, "age", MEMBERS["age"].cast(ages))

    assert raw_by_member(scored(members)) == EXPECTED


def test_pandas_nullable_columns_are_read():
    members = MEMBERS.to_pandas().astype(
        {"member_id": "string", "age": "Int64", "sex": "string", "dual_status_code": "string"}
    )

    assert raw_by_member(scored(members)) == EXPECTED


@pytest.mark.parametrize("blank", [None, float("nan")])
def test_missing_numbers_are_blank(blank):
    members = MEMBERS.to_pandas().assign(
        dual_status_code=[blank, 2.0], long_term_institutional=[blank, 0.0]
    )

    assert raw_by_member(scored(members)) == EXPECTED


@pytest.mark.parametrize(
    "columns",
    [
        {"sex": ["female", "man"]}, {"sex": ["f", "m"]}, {"sex": [2, 1]}, {"sex": [2.0, 1.0]},
        {"sex": ["2", "1"]}, {"sex": ["2.0", "1.0"]},
        {"original_reason_entitlement_code": ["0", "0.0"]},
        {"original_reason_entitlement_code": [0.0, 0.0]},
        {"dual_status_code": ["", "2"]}, {"dual_status_code": [0, 2]},
        {"dual_status_code": ["NA", "08"]}, {"dual_status_code": ["99", "2.0"]},
        {"dual_status_code": pa.array([b"00", b"02"]).cast(pa.string())},
        {"long_term_institutional": ["no", "N"]}, {"new_enrollee": [False, None]},
        {"chronic_snp": ["", "0"]}, {"esrd_status": [None, "none"]},
    ],
)  # fmt: skip
def test_other_spellings_of_the_same_members_score_the_same(columns):
    members = MEMBERS
    for name, values in columns.items():
        if name in members.column_names:
            members = members.drop_columns(name)
        members = members.append_column(name, pa.array(values))

    assert raw_by_member(scored(members)) == EXPECTED


@pytest.mark.parametrize("form", FORMS)
def test_other_column_names_are_read(form, tmp_path):
    members = MEMBERS.rename_columns(["person_id", "age", "gender", "orec", "dual"])
    diagnoses = DIAGNOSES.rename_columns(["person_id", "icd10"])

    scores = scored(
        arriving(form, members.append_column("lti", pa.array([0, 0])), tmp_path, "m"),
        arriving(form, diagnoses, tmp_path, "d"),
    )

    assert raw_by_member(scores) == EXPECTED
    assert "no column long_term_institutional: taken as no" not in scores.quality.notes


@pytest.mark.parametrize("code", ["E1121", "E11.21", "e11.21", " E11.21 ", "e1121", "E 11.21"])
def test_other_spellings_of_a_code_are_the_code(code):
    assert raw_by_member(scored(member_table(1), diagnosis_table(("A0", code)))) == {"A0": 0.561}


# ---- No diagnoses ----------------------------------------------------------------------------

DEMOGRAPHIC = {"A0": 0.395, "A1": 0.626}


@pytest.mark.parametrize("form", FORMS)
def test_no_diagnoses_at_all_give_demographic_scores(form, tmp_path):
    scores = scored(MEMBERS, arriving(form, DIAGNOSES.slice(0, 0), tmp_path))

    assert raw_by_member(scores) == DEMOGRAPHIC
    assert scores.quality.diagnoses == 0
    assert scores.quality.diagnoses_of_unknown_members == 0


@pytest.mark.parametrize(
    "nothing",
    [
        pd.DataFrame({"member_id": [], "diagnosis_code": []}),
        pd.DataFrame(columns=["member_id", "diagnosis_code"]),
        pl.DataFrame({"member_id": [], "diagnosis_code": []}),
        pa.table({"member_id": pa.nulls(0), "diagnosis_code": pa.nulls(0)}),
    ],
    ids=["pandas floats", "pandas objects", "polars", "pyarrow"],
)
@pytest.mark.parametrize("ids", [["A0", "A1"], [0, 1]])
def test_an_empty_frame_without_types_gives_demographic_scores(nothing, ids):
    members = MEMBERS.set_column(0, "member_id", pa.array(ids))

    assert list(raw_by_member(scored(members, nothing)).values()) == [0.395, 0.626]


# ---- Birth dates -----------------------------------------------------------------------------

BORN = [
    (dt.date(1956, 2, 1), 70), (dt.date(1956, 2, 2), 69), (dt.date(1956, 1, 31), 70),
    (dt.date(1956, 2, 29), 69), (dt.date(1955, 2, 28), 70), (dt.date(1961, 2, 1), 65),
    (dt.date(1961, 2, 2), 64), (dt.date(1960, 12, 31), 65), (dt.date(2025, 2, 1), 1),
    (dt.date(2025, 2, 2), 0), (dt.date(2026, 2, 1), 0), (dt.date(2026, 3, 1), 0),
    (dt.date(2026, 12, 31), 0), (dt.date(1906, 2, 1), 120), (dt.date(1905, 2, 2), 120),
]  # fmt: skip
ONE_BY_ONE = PersonScorer(load_model("cms-hcc-v28/2026").model)


def raw_at(age):
    """Return the score of a woman by the path for one member, which takes the age as given."""
    return ONE_BY_ONE.score(profile(Member(age, "F", 0), ONE_BY_ONE.book), []).raw_score


@pytest.mark.parametrize("form", FORMS)
def test_age_counts_on_the_first_of_february(form, tmp_path):
    assert max(age for _, age in BORN) == AGE_LIMIT
    members = member_table(len(BORN), birth_date=[born for born, _ in BORN]).drop_columns("age")

    scores = scored(arriving(form, members, tmp_path), diagnosis_table())

    assert list(raw_by_member(scores).values()) == [raw_at(age) for _, age in BORN]


@pytest.mark.parametrize("name", ["birth_date", "dob", "date_of_birth"])
@pytest.mark.parametrize(
    "born",
    ["1956-02-02", dt.date(1956, 2, 2), dt.datetime(1956, 2, 2, 23, 59), "1956-02-02 00:00:00"],
)
def test_a_birth_date_may_be_a_date_a_time_or_iso_text(name, born):
    members = member_table(1, **{name: [born]}).drop_columns("age")

    assert raw_by_member(scored(members, diagnosis_table())) == {"A0": 0.33}  # F65_69


def test_birth_date_goes_before_age_and_that_is_noted():
    members = member_table(1, age=[90], birth_date=[dt.date(1956, 2, 2)])

    scores = scored(members, diagnosis_table())

    assert raw_by_member(scores) == {"A0": 0.33}
    assert any("birth_date" in note and "age" in note for note in scores.quality.notes)


@pytest.mark.parametrize("second", [{"gender": ["M"]}, {"orec": [1]}, {"person_id": ["X"]}])
def test_a_second_column_for_the_same_fact_is_refused_or_noted(second):
    members = member_table(1, **second)

    try:
        said = " ".join(scored(members, diagnosis_table()).quality.notes)
    except InputError as error:
        said = str(error)

    assert next(iter(second)) in said
