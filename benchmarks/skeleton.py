"""Files to fill in for a program: its columns and its terms, with nothing decided."""

import csv
from collections.abc import Iterator
from pathlib import Path

from benchmarks.program import Program
from benchmarks.tables import KEYS
from benchmarks.terms import choices


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
    if program.sheet.scenario:
        path = out / "scenarios.toml"
        if not path.exists():
            path.write_text(SCENARIOS, encoding="utf-8")
        made.append(path)
    return made


SCENARIOS = """# Scenarios for tcoc project: every trend of the grid with every growth of the index.
years = 10              # how far to go
seed = 1                # of the yearly noise
risk_growth = 0.0       # growth of the mean risk score a year, coding and ageing together

[trend]                 # yearly growth of cost at unchanged risk
low = 0.03
high = 0.07
steps = 50
yearly_sd = 0.01        # noise around the grid, each year

[index]                 # yearly growth of the index
low = 0.01
high = 0.05
steps = 50
yearly_sd = 0.015

# [trend_of_stratum]    # points a year added to a stratum's trend
# disabled = 0.01
# [unmet_need]          # share of what a stratum's members need that the baseline did not spend
# disabled = 0.1
"""


def _terms(program: Program) -> Iterator[str]:
    yield f"# Terms of {program.name}. None has a default; delete those that are not needed."
    for name, spec in program.sheet.options.items():
        needed = "".join(f"; only if {o} is {' or '.join(v)}" for o, v in spec.when.items())
        part = f"; for `tcoc {spec.of}`" if spec.of else ""
        yield ""
        yield f"# {spec.about}"
        yield f"# {choices(spec)}{needed}{part}"
        yield f'{name} = ""'
