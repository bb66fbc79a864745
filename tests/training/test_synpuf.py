"""DE-SynPUF: real layouts and sizes; a second way to each number."""

import json

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score

from riskadj.cli import app
from riskadj.sources.synpuf import Synpuf, read_synpuf
from riskadj.training.synpuf import fit_synpuf


@pytest.fixture(scope="module")
def synpuf(shared) -> Synpuf:
    return read_synpuf(shared / "data" / "synpuf")


def test_ordinary_least_squares_by_another_library(synpuf: Synpuf) -> None:
    x, y = synpuf.design.astype(float), synpuf.paid_cents / 100
    other = LinearRegression(fit_intercept=False).fit(x, y)

    fit = fit_synpuf(synpuf)

    np.testing.assert_allclose(list(fit.usd.values()), other.coef_, atol=0.005)
    assert fit.r2 == pytest.approx(r2_score(y, other.predict(x)), abs=1e-9)


def test_a_left_out_sample_is_predicted_by_the_others(synpuf: Synpuf) -> None:
    x, y = synpuf.design.astype(float), synpuf.paid_cents / 100
    first = synpuf.sample == synpuf.sample.min()
    other = LinearRegression(fit_intercept=False).fit(x[~first], y[~first])

    fit = fit_synpuf(synpuf)

    assert fit.sample_r2[0] == pytest.approx(r2_score(y[first], other.predict(x[first])), abs=1e-9)
    assert fit.r2_left_out < fit.r2


def test_money_is_kept_in_sample(synpuf: Synpuf) -> None:
    fit = fit_synpuf(synpuf)

    predicted = synpuf.design @ np.array(list(fit.usd.values()))
    assert predicted.sum() == pytest.approx(synpuf.paid_cents.sum() / 100, rel=1e-9)


def test_one_command(shared, capsys, monkeypatch) -> None:
    monkeypatch.setattr("sys.argv", ["riskadj", "synpuf", str(shared / "data" / "synpuf"),
                                     "--json"])  # fmt: skip
    with pytest.raises(SystemExit) as done:
        app.main()

    said = json.loads(capsys.readouterr().out)
    assert done.value.code == 0
    assert 0 < said["r2_left_out"] < said["r2"] < 1
    assert len(said["deciles"]) == 10
