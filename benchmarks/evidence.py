"""How much of a program rests on something that was read."""

from dataclasses import dataclass

from benchmarks.policy import load_parameter
from benchmarks.program import Program

FIRM = ("final", "administrative")


@dataclass(frozen=True, slots=True)
class Evidence:
    """Steps and dated values of a program.

    Attributes
    ----------
    total, firm
        How many there are, and how many are final or administrative.
    weak
        The others, in words.
    """

    total: int
    firm: int
    weak: tuple[str, ...]


def evidence(program: Program) -> Evidence:
    """Count a program's steps, and every value of every parameter that they read."""
    held = [(s.status, f"step {s.id}: {s.status}. {s.cite}")
            for s in (*program.sheet.target, *program.sheet.settle)]  # fmt: skip
    for name in program.files():
        held += [(v.status, f"{name} from {v.governs_from}: {v.status}. {v.source}")
                 for v in load_parameter(name).values]  # fmt: skip
    weak = tuple(said for status, said in held if status not in FIRM)
    return Evidence(len(held), len(held) - len(weak), weak)
