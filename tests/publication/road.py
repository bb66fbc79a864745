"""What tests of the whole road share: a small population's size, and the demo's spec changed."""

from pathlib import Path

from tests.conftest import REPOSITORY

SEED, MEMBERS = 11, 24_000
DEMO = REPOSITORY / "models" / "trained" / "demo" / "spec.toml"


def quiet(what: str, done: int) -> None:
    """Show no progress."""


def small_spec(folder: Path, *changes: tuple[str, str]) -> Path:
    """The demo's spec with few rounds, and whatever a test changes."""
    text = DEMO.read_text(encoding="utf-8")
    for old, new in (("rounds = 80", "rounds = 5"), ("rounds = 40", "rounds = 5"),
                     ("bootstrap = 200", "bootstrap = 40"), *changes):  # fmt: skip
        assert old in text, old
        text = text.replace(old, new)
    path = folder / "spec.toml"
    path.write_text(text, encoding="utf-8")
    return path
