"""CMS's DE-SynPUF: who is kept, what a row means, and what is refused."""

import gzip

import numpy as np
import pytest

from riskadj.errors import InputError
from riskadj.sources.synpuf import CELLS, FLAGS, read_synpuf

HEAD = ("DESYNPUF_ID,BENE_BIRTH_DT,BENE_DEATH_DT,BENE_SEX_IDENT_CD,BENE_ESRD_IND,"
        "BENE_HI_CVRAGE_TOT_MONS,BENE_HMO_CVRAGE_TOT_MONS," + ",".join(FLAGS)
        + ",MEDREIMB_IP,MEDREIMB_OP,MEDREIMB_CAR")  # fmt: skip
NO = ["2"] * 11


def row(
    person, *, born="19430201", sex="1", esrd="0", part_a="12", hmo="0", flags=NO, paid="0,0,0"
):
    return ",".join([person, born, "", sex, esrd, part_a, hmo, *flags, paid])


def write(
    folder, of_2008, of_2009, name="DE1_0_{}_Beneficiary_Summary_File_Sample_{}.csv", sample=1
):
    for year, rows in ((2008, of_2008), (2009, of_2009)):
        (folder / name.format(year, sample)).write_text("\n".join([HEAD, *rows]) + "\n")


@pytest.fixture
def folder(tmp_path):
    diabetic = ["1" if f == "SP_DIABETES" else "2" for f in FLAGS]
    write(
        tmp_path,
        [row("A", flags=diabetic), row("B", esrd="Y"), row("C"), row("D"), row("GONE")],
        [row("B", sex="2", born="19740202", paid="-10.00,0.05,2.00"),
         row("A", esrd="Y", paid="36000.00,60.10,1350.00"), row("C", part_a="11"),
         row("D", hmo="1"), row("NEW")],
    )  # fmt: skip
    return tmp_path


def terms_of(data, person):
    return {data.terms[i] for i in np.flatnonzero(data.design[person])}


def test_conditions_are_of_2008_and_payments_of_2009(folder) -> None:
    data = read_synpuf(folder)

    assert data.terms == (*CELLS, *FLAGS, "ESRD")
    assert terms_of(data, 0) == {"M65_69", "SP_DIABETES"}
    assert terms_of(data, 1) == {"F0_34", "ESRD"}
    np.testing.assert_array_equal(data.paid_cents, [3741010, -795])
    np.testing.assert_array_equal(data.sample, [1, 1])


def test_every_person_is_in_one_count(folder) -> None:
    counts = read_synpuf(folder).counts

    assert counts == {
        "persons of 2008": 5,
        "of these not in the file of 2009": 1,
        "persons of 2009": 5,
        "left out: HMO months in 2009": 1,
        "left out: fewer than 12 months of Part A in 2009": 1,
        "left out: not in the file of 2008": 1,
        "kept": 2,
        "kept with a negative payment in a part": 1,
        "kept with a negative total": 1,
    }


@pytest.mark.parametrize(("born", "cell"), [
    ("19740201", "M35_44"), ("19740202", "M0_34"), ("19190201", "M90_GT"), ("19190202", "M85_89"),
])  # fmt: skip
def test_age_is_of_the_first_of_february(tmp_path, born, cell) -> None:
    write(tmp_path, [row("A")], [row("A", born=born)])

    assert terms_of(read_synpuf(tmp_path), 0) == {cell}


def test_samples_in_files_of_their_own_are_put_together(folder) -> None:
    write(folder, [row("A")], [row("A", paid="1,0,0")], sample=20)

    data = read_synpuf(folder)

    np.testing.assert_array_equal(data.sample, [1, 1, 20])
    assert data.paid_cents[2] == 100


def test_one_file_for_all_samples_names_them_in_a_column(tmp_path) -> None:
    for year in (2008, 2009):
        text = f"SAMPLE,{HEAD}\n7,{row('A')}\n3,{row('A')}\n"
        path = tmp_path / f"DE1_0_Beneficiary_{year}_2samples.csv.gz"
        path.write_bytes(gzip.compress(text.encode()))

    np.testing.assert_array_equal(read_synpuf(tmp_path).sample, [3, 7])


@pytest.mark.parametrize(("bad", "message"), [
    (row("A", sex="3"), "1 rows with a value that the codebook does not know"),
    (row("A", paid="1,x,0"), "1 rows with a value that the codebook does not know"),
    (row("A", born="20090202"), "1 rows with a value that the codebook does not know"),
    (row("B") + "\n" + row("B"), "2009: rows that list a person again"),
])  # fmt: skip
def test_values_outside_the_codebook_are_refused_and_counted(tmp_path, bad, message) -> None:
    write(tmp_path, [row("A")], [bad])

    with pytest.raises(InputError, match=message):
        read_synpuf(tmp_path)


def test_missing_files_and_columns_are_named(tmp_path, folder) -> None:
    path = folder / "DE1_0_2009_Beneficiary_Summary_File_Sample_1.csv"
    path.write_text(path.read_text().replace("MEDREIMB_OP", "OTHER"))
    with pytest.raises(InputError, match=r"Sample_1\.csv: no column MEDREIMB_OP"):
        read_synpuf(folder)

    path.unlink()
    with pytest.raises(InputError, match="no beneficiary file of 2009"):
        read_synpuf(folder)
    with pytest.raises(InputError, match="is not a folder"):
        read_synpuf(folder / "nowhere")


def test_a_cut_file_is_refused_without_its_content(tmp_path) -> None:
    write(tmp_path, [row("A")], [row("SECRET", paid='"1,2')])

    with pytest.raises(InputError) as refused:
        read_synpuf(tmp_path)

    assert "SECRET" not in str(refused.value)


def test_nobody_left_is_refused(tmp_path) -> None:
    write(tmp_path, [row("A")], [row("A", part_a="0")])

    with pytest.raises(InputError, match="no person is left"):
        read_synpuf(tmp_path)


def test_the_eighteen_samples(shared) -> None:
    data = read_synpuf(shared / "data" / "synpuf")

    assert data.counts["persons of 2008"] == 180_000
    assert data.counts["persons of 2009"] == 177_255
    assert data.counts["kept"] == len(data.paid_cents) == 115_938
    assert (
        sum(n for why, n in data.counts.items() if why.startswith("left out")) == 177_255 - 115_938
    )
    assert len(set(data.sample)) == 18
    np.testing.assert_array_equal(data.design[:, : len(CELLS)].sum(axis=1), 1)
