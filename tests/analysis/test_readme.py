"""The README's table of what moved the demonstration's mean is what the command says."""

import re
from pathlib import Path

from riskadj.analysis.compare_models import PaidBy, compare_models
from riskadj.catalog import resolve_model
from riskadj.cli.demo import MEMBERS, SEED
from riskadj.sources.synthetic import draw_population

README = Path(__file__).parents[2] / "README.md"


def test_the_table_of_the_parts_is_the_demonstrations() -> None:
    lines = README.read_text(encoding="utf-8").splitlines()
    head = next(i for i, line in enumerate(lines) if line.startswith("| V24 | mapping |"))
    names, values = (re.findall(r"[^|]+", lines[i].strip("|")) for i in (head, head + 2))
    people = draw_population(MEMBERS, SEED, "medicare", resolve_model("cms-hcc-v28/2026"))

    found = compare_models("cms-hcc-v24/2025", "cms-hcc-v28/2026", people.members,
                           people.diagnoses, PaidBy("ma"))  # fmt: skip

    parts = {name.replace("_", " "): part.points for name, part in found.parts.items()}
    assert [n.strip() for n in names] == ["V24", *parts, "V28"]
    assert [v.strip() for v in values] == [
        f"{float(found.mean(found.first_points)):.4f}",
        *(f"{float(found.mean(points)):+.4f}" for points in parts.values()),
        f"{float(found.mean(found.second_points)):.4f}",
    ]
