"""The resources of a FHIR file, one by one: NDJSON, gzipped or not, one resource, or a Bundle."""

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from riskadj.errors import InputError

Json = Mapping[str, Any]

_DAMAGED = "is not valid JSON (the file may be truncated)"
_CUT = "is where the gzip data break off (the file may be truncated)"


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of a file, or the reason why there is none.

    Attributes
    ----------
    place : int
        Line of the file, or entry of the Bundle that is the file, counted from 1.
    unit : {"line", "entry"}
        What ``place`` counts.
    content : mapping
        The resource as JSON; empty when it could not be read.
    because : str or None
        Why it could not be read; None when it could.
    """

    place: int
    unit: Literal["line", "entry"]
    content: Json
    because: str | None = None


def read_resources(path: Path) -> Iterator[Resource]:
    """Read the resources of a file one by one, whatever their type.

    Parameters
    ----------
    path : Path
        NDJSON, gzipped or not (told by content, not name), one JSON resource, or a Bundle.

    Yields
    ------
    Resource
        Each resource in file order; a damaged line comes as a resource without content.

    Raises
    ------
    InputError
        If the file is absent or empty.
    """
    if not path.is_file():
        raise InputError(f"{path.name}: no such file.")
    found = False
    for resource in _lines(path) if _is_ndjson(path) else _document(path):
        found = True
        yield resource
    if not found:
        raise InputError(f"{path.name} is empty.")


def _open(path: Path) -> gzip.GzipFile | BufferedReader:
    with path.open("rb") as start:
        is_gzip = start.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if is_gzip else path.open("rb")


def _is_ndjson(path: Path) -> bool:
    """Whether each line is a resource: by name, else because the first of several lines is one."""
    if {".ndjson", ".jsonl"} & set(path.suffixes):
        return True
    with _open(path) as lines:
        try:
            first = list(islice((line for line in lines if line.strip()), 2))
        except (EOFError, OSError, zlib.error):
            return True
    return len(first) > 1 and isinstance(_parse(first[0]), dict)


def _parse(text: bytes) -> object:
    """JSON value, or None when the text is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _lines(path: Path) -> Iterator[Resource]:
    place = 0
    with _open(path) as lines:
        try:
            for place, line in enumerate(lines, start=1):
                if line.strip():
                    yield from _resources(_parse(line), place, "line")
        except (EOFError, OSError, zlib.error):
            yield Resource(place + 1, "line", {}, _CUT)


def _document(path: Path) -> Iterator[Resource]:
    with _open(path) as file:
        try:
            text = file.read()
        except (EOFError, OSError, zlib.error):
            yield Resource(1, "line", {}, _CUT)
            return
    try:
        value = json.loads(text)
    except json.JSONDecodeError as fault:
        if text.strip():
            yield Resource(fault.lineno, "line", {}, _DAMAGED)
        return
    except (ValueError, RecursionError):
        value = None
    yield from _resources(value, 1, "entry")


def _resources(value: object, place: int, unit: Literal["line", "entry"]) -> Iterator[Resource]:
    """Resources of one JSON value: those of a Bundle, else the value itself."""
    if not isinstance(value, dict):
        reason = _DAMAGED if value is None else "is not a JSON object"
        yield Resource(place, unit, {}, reason)
    elif value.get("resourceType") != "Bundle":
        yield Resource(place, "line", value)
    elif not isinstance(value.get("entry", []), list):
        yield Resource(place, unit, {}, "is a Bundle whose entry is not a list")
    else:
        for number, entry in enumerate(value.get("entry", []), start=1):
            inner = entry.get("resource") if isinstance(entry, dict) else None
            at = number if unit == "entry" else place
            if isinstance(inner, dict):
                yield Resource(at, unit, inner)
            else:
                yield Resource(at, unit, {}, "is a Bundle entry without a resource")
