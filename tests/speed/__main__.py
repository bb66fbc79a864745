"""``make speed``: ratios within one run, minimum of repeats, to tests/speed/results.csv.

Nothing here fails: it measures. ``python -m tests.speed --quick`` leaves out ten million members;
``--benchmarks`` measures the second package alone, ``--months`` the passes and months alone.
"""

import argparse
import csv
import datetime as dt
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from tests.speed.population import make, make_costs

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
DATA = REPOSITORY / ".cache" / "speed"
REPEATS = 5
Row = tuple[str, float, str, str]


def timed(task: str, *arguments: str) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.speed.task", task, *arguments]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def interleaved(tasks: dict[str, list[str]], repeats: int) -> dict[str, dict[str, float]]:
    """Run tasks in turn and keep each figure's minimum."""
    best: dict[str, dict[str, float]] = {}
    for _ in range(repeats):
        for name, arguments in tasks.items():
            found = timed(*arguments)
            old = best.get(name, found)
            best[name] = {k: min(v, old[k]) for k, v in found.items()}
            sys.stderr.write(f"  {name}: {found['wall']:.2f} s\n")
    return best


def engine_rows(n: int, repeats: int) -> tuple[list[Row], dict[str, dict[str, float]]]:
    files = {ids: [str(p) for p in make(DATA, n, ids)] for ids in ("int", "str")}
    best = interleaved({
        "count": ["count", *files["int"]], "score": ["score", *files["int"]],
        "strings": ["score", *files["str"]],
    }, repeats)  # fmt: skip
    score, millions = best["score"], f"{n // 1_000_000} M"
    return [
        (f"score / count(*) group by member, {millions}", score["wall"] / best["count"]["wall"],
         "ratio", "<= 3.5 with quality counts (2.5 without)"),
        (f"text ids / whole-number ids, {millions}", best["strings"]["wall"] / score["wall"],
         "ratio", "<= 2"),
        (f"members a second, {millions}", n / score["wall"], "1/s", ""),
        (f"members a CPU second, {millions}", n / score["cpu"], "1/s", ""),
        (f"peak memory, {millions}", score["gigabytes"], "GB", ""),
    ], best  # fmt: skip


def peer_rows(n: int) -> list[Row]:
    """Compare with peers that score one member at a time; ours and theirs in turn."""
    from riskadj.catalog import resolve_model
    from tests.parity.members import draw_members
    from tests.parity.peers import load_peer

    members = draw_members(resolve_model("cms-hcc-v28/2026"), 1000, "speed")
    files = [str(p) for p in make(DATA, n, "int")]
    targets = {"hccinfhir": ">= 60", "risk_adjustment_model": ">= 25"}
    best = dict.fromkeys(targets, math.inf)
    ours = math.inf
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(REPEATS):
            ours = min(ours, timed("score", *files)["cpu"] / n)
            for peer in targets:
                asked = load_peer(peer, "cms-hcc-v28/2026", Path(folder))
                start = time.process_time()
                asked.score(members, ["CNA"] * len(members))
                best[peer] = min(best[peer], (time.process_time() - start) / len(members))
    return [
        (f"members a CPU second against {peer}, 1 M", best[peer] / ours, "ratio", target)
        for peer, target in targets.items()
    ]


def one_member_rows() -> list[Row]:
    from riskadj import score_member
    from riskadj.catalog import models_root, resolve_model
    from riskadj.folder import read_model

    given = {"age": 70, "sex": "F", "original_reason_entitlement_code": 0,
             "diagnoses": ["E1121", "I281", "J449"], "model": "cms-hcc-v28/2026"}  # fmt: skip
    resolve_model("cms-hcc-v28/2026")
    score_member(**given)
    each = [_seconds(lambda: score_member(**given), 200) for _ in range(200)]
    folder = models_root() / "published" / "cms-hcc-v28" / "2026"
    load = [_seconds(lambda: read_model(folder, "x"), 1) for _ in range(20)]
    starts = {
        "import riskadj": [sys.executable, "-c", "import riskadj"],
        "riskadj --help": [sys.executable, "-m", "riskadj", "--help"],
    }
    limits = {"import riskadj": "<= 0.2", "riskadj --help": "<= 0.4"}
    return [
        ("score_member, median", median(each) * 1e6, "us", "<= 15"),
        ("load a model, minimum", min(load) * 1e3, "ms", "<= 30"),
        *((name, min(_seconds(lambda c=c: subprocess.run(c, check=True, capture_output=True), 1)
                     for _ in range(7)), "s", limits[name]) for name, c in starts.items()),
    ]  # fmt: skip


def _seconds(call: Callable[[], object], times: int) -> float:
    start = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - start) / times


def large_rows(best: dict[str, dict[str, float]]) -> list[Row]:
    rows, ten = engine_rows(10_000_000, 3)
    exponent = math.log10(ten["score"]["wall"] / best["score"]["wall"])
    limited = timed("score", *(str(p) for p in make(DATA, 10_000_000, "int")), "1GB")
    return [
        *rows,
        ("time exponent, 1 M to 10 M", exponent, "", "<= 1.05"),
        ("peak memory with --memory-limit 1GB, 10 M", limited["gigabytes"], "GB", "< 1.6"),
        ("seconds with --memory-limit 1GB, 10 M", limited["wall"], "s", ""),
    ]


