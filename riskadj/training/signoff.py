"""Who stands behind a trained model: draft, validated, approved, retired, in ``signoff.toml``."""

import datetime as dt
import hashlib
import json
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from riskadj.errors import OptionError
from riskadj.importers.draft import toml_text
from riskadj.manifest import TABLES
from riskadj.training.folder import FIT

FILE = "signoff.toml"
TREES = ("trees.txt", "residual.txt")
ADDED = ("release", "changes")
"""Parts of ``metrics.json`` that publication adds."""
STATUSES = ("draft", "validated", "approved", "retired")
ALLOWED = {"draft": ("validated",), "validated": ("validated", "approved", "retired"),
           "approved": ("retired",), "retired": ()}  # fmt: skip
"""What may follow a status."""


@dataclass(frozen=True, slots=True)
class Event:
    """One step of a model's life.

    Attributes
    ----------
    status
        What the model became.
    who
        A name; ``gates`` when all gates passed and nobody decided anything.
    when
        A date.
    reason
        Why; what was overridden, if anything.
    sha256
        Of the tables, spec and fit that it is about: ``content_hash``.
    """

    status: str
    who: str
    when: str
    reason: str
    sha256: str


def content_hash(folder: Path) -> str:
    """Return the hash of what scores, what it was made by, and what was measured.

    Sign-offs and what publication adds (the release, the comparison with a previous version) are
    not in it.
    """
    digest = hashlib.sha256()
    for name in sorted((*TABLES, "spec.toml", FIT, *TREES)):
        if (folder / name).is_file():
            own = hashlib.sha256((folder / name).read_bytes()).hexdigest()
            digest.update(f"{name} {own}\n".encode())
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    kept = {k: v for k, v in metrics.items() if k not in ADDED}
    digest.update(json.dumps(kept, sort_keys=True).encode())
    return digest.hexdigest()


def read_events(folder: Path) -> list[Event]:
    """Return a model's events, oldest first; none for a draft."""
    path = folder / FILE
    if not path.is_file():
        return []
    found = tomllib.loads(path.read_text(encoding="utf-8"))
    return [Event(**row) for row in found.get("event", [])]


def status_of(folder: Path) -> str:
    """Return a model's status: that of the last event, or draft when its content changed since."""
    events = read_events(folder)
    if not events or events[-1].sha256 != content_hash(folder):
        return "draft"
    return events[-1].status


def add_event(folder: Path, status: str, who: str, when: dt.date, reason: str) -> Event:
    """Record a step; the caller seals the folder.

    Raises
    ------
    OptionError
        The step cannot follow the present status, or has no name or reason.
    """
    if not who.strip() or not reason.strip():
        raise OptionError("a sign-off needs a name and a reason")
    now = status_of(folder)
    if status not in ALLOWED[now]:
        following = " or ".join(ALLOWED[now]) or "nothing"
        raise OptionError(f"the model is {now}: {following} may follow, not {status}")
    event = Event(status, who.strip(), when.isoformat(), reason.strip(), content_hash(folder))
    write_events(folder, [*read_events(folder), event])
    return event


def write_events(folder: Path, events: Sequence[Event]) -> None:
    """Write ``signoff.toml``."""
    text = toml_text({"schema": 1, "event": [asdict(e) for e in events]})
    (folder / FILE).write_text(text, encoding="utf-8", newline="\n")
