import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

from riskadj.errors import InputError, ModelFolderError, OptionError
from riskadj.training.tree_text import check_tree_text, public_text
from riskadj.training.trees import TreeRegressor, load_trees

ROWS = "leaves and bins count rows, not weights: weight 2 is not row twice"
NOT_MET = {
    "check_sample_weight_equivalence_on_dense_data": ROWS,
    "check_sample_weight_equivalence_on_sparse_data": ROWS,
}
SMALL = {"rounds": 20, "leaves": 6, "min_members_in_leaf": 15}


def cohort(n: int, seed: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    flags = (rng.random((n, 6)) < 0.3).astype(float)
    spend = rng.gamma(0.5, 2_000, n)
    X = np.column_stack((flags, spend))
    y = np.maximum(900 + flags @ [4e3, 1e3, 0, 2e3, 0, 5e2] + spend + rng.normal(0, 3e3, n), 0)
    return X, y, rng.integers(1, 13, n) / 12


def not_met(model: TreeRegressor) -> dict[str, str]:
    """The 30 rows of these checks are split only if leaves may be small."""
    return NOT_MET if model.min_members_in_leaf == 1 else {}


@parametrize_with_checks(
    [
        TreeRegressor(),
        TreeRegressor("tweedie"),
        TreeRegressor(min_members_in_leaf=1),
        TreeRegressor("tweedie", min_members_in_leaf=1),
    ],
    expected_failed_checks=not_met,
    xfail_strict=True,
)
def test_scikit_learn_contract(estimator, check) -> None:
    check(estimator)


@pytest.mark.parametrize("objective", ["l2", "tweedie"])
def test_same_rows_and_seed_give_the_same_bytes(objective: str) -> None:
    X, y, w = cohort(800)

    texts = [TreeRegressor(objective, **SMALL).fit(X, y, w).model_text_ for _ in range(2)]

    assert texts[0].encode() == texts[1].encode()


def test_the_text_notes_what_makes_it_repeatable() -> None:
    X, y, w = cohort(100)

    text = TreeRegressor(**SMALL).fit(X, y, w).model_text_

    for noted in (
        "deterministic: 1",
        "force_row_wise: 1",
        "feature_pre_filter: 0",
        "num_threads: 1",
        "bagging_freq: 0",
        "bagging_fraction: 1",
        "feature_fraction: 1",
    ):
        assert f"\n[{noted}]\n" in text


def test_sparse_rows_predict_as_dense_ones() -> None:
    X, y, w = cohort(800)
    dense = TreeRegressor(**SMALL).fit(X, y, w)
    thin = TreeRegressor(**SMALL).fit(sparse.csr_matrix(X), y, w)

    np.testing.assert_allclose(thin.predict(sparse.csr_array(X)), dense.predict(X), rtol=1e-12)


def test_weights_count() -> None:
    X, y, w = cohort(800)
    p = TreeRegressor(**SMALL).fit(X, y, w).predict(X)

    assert w @ p == pytest.approx(w @ y, rel=1e-6)  # least squares with a mean in every leaf
    assert p.sum() != pytest.approx(y.sum(), rel=1e-4)


@pytest.mark.parametrize("objective", ["l2", "tweedie"])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_contributions_add_up_to_the_prediction(objective: str, form) -> None:
    X, y, w = cohort(600)
    model = TreeRegressor(objective, **SMALL).fit(X, y, w)

    parts = model.contributions(form(X))

    assert parts.shape == (600, 8)
    p = model.predict(X)
    expected = np.log(p) if objective == "tweedie" else p
    np.testing.assert_allclose(parts.sum(axis=1), expected, rtol=1e-6)


def test_monotone_predictions_never_fall_when_a_flag_is_set() -> None:
    X, y, w = cohort(1_500)
    y = y - 3_000 * X[:, 1]  # the data want a fall
    held = TreeRegressor(monotone=[1] * 7, **SMALL).fit(X, y, w)
    free = TreeRegressor(**SMALL).fit(X, y, w)

    falls = {}
    for name, model in (("held", held), ("free", free)):
        steps = []
        for flag in range(6):
            off, on = X.copy(), X.copy()
            off[:, flag], on[:, flag] = 0, 1
            steps.append(model.predict(on) - model.predict(off))
        falls[name] = np.min(steps)

    assert falls["held"] >= 0
    assert falls["free"] < -1_000


@pytest.mark.parametrize("objective", ["l2", "tweedie"])
def test_text_comes_back_with_equal_predictions_and_parameters(
    objective: str, tmp_path: Path
) -> None:
    X, y, w = cohort(700)
    model = TreeRegressor(objective, monotone=(1, 0, 0, 0, 0, 0, 1), seed=9, **SMALL).fit(X, y, w)

    (tmp_path / "trees.txt").write_bytes(model.model_text_.encode())
    loaded = load_trees(tmp_path / "trees.txt")

    assert loaded.get_params() == model.get_params()
    assert loaded.n_features_in_ == 7
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    np.testing.assert_array_equal(loaded.contributions(X), model.contributions(X))


def test_a_loaded_model_refits_to_the_same_text(tmp_path: Path) -> None:
    X, y, w = cohort(700)
    model = TreeRegressor("tweedie", tweedie_power=1.7, **SMALL).fit(X, y, w)
    (tmp_path / "trees.txt").write_bytes(model.model_text_.encode())

    again = clone(load_trees(tmp_path / "trees.txt")).fit(X, y, w)

    assert again.model_text_ == model.model_text_


def test_no_booster_is_pickled() -> None:
    X, y, w = cohort(300)
    model = TreeRegressor(**SMALL).fit(X, y, w)
    expected = model.predict(X)

    pickled = pickle.dumps(model)

    assert b"lightgbm" not in pickled
    np.testing.assert_array_equal(pickle.loads(pickled).predict(X), expected)  # noqa: S301


def test_row_order_changes_the_model() -> None:
    X, y, w = cohort(800)
    turned = np.random.default_rng(0).permutation(800)

    model = TreeRegressor(**SMALL).fit(X, y, w)
    other = TreeRegressor(**SMALL).fit(X[turned], y[turned], w[turned])

    assert model.model_text_ != other.model_text_


def test_fewer_rows_than_a_leaf_needs_predict_the_mean() -> None:
    X, y, w = cohort(12)

    p = TreeRegressor(**SMALL).fit(X, y, w).predict(X)

    np.testing.assert_allclose(p, np.average(y, weights=w), rtol=1e-6)


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    X, y, w = cohort(12)
    model = TreeRegressor("tweedie", **SMALL).fit(X, y, w)  # no split can be found
    (tmp_path / "trees.txt").write_bytes(model.model_text_.encode())
    (tmp_path / "bad.txt").write_text(model.model_text_.replace("leaf_value=", "leaf_value=x"))

    load_trees(tmp_path / "trees.txt").predict(X)
    with pytest.raises(ModelFolderError):
        load_trees(tmp_path / "bad.txt")

    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"objective": "gamma"}, "No objective 'gamma': there are l2 and tweedie"),
        ({"tweedie_power": 2.0}, "tweedie_power is at least 1 and below 2, got 2.0"),
        ({"rounds": 0}, "at least 1"),
        ({"leaves": 1}, "leaves 2"),
        ({"learning_rate": 0.0}, "learning_rate is above 0"),
        ({"monotone": [1, 0]}, "for each of 7 columns"),
        ({"monotone": [2, 0, 0, 0, 0, 0, 0]}, "monotone is -1, 0 or 1"),
    ],
)
def test_parameters_that_cannot_be_used_are_named(wrong: dict, message: str) -> None:
    X, y, w = cohort(50)

    with pytest.raises(OptionError, match=re.escape(message)):
        TreeRegressor(**wrong).fit(X, y, w)