def training_rows(n: int) -> list[Row]:
    """Compare fitting with scoring the same tables, and its parts with peers; in turn."""
    from tests.speed.training import measure_parts

    members, dated, costs = (str(p) for p in make_costs(DATA, n))
    best = interleaved({
        "score": ["score", members, dated], "fit": ["fit", members, dated, costs],
    }, REPEATS)  # fmt: skip
    millions = f"{n // 1_000_000} M"
    ratio = best["fit"]["wall"] / best["score"]["wall"]
    return [
        (f"Parquet to fitted factors / scoring the same, {millions}", ratio, "ratio", "<= 3"),
        (f"peak memory of fitting, {millions}", best["fit"]["gigabytes"], "GB", "< 2"),
        *measure_parts(members, dated, costs),
        ("synthesize 1 M members, three years", timed("synthesize", "1000000")["wall"], "s",
         "<= 60"),
    ]  # fmt: skip


def month_rows(n: int, repeats: int) -> list[Row]:
    """All models of a year at once against one at a time; monthly statuses against one status."""
    from tests.speed.months import MODELS, make_months, measure_months, measure_passes, with_esrd

    members, diagnoses = make(DATA, n, "int")
    months, esrd = make_months(members.parent, members), with_esrd(members.parent, members)
    together, apart = measure_passes(str(esrd), str(diagnoses), repeats)
    with tempfile.TemporaryDirectory() as folder:
        one, years, every = measure_months(
            str(members), str(months), str(diagnoses), Path(folder), repeats
        )
    millions = f"{n // 1_000_000} M"
    return [
        (f"row stage of {len(MODELS)} models in one pass / sum of single passes, {millions}",
         together / apart, "ratio", "<= 0.5"),
        (f"12 monthly statuses to year rows / one status, {millions}", years / one, "ratio",
         "<= 2"),
        (f"the same with {n * 12 // 1_000_000} M month rows written", every / one, "ratio", ""),
    ]  # fmt: skip


def large_training_rows() -> list[Row]:
    limited = timed("fit", *(str(p) for p in make_costs(DATA, 10_000_000)), "1GB")
    return [
        ("peak memory of fitting with --memory-limit 1GB, 10 M", limited["gigabytes"], "GB", "< 2"),
        ("seconds of fitting with --memory-limit 1GB, 10 M", limited["wall"], "s", ""),
    ]


def readme_table(rows: list[tuple[str, str, str, str]], about: str) -> str:
    """Return the README's table of a run."""
    lines = [f"| {name} | {value} {unit} | {target} |" for name, value, unit, target in rows]
    return "\n".join(
        [f"Measured on {about}.", "", "| what | measured | aim |", "|---|---|---|", *lines]
    )


def last_run() -> tuple[list[tuple[str, str, str, str]], str]:
    """Return each measure's last row of results.csv, and when and where they were taken."""
    with (HERE / "results.csv").open(encoding="utf-8") as file:
        last = {r["measure"]: r for r in csv.DictReader(file)}
    rows = [(r["measure"], r["value"], r["unit"], r["target"]) for r in last.values()]
    days = sorted({r["date"] for r in last.values()})
    machines = dict.fromkeys(r["machine"] for r in last.values())
    return rows, f"{' to '.join(dict.fromkeys((days[0], days[-1])))}, {'; '.join(machines)}"


def write_readme() -> None:
    """Put the last run into the README, between its marks."""
    path = REPOSITORY / "README.md"
    text = path.read_text(encoding="utf-8")
    start, end = text.index("<!-- speed -->") + 14, text.index("<!-- /speed -->")
    table = readme_table(*last_run())
    path.write_text(f"{text[:start]}\n{table}\n{text[end:]}", encoding="utf-8")


def commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True,
                          check=True).stdout.strip()  # fmt: skip


def asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.speed", description=__doc__)
    some = parser.add_mutually_exclusive_group()
    some.add_argument("--quick", action="store_true", help="without ten million members")
    some.add_argument("--benchmarks", action="store_true", help="the second package alone")
    some.add_argument("--months", action="store_true", help="the passes and months alone")
    return parser.parse_args()


def main() -> None:
    from tests.speed.benchmarks import measure_benchmarks

    ask = asked()
    rows = [] if ask.months else measure_benchmarks()
    if not ask.benchmarks:
        rows += month_rows(1_000_000, REPEATS)
    if not (ask.benchmarks or ask.months):
        engine, best = engine_rows(1_000_000, REPEATS)
        rows += [*engine, *peer_rows(1_000_000), *one_member_rows(), *training_rows(1_000_000)]
        rows += [] if ask.quick else [*large_rows(best), *large_training_rows()]
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    head = (dt.date.today().isoformat(), commit(), machine)
    with (HERE / "results.csv").open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if file.tell() == 0:
            writer.writerow(["date", "commit", "machine", "measure", "value", "unit", "target"])
        for name, value, unit, target in rows:
            writer.writerow([*head, name, f"{value:.4g}", unit, target])
            sys.stdout.write(f"{name:<60}{value:>12.4g} {unit:<6} {target}\n")
    write_readme()


if __name__ == "__main__":
    main()
