"""The pages of a trained model, from a folder's content made by hand."""

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import asdict, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from riskadj.errors import ModelFolderError
from riskadj.importers.draft import toml_text
from riskadj.report.content import changes_since
from riskadj.report.figures import figures
from riskadj.report.numbers import DASH
from riskadj.report.page import (
    TrainedFolder,
    read_trained,
    render_card,
    render_report,
)
from riskadj.training.asop import asop_sheet
from riskadj.training.folder import FitRow, fit_text
from riskadj.training.signoff import Event, write_events
from riskadj.training.spec import Spec, parse_spec

VOID = {"meta", "br", "hr", "img", "link", "input", "col"}
TITLE = "Plan <script>alert(1)</script> & sons"
SPEC = """
schema = 1
name = "small"
title = "Small"
base = "cms-hcc-v28/2026"
payer = "ma"
payment_year = 2026
dated = 2026-01-31
seed = 7
report_columns = ["race_ethnicity"]
[data]
members = "m.parquet"
diagnoses = "d.parquet"
costs = "c.parquet"
cost_year = 2024
timing = "prospective"
test_share = 0.25
synthetic = true
[out_of_time]
members = "m5.parquet"
diagnoses = "d.parquet"
costs = "c5.parquet"
cost_year = 2025
trend = 1.0
[target]
cap_usd = 250000
[fit]
method = "wls"
order = true
[asop]
intended_use = "To <em>test</em> pages"
"""
FACTS = {
    "title": TITLE,
    "release": "small, 2026-01-31",
    "denominator_usd": "10000.00",
    "evidence": "Fitted for a test",
    "unverified": ["a rule <of> the base"],
}


def fit_row(variable: str, usd: float, base: float, status: str = "fitted") -> FitRow:
    term = "" if status == "dropped" else variable
    money = (f"{v:.2f}" for v in (usd, usd / 10, usd * 0.8, usd * 1.2))
    return FitRow("CNA", variable, f"Label of {variable}", term, status, "1200", *money,
                  f"{usd / 10_000:.3f}", f"{base:.3f}", "0.900", "0.950", "")  # fmt: skip


def interval(estimate: float, half: float) -> dict[str, float]:
    return {"estimate": estimate, "low": estimate - half, "high": estimate + half}


def group(name: str, cost: float, predicted: float, half: float = 0.02) -> dict[str, Any]:
    ratio, net = predicted / cost, predicted - cost
    return {
        "group": name, "n_members": 4321, "member_years": 4000.5, "mean_cost_usd": cost,
        "mean_predicted_usd": predicted, "predictive_ratio": ratio, "net_compensation_usd": net,
        "gap_usd": net * 1.5, "ratio_low": ratio - half, "ratio_high": ratio + half,
        "net_low": net - half * cost, "net_high": net + half * cost, "others": {"base": 0.9},
    }  # fmt: skip


def period(r2: float) -> dict[str, Any]:
    fit = {
        "predictive_ratio": 0.987, "r2": r2, "cpm": 0.2, "mae_usd": 9000.0, "top_5_capture": 0.2,
        "calibration_slope": 1.01, "group_r2_500": 0.1, "group_r2_1000": None,
        "group_r2_10000": float("nan"),
    }  # fmt: skip
    model = {"cap_usd": 250000.0, "negative_predictions": 0, "capped": fit, "uncapped": fit}
    sure = {"r2": interval(r2, 0.01), "cpm": interval(0.2, 0.01), "mae_usd": interval(9000, 100)}
    deciles = [group(f"{d:02d}", 2000.0 * d, 2010.0 * d) for d in range(1, 11)]
    races = [group("black", 12000, 11000), group("<b>", 9000, 9001), group("other", 9e3, 9.9e3)]
    groups = {"predicted decile": deciles, "race_ethnicity": races}
    return {
        "members": 46122, "models": {"linear": model, "base": model},
        "intervals": {"linear": sure, "base": sure}, "differences_to_linear": {"base": sure},
        "groups": {k: {"rows": v, "not_shown": k != "predicted decile"} for k, v in groups.items()},
        "payment_systems": {"risk adjustment alone": {"fit": 0.1, "power": 1.0, "charge_usd": 0}},
        "far_off": {"0.25": 0.7}, "truth": {"linear": {"r2_of_true_mean": 0.814}},
    }  # fmt: skip


