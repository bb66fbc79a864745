"""``riskadj explain``: one member's score, from diagnoses to payment."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from riskadj.cli.score import (
    MA,
    Accept,
    Diagnoses,
    Eob,
    Model,
    Parameters,
    Payer,
    PaymentYear,
)

if TYPE_CHECKING:
    from riskadj.scoring import payment
    from riskadj.scoring.plan import Plan, Share
    from riskadj.scoring.scorer import Scores


def explain(
    members: Annotated[Path | None, typer.Option(help="Members table.")] = None,
    diagnoses: Diagnoses = None,
    eob: Eob = None,
    member_id: Annotated[str | None, typer.Option(help="The member to explain.")] = None,
    age: Annotated[int | None, typer.Option(help="Age, for a member typed in.")] = None,
    sex: Annotated[str | None, typer.Option(help="F or M.")] = None,
    orec: Annotated[int | None, typer.Option(help="Original reason for entitlement, 0-3.")] = None,
    dual: Annotated[str | None, typer.Option(help="Dual status code, 00-10.")] = None,
    lti: Annotated[bool, typer.Option("--lti", help="Long-term institutional.")] = False,
    new_enrollee: Annotated[bool, typer.Option("--new-enrollee", help="New enrollee.")] = False,
    chronic_snp: Annotated[bool, typer.Option("--chronic-snp", help="In a C-SNP.")] = False,
    esrd_status: Annotated[
        str, typer.Option(help="none, dialysis, transplant (months 1-3) or graft.")
    ] = "none",
    months_since_transplant: Annotated[int | None, typer.Option(help="1 and up.")] = None,
    low_income: Annotated[bool, typer.Option("--low-income", help="Part D subsidy.")] = False,
    dx: Annotated[str | None, typer.Option(help="Codes, separated by commas.")] = None,
    payment_year: PaymentYear = None,
    payer: Payer = MA,
    model: Model = None,
    accept_unverified: Accept = False,
    parameters: Parameters = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Explain one member's score: segment, conditions, what dropped what, terms, payment.

    Examples
    --------
    - `riskadj explain --members m.parquet --diagnoses d.parquet --member-id 7 --payment-year 2026`
    - `riskadj explain --age 70 --sex F --orec 0 --dx E11.21,I50.9 --payment-year 2024`
    - `riskadj explain --age 66 --sex M --orec 2 --esrd-status dialysis --dx I50.9
      --payment-year 2026`
    """
    from riskadj.cli.score import chosen_plan, diagnosis_source, terms_of
    from riskadj.scoring.plan import Options
    from riskadj.scoring.scorer import run

    terms = terms_of(accept_unverified, parameters)
    plan, options = chosen_plan((model, payer, payment_year), terms), Options()
    if member_id is not None and members is not None:
        source, _, _ = diagnosis_source(diagnoses, eob, plan, options)
        member, codes = _of_tables(member_id, members, source)
    elif age is not None and sex is not None and orec is not None:
        typed = {
            "age": age, "sex": sex, "dual_status_code": dual, "new_enrollee": new_enrollee,
            "original_reason_entitlement_code": orec, "long_term_institutional": lti,
            "chronic_snp": chronic_snp, "esrd_status": esrd_status, "low_income": low_income,
            "months_since_transplant": months_since_transplant,
        }  # fmt: skip
        member, codes = _typed(typed, dx or "")
    else:
        raise typer.BadParameter(
            "give --members, --diagnoses (or --eob) and --member-id; or --age, --sex and --orec"
        )
    print_explanation(run(plan, member, codes, options), plan, json)


def _of_tables(member_id: str, members: Path, diagnoses: Any) -> tuple[Any, Any]:
    """Return one member's rows of both tables."""
    from riskadj.engine.inputs import rows_of_member
    from riskadj.errors import InputError

    member = rows_of_member("members", members, member_id)
    if member.num_rows == 0:
        raise InputError("members: no row has this member_id")
    return member, rows_of_member("diagnoses", diagnoses, member_id)


def _typed(member: dict[str, Any], dx: str) -> tuple[Any, Any]:
    """Return the tables of a member typed in, codes separated by commas."""
    import pyarrow as pa

    codes = [c for c in dx.split(",") if c.strip()]
    name = "member"
    return pa.table({"member_id": [name], **{k: [v] for k, v in member.items()}}), pa.table({
        "member_id": pa.array([name] * len(codes), pa.string()),
        "diagnosis_code": pa.array(codes, pa.string()),
    })  # fmt: skip


