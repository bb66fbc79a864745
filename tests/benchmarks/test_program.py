"""A program's file is checked whole when it is read, and can reach nothing but its own rules."""

from pathlib import Path

import pytest

from benchmarks.program import PROGRAMS, list_programs, load_program
from riskadj.errors import InputError

TEXT = (PROGRAMS / "gdp-cap.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [('formula = "spending_usd / member_months"', 'formula = "spending_usd / months"',
      "nothing is called 'months'"),
     ('formula = "spending_usd / member_months"', 'formula = "target_usd / member_months"',
      "nothing is called 'target_usd'"),
     ('id = "observed_risk_ratio"', 'id = "baseline_pmpm_usd"', "stands twice"),
     ('id = "observed_risk_ratio"', 'id = "sum"', "not usable as names"),
     ("schema = 1", "schema = 2", "schema"),
     ("schema = 1", "schema = 1\\ncolour = 3", "colour: Extra inputs"),
     ('pmpm = "target_pmpm_usd"', 'pmpm = "nothing"', "name no step: nothing"),
     ("[results]", "[parameters]\\nmonths = \"../../secret\"\\n[results]", None),
     ("[results]", "[parameters]\\nmonths = \"{form.__class__}\"\\n[results]", None)],
)  # fmt: skip
def test_a_file_that_contradicts_itself_is_refused(tmp_path: Path, old, new, said) -> None:
    text = TEXT.replace(old, new.replace("\\n", "\n"), 1)
    if said is None:  # a parameter's file is a plain name
        text = text.replace('formula = "spending_usd / member_months"',
                            'formula = "spending_usd / months"', 1)  # fmt: skip
        said = "nothing is called 'months'"
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")

    with pytest.raises(InputError, match=said):
        load_program(tmp_path / "mine.toml")


@pytest.mark.parametrize("name", list_programs())
def test_every_step_cites_its_rule_and_every_result_is_a_step(name: str) -> None:
    program = load_program(name)
    steps = [*program.sheet.target, *program.sheet.settle]

    assert all(len(s.cite) >= 10 and s.unit for s in steps)
    assert {s.id for s in steps} == set(program.formulas)