def test_tweedie_refuses_costs_below_zero() -> None:
    X, y, w = cohort(50)
    y[:3] = -1

    with pytest.raises(InputError, match="3 rows are below"):
        TreeRegressor("tweedie").fit(X, y, w)


def test_an_unfitted_model_predicts_nothing() -> None:
    with pytest.raises(NotFittedError):
        TreeRegressor().predict(np.zeros((1, 7)))


def trees_text() -> str:
    X, y, w = cohort(300)
    return TreeRegressor(rounds=3, leaves=4).fit(X, y, w).model_text_


def swapped(text: str, row: str, old: str, new: str) -> str:
    """Change a number of the first tree's row, keeping the length of the text."""
    found = re.search(rf"(?m)^{row}=.*$", text)
    assert found is not None
    changed = re.sub(old, new, found[0], count=1)
    assert changed != found[0]
    assert len(changed) == len(found[0])
    return text.replace(found[0], changed, 1)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda _: "", "not the text of LightGBM trees"),
        (lambda _: "condition,worth\n", "not the text of LightGBM trees"),
        (lambda t: t[: len(t) // 4], "not the text of LightGBM trees"),
        (lambda t: t.replace("tree\n", "tee\n", 1), "not the text of LightGBM trees"),
        (lambda t: t.replace("num_class=1", "num_class=3"), "one prediction a member"),
        (lambda t: t.replace("max_feature_idx=", "max="), "max_feature_idx is missing"),
        (lambda t: t.replace("shrinkage=1", "shrinkage=1.00", 1), "do not have the lengths"),
        (lambda t: t.replace("Tree=1\n", "Tree:1\n"), "do not have the lengths"),
        (lambda t: swapped(t, "left_child", r"\b\d", "0"), "tree 0 leads to"),
        (lambda t: swapped(t, "right_child", r"-\d", "-9"), "tree 0 leads to"),
        (lambda t: swapped(t, "split_feature", r"\d", "9"), "tree 0 leads to"),
        (lambda t: swapped(t, "split_feature", r"\d", "x"), "tree 0 is not whole"),
        (lambda t: swapped(t, "num_leaves", r"\d", "9"), "tree 0 leads to"),
        (lambda t: swapped(t, "num_leaves", r"\d", "0"), "tree 0 leads to"),
        (lambda t: swapped(t, "leaf_value", " ", "0"), "tree 0 is not whole"),
        (lambda t: swapped(t, "threshold", r"\d", "x"), "tree 0 is not whole"),
        (lambda t: swapped(t, "num_cat", "0", "1"), "tree 0 leads to"),
        (lambda t: t.replace("[objective: regression]", "[objective: lambdarank]"), "parameters"),
        (lambda t: t.replace("[seed: 0]", "[seed: x]"), "parameters"),
    ],
)
def test_a_file_that_is_not_whole_trees_is_refused(damage, message: str, tmp_path: Path) -> None:
    path = tmp_path / "trees.txt"
    path.write_bytes(damage(trees_text()).encode())

    with pytest.raises(ModelFolderError, match=f"trees.txt: .*{message}"):
        load_trees(path)


def test_bytes_and_missing_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "trees.txt").write_bytes(b"\x80\x04\x95")

    with pytest.raises(ModelFolderError, match="this is not text"):
        load_trees(tmp_path / "trees.txt")
    with pytest.raises(ModelFolderError, match="cannot be read: No such file"):
        load_trees(tmp_path / "none.txt")


def test_published_trees_predict_the_same_and_tell_no_sizes() -> None:
    X, y, w = cohort(700)
    X = np.column_stack([X, np.random.default_rng(0).integers(20, 103, 700)])
    model = TreeRegressor(**SMALL).fit(X, y, w)

    text = public_text(model.model_text_)
    check_tree_text(text)
    again = clone(model)
    again.model_text_, again.n_features_in_ = text, 8

    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    counts = [int(n) for line in re.findall(r"(?m)_count=(.*)$", text) for n in line.split()]
    assert counts
    assert all(n % 10 == 0 for n in counts)
    assert "[0:1000]" in text
    assert ":102]" not in text