METRICS: dict[str, Any] = {
    "fit": {
        "members": 137964, "denominator_usd": 10000.0, "statistics_sha256": "ab" * 32,
        "segments": [{"segment": "CNA", "members": 137964, "kkt_stationarity_usd": 0.0}],
        "lines": ["CNA: HCC9 <dropped>: 20 members"],
    },
    "methods": {"cms-stepwise": {"largest_usd": 12.0, "mean_usd": 1.0}},
    "periods": {"train": {"members": 9}, "test": period(0.146), "out_of_time": period(0.136)},
    "population_stability_index": 0.0005,
    "year_on_year": {"largest": 1.2, "mean": 0.1, "spearman": 0.8, "share_beyond_1_96": 0.05,
                     "moves": [{"segment": "CNA", "variable": "HCC1", "before": 1, "after": 2}]},
    "coding_stress": [{"pool": "prevalence", "model": "linear", "members": 5, "usd_a_code": 5.0}],
    "gates": [
        {"name": "KKT", "whom": "CNA", "value": "$0.0", "bound": "<= $0.01", "passed": True},
        {"name": "ratio", "whom": "all", "value": "0.9", "bound": "1", "passed": False},
    ],
    "release": {"released": False, "why": "too <few>"},
}  # fmt: skip


def trained(**changed: Any) -> TrainedFolder:
    spec: Spec = parse_spec(SPEC, "spec.toml")
    rows = (fit_row("F65_69", 4000, 0.33), fit_row("HCC1", 3797.78, 0.301),
            fit_row("HCC2", 0, 0.5, "dropped"))  # fmt: skip
    made = TrainedFolder(
        facts=FACTS, spec=spec, fit=rows, metrics=METRICS, segments={"CNA": "Community, aged"},
        asop=tuple(asop_sheet(spec.asop)),
    )  # fmt: skip
    return replace(made, **changed)


def nulled(record: Any) -> Any:
    """Put null in the place of every number."""
    if isinstance(record, dict):
        return {k: nulled(v) for k, v in record.items()}
    if isinstance(record, list):
        return [nulled(v) for v in record]
    return None if isinstance(record, (int, float)) else record


