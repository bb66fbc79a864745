"""Report modules over 250 lines of code and functions over 40: a report, not a gate."""

import ast
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "riskadj"


def code_lines(text: str) -> int:
    return sum(
        1 for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")
    )


def long_functions(path: Path, limit: int) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            doc = ast.get_docstring(node)
            size = (node.end_lineno or 0) - node.lineno + 1 - (len(doc.splitlines()) if doc else 0)
            if size > limit:
                found.append(
                    (size, f"{path.relative_to(PACKAGE.parent)}:{node.lineno} {node.name}")
                )
    return found


def main() -> None:
    files = sorted(PACKAGE.rglob("*.py"))
    modules = [(code_lines(f.read_text(encoding="utf-8")), str(f.relative_to(PACKAGE.parent)))
               for f in files]  # fmt: skip
    for n, name in sorted(modules, reverse=True):
        if n > 250:
            sys.stdout.write(f"{n:5d} lines  {name}\n")
    for n, name in sorted((x for f in files for x in long_functions(f, 40)), reverse=True):
        sys.stdout.write(f"{n:5d} lines  {name}\n")
    sys.stdout.write(f"{sum(n for n, _ in modules):5d} lines of code in {len(files)} modules\n")


if __name__ == "__main__":
    main()