def print_explanation(scores: "Scores", plan: "Plan", as_json: bool) -> None:
    """Print the scores of one member with everything that they come from."""
    from riskadj.cli.console import heading, note, out, print_json

    table, factors, statuses = (
        t.to_pylist() for t in (scores.table, scores.factors(), scores.diagnosis_status())
    )
    profile = scores.population["profile"][0].as_py()
    lanes = [row for row in table if row["model"] in plan.names]
    chains = [_chain(plan, row, profile) for row in lanes]
    if as_json:
        print_json({"scores": table, "factors": factors, "diagnoses": statuses,
                    "payment": chains, "caveats": list(scores.caveats)})  # fmt: skip
        return
    for row, chain in zip(lanes, chains, strict=True):
        model = plan.lanes[plan.names.index(row["model"])].book.model
        label = next(s.label for s in model.segments if s.key == row["segment"])
        heading(f"{model.facts.title}: segment {row['segment']}, {label}")
        out.print(_diagnosis_table([s for s in statuses if s["model"] == row["model"]]))
        out.print(_factor_table([f for f in factors if f["model"] == row["model"]], row))
        for step in chain:
            out.print(f"  {step['step']:<18}{step['factor']:<14}{step['value']:>10}")
        out.print()
    for row in table:
        if row["model"] not in plan.names:
            each = [_weighed(plan, row["model"], lane, profile) for lane in lanes]
            parts = " + ".join(part for part in each if part)
            parts += _frailty(plan, row["model"], profile)
            heading(f"Payment score {row['model']}: {parts} = {row['payment_score']:.3f}")
    for caveat in scores.caveats:
        note(caveat)


def _share(plan: "Plan", lane: str, profile: int) -> "tuple[payment.PaymentYear, Share] | None":
    """Return the share by which a payment year pays a lane's score of a member, if it does."""
    number = plan.names.index(lane)
    return next(
        ((p.year, s) for p in plan.programs for s in p.shares
         if s.lane == number and s.pays[profile]), None,
    )  # fmt: skip


def _weighed(plan: "Plan", program: str, row: dict[str, Any], profile: int) -> str:
    found = _share(plan, row["model"], profile)
    if found is None or found[0].key != program:
        return ""
    return f"{found[1].component.weight.value} x {row['payment_score']:.3f}"


def _frailty(plan: "Plan", program: str, profile: int) -> str:
    """Return what a contract's frailty factor adds to a member's score, as text."""
    found = next(p for p in plan.programs if p.year.key == program)
    added = found.frailty if found.frail[profile] else 0
    return f" + {added / 1000:.3f} (frailty factor)" if added else ""


def _chain(plan: "Plan", row: dict[str, Any], profile: int) -> list[dict[str, str]]:
    """Return the payment chain of one component's raw score, as text."""
    from riskadj.scoring.payment import chain_of

    found = _share(plan, row["model"], profile)
    if found is None:
        return []
    steps = chain_of(round(row["raw_score"] * 1000), found[1].component, found[0])
    return [
        {
            "step": s.name,
            "factor": s.factor,
            "value": f"{float(s.value):.{3 if s.name == 'round' else 6}f}",
        }
        for s in steps
    ]


def _diagnosis_table(rows: list[dict[str, Any]]) -> "Any":
    from rich.table import Table

    table = Table("diagnosis", "condition", "status", "because", box=None, pad_edge=False)
    styles = {"counted": "green", "superseded": "yellow"}
    for row in rows:
        table.add_row(row["diagnosis_code"], row["condition"] or "", row["status"],
                      row["because"], style=styles.get(row["status"], "dim"))  # fmt: skip
    return table


def _factor_table(rows: list[dict[str, Any]], score: dict[str, Any]) -> "Any":
    from rich.table import Table

    table = Table("term", "label", box=None, pad_edge=False, show_footer=True)
    table.columns[0].footer = "raw score"
    table.add_column("coefficient", justify="right", footer=f"{score['raw_score']:.3f}")
    for row in rows:
        table.add_row(row["term"], row["label"], f"{row['coefficient']:.3f}")
    return table