class Walk(HTMLParser):
    """Follow tags, and note what is not closed, what is loaded and what is said."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        self.ids += [value or "" for name, value in attrs if name == "id"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes nothing"


def variants() -> Iterator[TrainedFolder]:
    yield trained()
    yield trained(metrics=nulled(METRICS))
    yield trained(metrics={}, fit=())
    only_test = deepcopy(METRICS)
    del only_test["periods"]["out_of_time"], only_test["year_on_year"], only_test["coding_stress"]
    only_test["periods"]["test"]["truth"] = None
    yield trained(metrics=only_test)


@pytest.mark.parametrize("content", list(variants()))
def test_html_is_well_formed_and_every_id_is_one(content: TrainedFolder) -> None:
    walk = Walk(render_report(content))

    assert walk.open == []
    assert len(walk.ids) == len(set(walk.ids))
    anchors = {v[1:] for n, v in walk.attributes if n in ("href", "xlink:href") and v}
    assert anchors <= set(walk.ids)


@pytest.mark.parametrize("content", list(variants()))
def test_nothing_is_loaded_and_nothing_runs(content: TrainedFolder) -> None:
    html = render_report(content)

    walk = Walk(html)

    assert "script" not in walk.tags
    assert {v[0] for n, v in walk.attributes if n in ("href", "xlink:href") and v} == {"#"}
    assert not [n for n, _ in walk.attributes if n in ("src", "srcset", "data") or n[:2] == "on"]
    assert "@import" not in html
    assert "url(http" not in html


def test_what_is_given_is_escaped() -> None:
    html = render_report(trained(events=(Event("draft", "<i>", "2026", "<u>", "h"),)))

    for given in ("<script", "<b>\n", "<b></", "<em>", "<of>", "<few>", "<dropped>", "<i>", "<u>"):
        assert given not in html
    assert "Plan &lt;script&gt;alert(1)&lt;/script&gt; &amp; sons" in html
    assert '<th scope="row" class="w l">&lt;b&gt;</th>' in html
    assert "To &lt;em&gt;test&lt;/em&gt; pages" in html


def test_blank_mandatory_statement_says_so_in_red() -> None:
    html, card = render_report(trained()), render_card(trained())

    blank = sum(s.mandatory and not s.answer for s in trained().asop)
    assert html.count('<span class="blank">BLANK</span>') == card.count("**BLANK**") == blank == 13


def test_missing_number_is_a_dash() -> None:
    html = render_report(trained(metrics=nulled(METRICS)))

    assert f'<div class="value">{DASH}</div>' in html
    assert "None" not in html
    assert "nan" not in html.lower().replace("finance", "").replace("governance", "")


@pytest.mark.parametrize("render", [render_report, render_card])
def test_same_content_gives_the_same_bytes(render: Any) -> None:
    assert render(trained()) == render(trained())


def test_summary_names_the_numbers_and_who_is_underpaid() -> None:
    for page in (render_report(trained()), render_card(trained())):
        for said in ("137,964", "0.146", "0.136 to 0.156", "0.987", "1 of 2", "14.6 %",
                     "paid 8.3 % too little, $1,000 a year each"):  # fmt: skip
            assert said in page


def test_group_tables_say_what_is_hidden() -> None:
    html = render_report(trained())

    assert html.count("1 group under 11 members, or telling of one, is not shown.") == 2
    assert "0 groups" not in html


def test_race_evaluates_only() -> None:
    assert "Race and ethnicity only evaluate the model; they never predict." in (
        render_report(trained())
    )


def test_factor_table_has_dollars_interval_and_difference() -> None:
    html = render_report(trained())

    cells = ("$3,797.78", "$3,038 to $4,557", "$380", "0.380", "0.301", "+0.079", "0.900")
    assert "".join(f'<td class="i">{c}</td>' for c in cells) in html


@pytest.mark.parametrize("index", range(5))
def test_figure_is_xml_that_says_what_it_is(index: int) -> None:
    figure = figures(trained())[index]

    root = ET.fromstring(figure.svg)

    space = "{http://www.w3.org/2000/svg}"
    assert root.get("role") == "img"
    assert root.get("aria-label") == root.findtext(f"{space}title") == figure.title
    assert root.findtext(f"{space}desc") == figure.caption
    assert all(e.get("id", figure.key).startswith(figure.key) for e in root.iter())


def test_figures_are_those_that_the_numbers_allow() -> None:
    every = ["calibration", "ratios", "coefficients", "equity", "models"]

    assert [f.key for f in figures(trained())] == every
    assert [f.key for f in figures(trained(metrics={}))] == ["coefficients"]
    assert figures(trained(metrics={}, fit=())) == []


def test_card_escapes_what_would_break_a_table() -> None:
    facts = FACTS | {"title": "a|b *c* <d>"}

    assert render_card(trained(facts=facts)).startswith("# a\\|b \\*c\\* &lt;d&gt;\n")


def write_folder(folder: Path, content: TrainedFolder, factors: dict[str, str]) -> Path:
    folder.mkdir()
    head = toml_text({"title": "T", "release": "r1", "denominator_usd": "10000.00",
                      "evidence": "e", "unverified": []})  # fmt: skip
    rows = "".join(f"{name},{value}\n" for name, value in factors.items())
    texts = {
        "model.toml": head, "spec.toml": SPEC, "metrics.json": json.dumps(METRICS),
        "fit.csv": fit_text(content.fit), "coefficients.csv": f"variable,CNA\n{rows}",
        "segments.csv": "segment,label,when,uses_diagnoses\nCNA,\"Community, aged\",age>=65,1\n",
        "flags.csv": "", "demographics.csv": "", "code_map.csv": "", "categories.csv": "",
        "rules.csv": "", "hierarchy.csv": "", "groups.csv": "", "terms.csv": "", "counts.csv": "",
    }  # fmt: skip
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_folder_is_read_with_what_changed(tmp_path: Path) -> None:
    now = write_folder(tmp_path / "now", trained(), {})
    before = write_folder(tmp_path / "before", trained(), {"HCC1": "0.300", "F65_69": "0.400",
                                                           "GONE": "1.000"})  # fmt: skip

    metrics = json.loads((now / "metrics.json").read_text("utf-8"))
    metrics["changes"] = changes_since(now, before)
    (now / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")

    found = read_trained(now)

    assert (found.status, found.events, found.segments) == ("draft", (), {"CNA": "Community, aged"})
    assert [asdict(m) for m in found.changes.rows] == [
        {"segment": "CNA", "variable": "HCC1", "label": "Label of HCC1", "before": 0.3,
         "after": 0.38},
    ]  # fmt: skip
    assert (found.changes.compared, found.changes.added, found.changes.gone) == (2, 1, 1)
    assert found.changes.mean == pytest.approx(0.04)
    html = render_report(found)
    assert "Against T (r1): 2 factors are in both; 1 are new and 1 are gone." in html
    assert Walk(html).open == []


def test_sign_off_of_other_content_does_not_hold(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "m", trained(), {})
    write_events(folder, [Event("approved", "A. Actuary", "2026-02-01", "fine", "0" * 64)])

    found = read_trained(folder)

    assert (found.status, found.events[0].who) == ("draft", "A. Actuary")
    assert "so that sign-off no longer holds" in render_report(found)


def test_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match=r"no fit\.csv"):
        read_trained(tmp_path)
