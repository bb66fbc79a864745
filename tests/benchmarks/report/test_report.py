"""The page of a ledger and the explanation of its numbers, from a small program made by hand."""

import csv
import datetime as dt
import json
import re
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from benchmarks.explain import explain
from benchmarks.program import Program, load_program
from benchmarks.replay import replay
from benchmarks.report import (
    Exhibit,
    Extras,
    Fan,
    Series,
    TargetPath,
    content,
    render_report,
    write_tables,
)
from benchmarks.report.asop import QUESTIONS
from benchmarks.run import run
from benchmarks.tables import Table
from benchmarks.terms import Request
from riskadj.errors import InputError

EVIL = "<script>alert(1)</script>"
PROGRAM = """
schema = 1
title = "Small <i>program</i>"
status = "draft"
summary = "A program of a few steps, made for a test & <b>nothing</b> else."
first_year = 2000
last_year = 2100
limits = ["It is <u>invented</u>."]
[inputs]
months = { kind = "exposure", axes = ["entity", "stratum"], unit = "person_years", about = "Years" }
spend = { kind = "amount", axes = ["entity", "stratum"], unit = "usd", about = "Spending" }
[options]
rate = { kind = "rate", about = "Growth" }
[results]
target = ["target_usd", "mean_usd", "pmpm_usd"]
[waterfall]
target = [
    { id = "base_usd", label = "Baseline <x>" },
    { id = "trended_usd", label = "Trend" },
    { id = "target_usd", label = "Cap" },
]
[[target]]
id = "pmpm_usd"
about = "Spending per month"
formula = "spend / months"
unit = "usd_pmpm"
cite = "Rule <1>"
[[target]]
id = "mean_usd"
about = "Spending per month of all strata"
formula = "mean(pmpm_usd, weight=months, over='stratum')"
unit = "usd_pmpm"
round = 2
cite = "Rule 2"
[[target]]
id = "base_usd"
about = "Baseline"
formula = "total(pmpm_usd * months, over='stratum')"
unit = "usd"
cite = "Rule 3"
[[target]]
id = "trended_usd"
about = "Trended"
formula = "base_usd * (1 + rate)"
unit = "usd"
cite = "Rule 4"
[[target]]
id = "target_usd"
about = "Target"
formula = "min(trended_usd, 1400) if base_usd > 0 else 0"
unit = "usd"
round = 2
cite = "Rule 5"
status = "unverified"
"""
ROWS = [
    (EVIL, "aged", "10", "1000"), (EVIL, "<b>", "5", "400"), ("B & co", "aged", "4", "500"),
    ("B & co", "<b>", "6", "300"), ("C", "aged", "4", "500"), ("C", "<b>", "0", "7"),
]  # fmt: skip
SUPPRESSED = {"dimension": "race_ethnicity", "group": EVIL, "members": "<11", "ratio": 9.8765,
              "actual_usd_pmpm": 987.65, "target_usd_pmpm": 100.0, "low": 9.1234, "high": 9.9876,
              "suppressed": True}  # fmt: skip
TOLD = SUPPRESSED | {"group": "B", "members": "1,234", "ratio": 1.0504, "suppressed": False}
FULL = Extras(
    equity=[TOLD, SUPPRESSED],
    path=TargetPath([2024, 2025], [Series("Cap <c>", [1.0, None], "cap"), Series("_a", [1, 2])]),
    fan=Fan([2024, 2025], {0.05: [1, 2], 0.5: [2, 3], 0.95: [3, 4]}, caption="Band <f>"),
    exhibits=[Exhibit("Factors <t>", ["Month", "Factor <u>"], [["1", 0.5], [EVIL, None]], "N <n>")],
    statements={"purpose": "To test <p>."},
)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    path = tmp_path_factory.mktemp("program") / "small.toml"
    path.write_text(PROGRAM)
    return load_program(path)


def computed(program: Program, rows: Sequence[tuple[str, ...]]) -> dict[str, Any]:
    columns = ("entity_id", "stratum", "months", "spend")
    table = Table("d.csv", columns, tuple(dict(zip(columns, r, strict=True)) for r in rows))
    ledger = run(program, [table], Request(2024, dt.date(2026, 1, 1), {"rate": "0.05"}))
    made: dict[str, Any] = json.loads(json.dumps(ledger.record()))
    return made


@pytest.fixture(scope="module")
def record(program: Program) -> dict[str, Any]:
    made = computed(program, ROWS)
    assert replay(made) == []
    return made


@pytest.fixture(scope="module")
def page(record: Mapping[str, Any]) -> str:
    return render_report(record, FULL)


