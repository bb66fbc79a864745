"""Gates and promotions on handmade metrics: each can fail, and says for whom."""

import pytest

from riskadj.training.spec import Fit, Gates, Spec, Target
from riskadj.validation.gates import check_gates, promotions

SEGMENT = {"segment": "CNA", "kkt_stationarity_usd": 0.0, "kkt_violation_usd": 0.0,
           "least_coefficient_usd": 0.0}  # fmt: skip


def spec_with(**changes) -> Spec:
    period = {"members": "m", "diagnoses": "d", "costs": "c", "cost_year": 2024}
    return Spec(**{
        "schema": 1, "name": "x", "title": "x", "base": "b", "payer": "ma", "payment_year": 2026,
        "dated": "2026-01-01", "seed": 1, "target": Target(cap_usd=0),
        "data": {**period, "timing": "prospective", "test_share": 0.2, "synthetic": False},
        "fit": Fit(method="wls", order=True), "report_columns": ("race_ethnicity",), **changes,
    })  # fmt: skip


def group(name: str, ratio: float, trees: float = 1.0) -> dict:
    net = 1000.0 * (ratio - 1)
    return {"group": name, "predictive_ratio": ratio, "mean_cost_usd": 1000.0,
            "net_compensation_usd": net, "others": {"lightgbm": trees}}  # fmt: skip


def metrics(
    train=1.0, later=1.0, decile=1.0, race=1.0, trees=1.0, gain=0.01, base=-0.01, **segment
) -> dict:
    def period(ratio: float) -> dict:
        return {
            "models": {"linear": {"capped": {"predictive_ratio": ratio}}},
            "groups": {
                "predicted decile": {"rows": [group("01", decile), group("02", 1.0)]},
                "race_ethnicity": {"rows": [group("white", 1.0), group("black", race, trees)]},
            },
            "differences_to_linear": {
                "lightgbm": {"r2": {"low": gain}},
                "base": {"r2": {"low": base}},
            },
        }

    first = {"models": period(train)["models"]}
    periods = {"train": first, "test": period(1.0), "out_of_time": period(later)}
    return {
        "fit": {
            "segments": [SEGMENT | {"predictive_ratio": train} | segment, {"segment": "SNPNE"}]
        },
        "periods": periods,
    }


def failed(found: dict, **gates) -> list[tuple[str, str]]:
    spec = spec_with(gates=Gates(**gates))
    return [(g.name, g.whom) for g in check_gates(found, spec) if not g.passed]


def test_a_right_fit_passes() -> None:
    assert failed(metrics(), group_ratio=0.05) == []


@pytest.mark.parametrize(
    ("changes", "gate", "whom"),
    [
        ({"train": 1.002}, "predictive ratio", "segment CNA, train"),
        ({"later": 0.97}, "predictive ratio", "all, out of time"),
        ({"decile": 0.88}, "predictive ratio, decile", "decile, test 01"),
        ({"race": 0.9}, "predictive ratio, group", "race_ethnicity, test black"),
        ({"base": 0.001}, "base model not better", "test"),
        ({"kkt_stationarity_usd": 0.02}, "KKT stationarity", "segment CNA"),
        ({"kkt_violation_usd": 0.02}, "constraints hold", "segment CNA"),
        ({"least_coefficient_usd": -0.02}, "least coefficient", "segment CNA"),
    ],
)
def test_each_gate_can_fail_and_says_for_whom(changes, gate: str, whom: str) -> None:
    assert (gate, whom) in failed(metrics(**changes), group_ratio=0.05)


def test_groups_are_not_held_to_a_bound_unless_the_spec_has_one() -> None:
    assert failed(metrics(race=0.5)) == []


@pytest.mark.parametrize(
    ("changes", "promoted"),
    [({}, True), ({"gain": -0.001}, False), ({"race": 0.95, "trees": 0.9}, False),
     ({"race": 0.9, "trees": 0.95}, True)],
)  # fmt: skip
def test_a_challenger_must_gain_and_treat_no_group_worse(changes, promoted: bool) -> None:
    spec = spec_with(challengers=[{"family": "lightgbm", "rounds": 5, "min_members_in_leaf": 200}])

    assert [p.promoted for p in promotions(metrics(**changes), spec)] == [promoted]


def test_what_cannot_be_measured_does_not_pass() -> None:
    found = metrics()
    for period in ("test", "out_of_time"):
        found["periods"][period]["groups"]["predicted decile"]["rows"] = []

    gates = [g for g in check_gates(found, spec_with()) if "decile" in g.name]

    assert gates
    assert not any(g.passed for g in gates)
    assert all("not measurable" in g.value for g in gates)


@pytest.mark.parametrize("gates", [{"decile_ratio": float("inf")}, {"decile_ratio": 0.5},
                                   {"predictive_ratio_train": 0.02}, {"kkt_usd": 0}])  # fmt: skip
def test_looser_gates_need_an_override_not_a_spec(gates) -> None:
    with pytest.raises(ValueError, match=r"decile_ratio|predictive_ratio_train|kkt_usd"):
        Gates(**gates)
