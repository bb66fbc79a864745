"""Files to fill in for a program: its columns and its terms, with nothing decided."""

import csv
from collections.abc import Iterator
from pathlib import Path

from benchmarks.program import Program
from benchmarks.tables import KEYS


def write_skeleton(program: Program, out: Path) -> list[Path]:
    """Write a CSV file with a header for each kind of row, and the terms with their choices.

    A file that is there stays as it is.
    """
    out.mkdir(parents=True, exist_ok=True)
    kinds: dict[tuple[str, ...], list[str]] = {}
    for name in program.sheet.inputs:
        kinds.setdefault(program.axes[name], []).append(name)
    made = []
    for axes, names in kinds.items():
        path = out / f"by_{'_'.join(axes)}.csv"
        if not path.exists():
            with path.open("w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerow([*(KEYS[a][0] for a in axes), *names])
        made.append(path)
    if program.sheet.options:
        path = out / "terms.toml"
        if not path.exists():
            path.write_text("\n".join(_terms(program)) + "\n", encoding="utf-8")
        made.append(path)
    return made


def _terms(program: Program) -> Iterator[str]:
    yield f"# Terms of {program.name}. None has a default; delete those that are not needed."
    for name, spec in program.sheet.options.items():
        needed = "".join(f"; only if {o} is {' or '.join(v)}" for o, v in spec.when.items())
        part = f"; for `tcoc {spec.of}`" if spec.of else ""
        choices = " | ".join(spec.one_of) or spec.kind
        yield ""
        yield f"# {spec.about}"
        yield f"# {choices}{needed}{part}"
        yield f'{name} = ""'
