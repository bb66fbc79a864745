"""The committed folders are what the public wheels give, byte for byte."""

from pathlib import Path

from riskadj.importers.published import rebuild_models


def files(root: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(root)): p.read_bytes()
        for part in ("published", "accepted_claims/hcpcs", "index.toml")
        for p in sorted([root / part] if (root / part).is_file() else (root / part).rglob("*"))
        if p.is_file()
    }


def test_rebuild_is_byte_identical(wheels: Path, models: Path, tmp_path: Path) -> None:
    rebuild_models(wheels, tmp_path)

    rebuilt, committed = files(tmp_path), files(models)
    assert rebuilt.keys() == committed.keys()
    assert [n for n in committed if rebuilt[n] != committed[n]] == []
