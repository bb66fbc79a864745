"""Names of models, periods and groups as a reader knows them."""

from riskadj.report.content import TrainedFolder
from riskadj.report.numbers import Record, at, natural, plain
from riskadj.training.spec import Spec

LATER = ("test", "out_of_time")
"""Periods on which nothing was fitted, in the order of reports."""
_MODELS = {
    "linear": "This model (linear)",
    "cms-stepwise": "Same terms, CMS's drop and refit",
    "shrinkage": "Same terms, shrunk to the base",
    "wls": "Same terms, constrained least squares",
    "base": "Base model, published factors",
    "lightgbm": "Boosted trees",
    "residual": "This model + trees on what it leaves",
    "oracle": "True expected cost",
    "demographic": "Demographic variables only",
    "prior cost": "Segment and last year's cost",
}
_GROUPINGS = {
    "race_ethnicity": "Race and ethnicity",
    "svi_decile": "Social vulnerability, decile (10 = most)",
    "condition": "Condition",
}
_METHODS = {
    "wls": "Weighted least squares under constraints, solved exactly in each segment",
    "shrinkage": "Constrained weighted least squares, shrunk to the base model by credibility",
    "cms-stepwise": "CMS's procedure: fit, drop or tie what breaks a constraint, fit again",
}
_SMALL_TERMS = {
    "merge": "merged with the nearest relative, or pooled in proportion to their published factors",
    "drop": "dropped",
    "published": "given the base model's factor in this population's dollars",
}
_POOLS = {
    "prevalence": "A condition drawn as common as it is",
    "chronic pairs": "A condition related to one the member has",
    "best paying": "The condition that pays most",
}


def model_name(key: str) -> str:
    """Return a model's name."""
    return _MODELS.get(key, plain(key))


def method_name(key: str) -> str:
    """Return what a fitting method does."""
    return _METHODS.get(key, plain(key))


def small_terms(policy: str) -> str:
    """Return what happens to a term of few members."""
    return _SMALL_TERMS.get(policy, policy)


def pool_name(key: str) -> str:
    """Return how a code is chosen in the coding stress."""
    return _POOLS.get(key, plain(key))


def period_name(spec: Spec, key: str) -> str:
    """Return whose costs a period holds."""
    if key == "train":
        return f"Members fitted on, {spec.data.cost_year}"
    if key == "test":
        return f"Held-out members, {spec.data.cost_year}"
    if key == "out_of_time" and spec.out_of_time:
        return f"A later year, {spec.out_of_time.cost_year}"
    return plain(key)


def grouping_title(key: str) -> str:
    """Return the heading of a group table."""
    return _GROUPINGS.get(key, plain(key))


def group_name(trained: TrainedFolder, grouping: str, group: str) -> str:
    """Return a group's name, with the label of a segment or a condition."""
    label = group_label(trained, grouping, group)
    return f"{group} {label}" if grouping == "condition" and label != group else label


def group_label(trained: TrainedFolder, grouping: str, group: str) -> str:
    """Return a group's label without its key."""
    if grouping == "segment":
        return f"{group} {trained.segments.get(group, '')}".strip()
    if grouping == "condition":
        return next((r.label for r in trained.fit if r.variable == group), group)
    if grouping in ("svi_decile", "predicted decile"):
        return group.lstrip("0") or group
    return plain(group) or "(blank)"


def group_said(trained: TrainedFolder, grouping: str, group: str) -> str:
    """Return a group as a sentence names it."""
    name = group_name(trained, grouping, group)
    if grouping == "svi_decile":
        return f"Social vulnerability, decile {name} of 10"
    if grouping == "number of conditions":
        return f"Members with {name} condition{'' if name == '1' else 's'}"
    return name if grouping == "named groups" else f"{grouping_title(grouping)}: {name}"


def first_period(trained: TrainedFolder) -> str | None:
    """Return the first period with group tables."""
    return next((p for p in LATER if at(trained.metrics, "periods", p, "groups")), None)


def group_rows(trained: TrainedFolder, period: str, grouping: str) -> list[Record]:
    """Return the rows of a group table in reading order."""
    rows = at(trained.metrics, "periods", period, "groups", grouping, "rows") or []
    return sorted(rows, key=lambda r: natural(str(r["group"])))
