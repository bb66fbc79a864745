"""Statistics on disk: plain arrays, hashed, and never unpickled."""

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from riskadj.errors import ModelFolderError
from riskadj.training.statistics import SegmentStatistics, Statistics

Arrays = dict[str, NDArray[Any]]
NAMES = ("segments", "names", "group_names")
SUMS = ("gram", "cost", "term_months", "group_months", "group_total_months", "group_cost")
COUNTS = ("term_members", "group_members")
TOTALS = ("total_months", "total_cost", "total_members", "explained")


def arrays_hash(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return the sha256 of names, kinds, shapes and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> str:
    """Write arrays without compression, the same bytes on any machine; return their hash."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **{n: arrays[n] for n in sorted(arrays)})
    return arrays_hash(arrays)


def load_arrays(path: Path) -> Arrays:
    """Read arrays, refusing anything that would have to be unpickled.

    Raises
    ------
    ModelFolderError
        The file is missing, damaged, or holds more than plain arrays.
    """
    try:
        with np.load(path, allow_pickle=False) as found:
            return {name: found[name] for name in found.files}
    except (OSError, ValueError, zipfile.BadZipFile, KeyError, EOFError):
        raise ModelFolderError(f"{path.name} holds no plain arrays, or is damaged") from None


def save_statistics(path: Path, statistics: Statistics) -> None:
    """Write block statistics; they stay with who holds the data."""
    names = json.dumps([getattr(statistics, n) for n in NAMES])
    save_arrays(path, statistics.arrays() | {"names": np.array(names)})


def load_statistics(path: Path) -> Statistics:
    """Read what ``save_statistics`` wrote."""
    arrays = load_arrays(path)
    segments, names, groups = json.loads(str(arrays.pop("names")))
    shape = (len(arrays["cost"]), sum(len(n) ** 2 for n in names))
    pairs = {
        kind: sparse.csr_array(
            tuple(arrays.pop(f"{kind}_{part}") for part in ("data", "indices", "indptr")),
            shape=shape,
        )
        for kind in ("months", "members")
    }
    return Statistics(
        segments=tuple(segments), names=tuple(map(tuple, names)), group_names=tuple(groups),
        **pairs, **arrays,
    )  # fmt: skip


def segment_arrays(found: Mapping[str, SegmentStatistics]) -> Arrays:
    """Return the reduced statistics of the fitted segments as whole-number arrays.

    Together they are all that a fit needs; counts of pairs of terms are not among them.
    """
    arrays: Arrays = {}
    for segment, s in found.items():
        made: Arrays = {n: _whole(getattr(s, n)) for n in (*SUMS, *COUNTS)}
        made |= {n: np.array(getattr(s, n)) for n in TOTALS}
        made["names"] = np.array(s.names)
        made["squares"] = np.array([str(s.squares.numerator), str(s.squares.denominator)])
        arrays |= {f"{segment}.{n}": a for n, a in made.items()}
    return arrays


def _whole(values: NDArray[Any]) -> NDArray[Any]:
    """Return whole numbers as the smallest of int32 and int64; others as they are."""
    if values.dtype.kind == "f" and not np.array_equal(values, np.rint(values)):
        return values
    small = np.abs(values).max(initial=0) < 2**31
    return values.astype(np.int32 if small else np.int64)


def segment_statistics(arrays: Mapping[str, NDArray[Any]]) -> dict[str, SegmentStatistics]:
    """Read what ``segment_arrays`` made.

    Raises
    ------
    ModelFolderError
        An array is missing, or has another shape.
    """
    segments: Sequence[str] = list(dict.fromkeys(n.split(".")[0] for n in arrays if "." in n))
    try:
        return {s: _segment({n: arrays[f"{s}.{n}"] for n in
                             (*SUMS, *COUNTS, *TOTALS, "names", "squares")})
                for s in segments}  # fmt: skip
    except (KeyError, ValueError, ZeroDivisionError):
        raise ModelFolderError("the statistics are not whole: an array is missing") from None


def _segment(a: Mapping[str, NDArray[Any]]) -> SegmentStatistics:
    p = len(a["names"])
    if a["gram"].shape != (p, p) or a["cost"].shape != (p,):
        raise ModelFolderError("the statistics are not whole: shapes differ")
    top, bottom = (int(str(v)) for v in a["squares"])
    numbers: dict[str, Any] = {n: a[n].astype(np.float64) for n in SUMS}
    numbers |= {n: a[n].astype(np.int64) for n in COUNTS} | {n: int(a[n]) for n in TOTALS}
    return SegmentStatistics(
        names=tuple(str(n) for n in a["names"]),
        members=np.zeros((p, p), np.int64),
        squares=Fraction(top, bottom),
        **numbers,
    )
