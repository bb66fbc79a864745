import numpy as np
import pytest

from riskadj.errors import InputError, OptionError
from riskadj.measures.baselines import BANDS, cell_means, prior_cost_bands

LABELS = np.array(["F65", "M65", "F65", "M70", "M65"])
Y = np.array([1_000.0, 2_000.0, 4_000.0, 9_000.0, 6_000.0])
W = np.array([1.0, 0.5, 0.5, 1.0, 1.0])


@pytest.mark.parametrize(
    ("dollars", "band"),
    [
        (np.nan, "none"), (-5, "0"), (0, "0"), (0.01, "0-1k"), (999.99, "0-1k"), (1e3, "1k-2.5k"),
        (2_500, "2.5k-5k"), (5e3, "5k-10k"), (10e3, "10k-25k"), (25e3, "25k-50k"),
        (50e3, "50k-100k"), (99_999, "50k-100k"), (1e5, "100k+"), (3e6, "100k+"),
    ],
)  # fmt: skip
def test_a_band_starts_at_its_lower_bound(dollars: float, band: str) -> None:
    assert BANDS[prior_cost_bands(np.array([dollars]))[0]] == band


def test_cells_predict_their_weighted_mean() -> None:
    p = cell_means(LABELS, Y, W).predict(LABELS)

    np.testing.assert_allclose(p, [2_000, 14_000 / 3, 2_000, 9_000, 14_000 / 3], rtol=1e-14)
    assert W @ p == pytest.approx(W @ Y, rel=1e-14)


def test_unknown_and_rare_labels_get_the_overall_mean() -> None:
    cells = cell_means(LABELS, Y, W, min_members=2)

    p = cells.predict(np.array(["M70", "A", "Z", "F65", "F65 or more"]))

    np.testing.assert_allclose(p, [4_750, 4_750, 4_750, 2_000, 4_750], rtol=1e-14)
    np.testing.assert_allclose(cell_means(LABELS, Y, W, 9).predict(LABELS), 4_750)


def test_bands_make_cells() -> None:
    bands = prior_cost_bands(np.array([np.nan, 0, 700, 800, 3e6]))

    assert cell_means(bands, Y, W).predict(bands[[3, 0]]).tolist() == [11_000 / 1.5, 1_000]


def test_what_cannot_be_averaged_is_refused() -> None:
    with pytest.raises(InputError, match="4 labels for 5 members"):
        cell_means(LABELS[:4], Y, W)
    with pytest.raises(InputError, match="Cells are of <U3 labels, got int64"):
        cell_means(LABELS, Y, W).predict(np.arange(3))
    with pytest.raises(OptionError, match="at least 1 member"):
        cell_means(LABELS, Y, W, 0)
