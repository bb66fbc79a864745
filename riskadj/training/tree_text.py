"""LightGBM's text form of trees, read with care: a folder may come from a stranger.

LightGBM follows the numbers of a text without checking them, so a damaged one can read memory that
is not its own or never end. Everything it follows is checked here first.
"""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskadj.errors import ModelFolderError

OBJECTIVES = {"regression": "l2", "tweedie": "tweedie"}
"""LightGBM's names of objectives, and ours."""


def check_tree_text(text: str) -> None:
    """Refuse a text that is not whole trees of one LightGBM regression.

    Raises
    ------
    ModelFolderError
        With what is wrong; the caller adds the name of the file.
    """
    head, _, rest = text.partition("\n\nTree=")
    facts = _facts(head)
    if not head.startswith("tree\nversion=v") or "\nend of trees\n" not in text:
        raise ModelFolderError("this is not the text of LightGBM trees, or its end is missing")
    if (facts.get("num_class"), facts.get("num_tree_per_iteration")) != ("1", "1"):
        raise ModelFolderError("only trees with one prediction a member can be read")
    n_features = number_of_features(text)
    sizes = [int(size) for size in re.findall(r"\d{1,12}", facts.get("tree_sizes", ""))]
    trees = f"Tree={rest}".partition("end of trees\n")[0]
    if sum(sizes) != len(trees.encode()):
        raise ModelFolderError("its trees do not have the lengths that its head states")
    blocks = re.split(r"(?m)^(?=Tree=)", trees)[1:]
    if [len(block.encode()) for block in blocks] != sizes:
        raise ModelFolderError("its trees do not have the lengths that its head states")
    for i, block in enumerate(blocks):
        _check_tree(i, _facts(block), n_features)


def public_text(text: str) -> str:
    """Return the trees with sizes rounded to tens and without the ranges of columns.

    Predictions do not change. Exact sizes of nested nodes would tell of single members by
    subtraction, and a column's range names the oldest member's age.
    """
    head, _, rest = text.partition("\n\nTree=")
    trees, _, tail = f"Tree={rest}".partition("end of trees\n")
    blocks = [_rounded(block) for block in re.split(r"(?m)^(?=Tree=)", trees)[1:]]
    sizes = " ".join(str(len(block.encode())) for block in blocks)
    head = re.sub(r"(?m)^tree_sizes=.*$", f"tree_sizes={sizes}", head)
    head = re.sub(r"\[-?[\d.]+:(?!1\])-?[\d.e+]+\]", "[0:1000]", head)
    return f"{head}\n\n{''.join(blocks)}end of trees\n{tail}"


def _rounded(block: str) -> str:
    def tens(line: re.Match[str]) -> str:
        sizes = (max(10, 10 * round(float(v) / 10)) for v in line[2].split())
        return f"{line[1]}={' '.join(map(str, sizes))}"

    return re.sub(r"(?m)^((?:leaf|internal)_(?:count|weight))=(.*)$", tens, block)


def number_of_features(text: str) -> int:
    """Return how many columns the trees expect.

    Raises
    ------
    ModelFolderError
        The text does not say.
    """
    found = re.search(r"(?m)^max_feature_idx=(\d{1,9})$", text)
    if found is None:
        raise ModelFolderError("max_feature_idx is missing: how many columns do the trees expect?")
    return int(found[1]) + 1


def parameters_of(text: str) -> dict[str, str]:
    """Return the parameters that LightGBM noted, as it wrote them (six digits)."""
    noted = text.partition("\nparameters:\n")[2].partition("\nend of parameters")[0]
    return dict(re.findall(r"(?m)^\[(\w+): (.*)\]$", noted))


def _facts(lines: str) -> dict[str, str]:
    return dict(re.findall(r"(?m)^(\w+)=(.*)$", lines))


def _check_tree(number: int, tree: dict[str, str], n_features: int) -> None:
    """Check that nodes lead onwards, to nodes and leaves that are there, by columns that are."""
    try:
        leaves = len(tree["leaf_value"].split())
        own = np.arange(leaves - 1)
        children = [_row(tree, side, own.size) for side in ("left_child", "right_child")]
        columns = _row(tree, "split_feature", own.size)
        kinds = _row(tree, "decision_type", own.size)
        _row(tree, "threshold", own.size, np.float64)
        _row(tree, "leaf_value", leaves, np.float64)
    except (KeyError, ValueError, OverflowError):
        raise ModelFolderError(f"tree {number} is not whole") from None
    head = [tree.get(key) for key in ("num_leaves", "num_cat", "is_linear")]
    plain = leaves > 0 and head == [str(leaves), "0", "0"] and not (kinds & 1).any()
    onwards = all(
        ((child > own) & (child < own.size) | (child < 0) & (~child < leaves)).all()
        for child in children
    )
    known = ((columns >= 0) & (columns < n_features)).all()
    if not (plain and onwards and known):
        raise ModelFolderError(f"tree {number} leads to a node, leaf or column that is not there")


def _row(tree: dict[str, str], key: str, n: int, kind: type[np.generic] = np.int64) -> NDArray[Any]:
    """Return a row of a tree.

    Raises
    ------
    KeyError, ValueError
        The row is missing although there are nodes, has another length, or holds no numbers.
    """
    found = np.array(tree[key].split() if n else [], dtype=kind)
    if found.size != n or not np.isfinite(found).all():
        raise ValueError(key)
    return found