class Walk(HTMLParser):
    """Follow tags; note which are open, what they load, and the text they show."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.said: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.said.append(data)


def text_of(page: str) -> str:
    return " ".join(" ".join(Walk(page).said).split())


def changed(record: Mapping[str, Any], **head: Any) -> dict[str, Any]:
    return {**record, **head}


def test_page_is_whole_and_runs_and_loads_nothing(page: str) -> None:
    walk = Walk(page)

    assert walk.open == []
    assert not walk.tags & {"script", "link", "img", "iframe", "object", "i", "x", "c", "u"}
    assert not [n for n, _ in walk.attributes if n.startswith("on") or n == "src"]
    links = [v for n, v in walk.attributes if n in ("href", "xlink:href")]
    assert links
    assert all(v.startswith("#") for v in links)
    ids = [v for n, v in walk.attributes if n == "id"]
    assert len(ids) == len(set(ids))
    assert {v[1:] for v in links} <= set(ids)


def test_texts_of_users_are_shown_as_they_are(page: str) -> None:
    said = text_of(page)

    for text in (
        EVIL,
        "B & co",
        "Small <i>program</i>",
        "Rule <1>",
        "Baseline <x>",
        "Cap <c>",
        "Factors <t>",
        "Factor <u>",
        "N <n>",
        "Band <f>",
        "To test <p>.",
        "<u>invented</u>",
    ):
        assert text in said, text


def test_same_ledger_gives_same_bytes(record: Mapping[str, Any], page: str) -> None:
    assert render_report(json.loads(json.dumps(record)), FULL) == page


def test_nothing_extra_is_shown_when_nothing_is_given(record: Mapping[str, Any]) -> None:
    page = render_report(record, Extras())

    for anchor in ("paths", "equity", "exhibits"):
        assert f'id="{anchor}"' not in page
    assert page.count('class="blank"') == len(QUESTIONS)


def test_draft_is_not_to_be_paid_by_and_final_says_so_no_more(record: Mapping[str, Any]) -> None:
    assert "Do not pay by it" in text_of(render_report(record, Extras()))
    final = changed(record, status="final")
    assert "Do not pay by it" not in text_of(render_report(final, Extras()))


def test_banner_names_every_value_that_is_not_firm_with_its_source(
    record: Mapping[str, Any],
) -> None:
    banner = r'<div class="banner weak">(.*?)</div>'
    nodes = [n | {"status": "final"} for n in record["nodes"]]
    assert not re.search(banner, render_report(changed(record, nodes=nodes), Extras()), re.DOTALL)

    weak = [n | {"status": "projected", "id": n["id"]} if n["kind"] == "step" else n
            for n in record["nodes"]]  # fmt: skip
    found = re.search(banner, render_report(changed(record, nodes=weak), Extras()), re.DOTALL)

    assert found
    said = text_of(f"<div>{found[1]}</div>")
    steps = [n for n in weak if n["kind"] == "step"]
    assert f"{len(steps)} projected" in said
    assert all(f"{n['id']} (projected): {n['citation']}" in said for n in steps)


def test_proposed_rules_that_count_are_said_to_be_no_law(record: Mapping[str, Any]) -> None:
    assert "NOT LAW" not in render_report(record, Extras())
    assert "NOT LAW" in render_report(changed(record, accepted=["proposed"]), Extras())


def test_waterfall_sums_only_entities_that_have_every_level(record: Mapping[str, Any]) -> None:
    falls = content.waterfall(content.sheet(record))

    assert falls
    # 1,400 + 800 of two entities; 5 % more; the first is cut to 1,400 (from 1,470)
    assert [v for _, _, v in falls.levels] == pytest.approx([2200, 2310, 2240])
    assert "2 of 3 entities; 1 left out" in falls.note


def test_waterfall_leaves_out_who_lacks_only_the_last_level(record: Mapping[str, Any]) -> None:
    nodes = [n | {"values": [1400.0, None, None]} if n["id"] == "target_usd" else n
             for n in record["nodes"]]  # fmt: skip
    falls = content.waterfall(content.sheet(changed(record, nodes=nodes)))

    assert falls
    assert [v for _, _, v in falls.levels] == pytest.approx([1400, 1470, 1400])


def test_waterfall_of_dollars_per_month_is_a_mean(record: Mapping[str, Any]) -> None:
    nodes = [n | {"unit": "usd_pmpm"} if n["unit"] == "usd" else n for n in record["nodes"]]
    falls = content.waterfall(content.sheet(changed(record, nodes=nodes)))

    assert falls
    assert [v for _, _, v in falls.levels] == pytest.approx([1100, 1155, 1120])
    assert "mean, not weighted" in falls.note


def test_key_numbers_sum_dollars_and_weight_by_the_one_count_of_members(page: str) -> None:
    said = text_of(page)

    assert "Target $2,240.00 sum; 2 of 3 entities, 1 not calculable" in said
    # 1,400 / 15 = 93.33 and 800 / 10 = 80.00, by 15 and 10 months; not their mean, 86.67
    assert "Spending per month of all strata $88.00 mean by members" in said


def test_not_calculable_stands_with_its_reason(page: str) -> None:
    said = text_of(page)

    assert "target_usd months[<b>]: 0 is not above zero 1 of 3" in said
    assert "C months[<b>]: 0 is not above zero not calculable not calculable" in said


def test_suppressed_group_tells_no_number(page: str) -> None:
    said = text_of(page)

    assert "1.050" in said
    assert f"{EVIL} <11 suppressed suppressed suppressed suppressed" in said
    for number in ("9.88", "987.65", "9.12", "9.99"):
        assert f"{EVIL} {number}" not in said
    only = render_report_of_equity([SUPPRESSED])
    assert not [n for n in ("9.876", "9.88", "987", "9.12", "9.99") if n in only]


def render_report_of_equity(rows: Sequence[Mapping[str, Any]]) -> str:
    from benchmarks.report.figures import draw_equity
    from benchmarks.report.page import equity_table

    return f"{equity_table(rows)}{draw_equity(rows)}"


def test_table_that_is_cut_says_where_the_rest_is(program: Program, tmp_path: Path) -> None:
    n = content.MOST_ROWS + 1
    record = computed(program, [(f"E{i}", "aged", "1", "1") for i in range(n)])

    said = text_of(render_report(record, Extras()))
    paths = write_tables(record, tmp_path)

    assert f"The first 500 of {n} rows are shown; all are in entities.csv" in said
    assert "E499 $1" in said
    assert "E500" not in said
    assert [p.name for p in paths] == ["entities.csv", "strata.csv"]
    assert all(len(p.read_text().splitlines()) == n + 1 for p in paths)


def test_csv_holds_the_ledgers_numbers_and_reasons(
    record: Mapping[str, Any], tmp_path: Path
) -> None:
    entities, strata = (
        list(csv.DictReader(p.read_text().splitlines())) for p in write_tables(record, tmp_path)
    )

    assert [r["entity_id"] for r in entities] == [EVIL, "B & co", "C"]
    assert [r["target_usd"] for r in entities] == ["1400.0", "840.0", ""]
    assert entities[2]["reason"] == strata[5]["reason"] == "months[<b>]: 0 is not above zero"
    assert [r["pmpm_usd"] for r in strata] == ["100.0", "80.0", "125.0", "50.0", "125.0", ""]


def test_statement_to_no_question_is_refused(record: Mapping[str, Any]) -> None:
    with pytest.raises(InputError, match=r"called purposes.*purpose, intended_users"):
        render_report(record, Extras(statements={"purposes": "x"}))


def test_explained_number_comes_out_of_its_own_text(record: Mapping[str, Any]) -> None:
    lines = explain(record, f"target_usd[{EVIL}]")

    assert [line.node for line in lines] == [
        "target_usd", "base_usd", "pmpm_usd", "spend", "months", "trended_usd", "rate",
    ]  # fmt: skip
    assert lines[0].cells[0].numbers == "min(1470, 1400)"
    assert lines[0].cells[0].choices == ("base_usd > 0: yes",)
    assert lines[1].cells[0].numbers == "100 * 10 + 80 * 5"
    for line in lines:
        for cell in (c for c in line.cells if c.numbers):
            again = eval(cell.numbers, {"min": min})
            assert again == pytest.approx(float(cell.value.replace(",", ""))), cell


def test_weighted_mean_is_written_out(record: Mapping[str, Any]) -> None:
    (first,) = explain(record, "mean_usd", depth=0)

    assert first.cells[0].numbers == "(100 * 10 + 80 * 5) / (10 + 5)"
    assert first.cells[0].value == "93.33"
    assert first.rounding == 2


def test_depth_stops_the_explanation(record: Mapping[str, Any]) -> None:
    assert [line.node for line in explain(record, "target_usd", 1)] == [
        "target_usd", "base_usd", "trended_usd",
    ]  # fmt: skip


def test_long_sum_shows_six_cells_and_says_how_many_more(program: Program) -> None:
    record = computed(program, [("A", f"s{i}", "1", str(i)) for i in range(20)])
    lines = {line.node: line for line in explain(record, "base_usd[A]")}

    assert lines["base_usd"].cells[0].numbers.endswith("+ 5 * 1 + ... 14 more")
    for name in ("pmpm_usd", "months"):
        assert (len(lines[name].cells), lines[name].more) == (6, 14)
    assert "and 14 more cells of months" in str(lines["months"])


def test_missing_number_is_explained_by_its_reason(record: Mapping[str, Any]) -> None:
    lines = explain(record, "target_usd[C]")

    assert str(lines[0]).startswith("target_usd[C] = not calculable: months[<b>]: 0 is not")
    assert lines[0].cells[0].numbers == "min(?, 1400) if ? > 0 else 0"
    held = {c.name: c.value for line in lines for c in line.cells}
    assert held["spend[C/aged]"] == "500.00"
    assert held["months[C/<b>]"] == "not calculable"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("target_us", "Close to it: target_usd"),
        ("target_usd[D]", r"target_usd\[B & co\]"),
        ("pmpm_usd[C]", r"pmpm_usd\[C/aged\], pmpm_usd\[C/<b>\]"),
    ],
)
def test_unknown_number_is_refused_with_what_is_close(
    record: Mapping[str, Any], name: str, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        explain(record, name)


def test_page_explains_the_last_level_of_the_first_entity(page: str) -> None:
    assert f'tcoc explain "target_usd[{EVIL}]" ledger.json' in text_of(page)
