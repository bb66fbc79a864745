"""The seal of a model folder: sha256 of every table, and apart of every generated file."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from riskadj.errors import ModelFolderError

MANIFEST = "manifest.json"
GENERATED = ("CARD.md", "model.json", "report.html", "score.sql")
TABLES = ("model.toml", "segments.csv", "flags.csv", "demographics.csv", "code_map.csv",
          "categories.csv", "rules.csv", "hierarchy.csv", "groups.csv", "terms.csv", "counts.csv",
          "coefficients.csv", "divisors.csv")  # fmt: skip
TRAINED = ("spec.toml", "fit.csv", "statistics.npz", "public.npz", "metrics.json", "trees.txt",
           "residual.txt", "signoff.toml")  # fmt: skip
"""What a trained model's folder holds besides; nothing else is read from a model folder."""


def read_sealed(folder: Path) -> dict[str, bytes]:
    """Read every table of a model folder, refusing a byte that is not the sealed one.

    Returns
    -------
    dict[str, bytes]
        File name to content, for the tables (not the generated files).

    Raises
    ------
    ModelFolderError
        No manifest, a missing or unlisted file, or a file whose sha256 differs.
    """
    sealed = _sealed_hashes(folder)
    present = {p.name for p in folder.iterdir()} - {MANIFEST, *GENERATED}
    if faults := sorted(present.symmetric_difference(sealed)):
        raise ModelFolderError(
            f"{folder}: manifest and folder disagree about {', '.join(faults)}. "
            f"After a deliberate change run: riskadj models seal {folder}"
        )
    if odd := sorted((present | set(sealed)) - {*TABLES, *TRAINED}):
        raise ModelFolderError(f"{folder}: {', '.join(odd)} is no file of a model folder")
    content = {name: (folder / name).read_bytes() for name in sealed}
    changed = [name for name, data in content.items() if _sha256(data) != sealed[name]]
    if changed:
        raise ModelFolderError(
            f"{folder}: changed since it was sealed: {', '.join(changed)}. "
            f"After a deliberate change run: riskadj models seal {folder}"
        )
    return content


def changed_generated(folder: Path) -> list[str]:
    """Return the generated files that are not as they were sealed, or are missing."""
    sealed = json.loads((folder / MANIFEST).read_text(encoding="utf-8")).get("generated", {})
    present = {n for n in GENERATED if (folder / n).is_file()}
    return [n for n in sorted(present | set(sealed))
            if n not in present or _sha256((folder / n).read_bytes()) != sealed.get(n)]  # fmt: skip


def seal(folder: Path) -> Path:
    """Write ``manifest.json`` for the folder as it stands; return its path."""
    files = sorted(p for p in folder.iterdir() if p.is_file() and p.name != MANIFEST)
    hashes = {p.name: _sha256(p.read_bytes()) for p in files}
    manifest = {
        "schema": 1,
        "tables": {n: h for n, h in hashes.items() if n not in GENERATED},
        "generated": {n: h for n, h in hashes.items() if n in GENERATED},
    }
    target = folder / MANIFEST
    target.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8", newline="\n")
    return target


@contextmanager
def resealed(folder: Path) -> Iterator[Path]:
    """Seal a folder; if what follows fails, the old manifest stands again.

    Raises
    ------
    ModelFolderError
        There is no such folder.
    """
    if not folder.is_dir():
        raise ModelFolderError(f"{folder} is not a folder")
    target = folder / MANIFEST
    before = target.read_bytes() if target.exists() else None
    try:
        yield seal(folder)
    except BaseException:
        if before is None:
            target.unlink()
        else:
            target.write_bytes(before)
        raise


def _sealed_hashes(folder: Path) -> dict[str, str]:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if manifest["schema"] != 1:
            raise ModelFolderError(f"{folder}: manifest schema {manifest['schema']} is not known")
        return dict(manifest["tables"])
    except FileNotFoundError:
        raise ModelFolderError(
            f"{folder}: no {MANIFEST}. If all is as you want it: riskadj models seal {folder}"
        ) from None
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFolderError(f"{folder}: {MANIFEST} cannot be read ({error})") from None


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
