"""``riskadj prepare``: a retraining's tables, read and checked."""

from typing import Annotated, Literal

import typer

from riskadj.cli.retraining import Data, Json, RunFolder, SpecPath


def prepare(
    spec: SpecPath,
    data: Data = None,
    run: RunFolder = None,
    on_error: Annotated[
        Literal["raise", "quarantine"],
        typer.Option(help="raise: stop at bad rows; quarantine: set them aside, counted."),
    ] = "raise",
    json: Json = False,
) -> None:
    """Read and check members, diagnoses and costs; write one prepared row a member.

    Example: `riskadj prepare specs/plan.toml --data data/2024`
    """
    from riskadj.cli.console import counts, note, out, print_json, progress
    from riskadj.training.runs import open_run
    from riskadj.training.runs import prepare as run_prepare

    opened = open_run(spec, data, run)
    with progress(json) as report:
        said = run_prepare(opened, on_error == "quarantine", report)
    if json:
        print_json(said)
        return
    for period in opened.periods:
        found = said[period]
        scoring = found["scoring"]
        out.print(counts(f"{period}: costs of {found['cost_year']}", {
            "members read": scoring["members"], **scoring["members_rejected"],
            "members without a cost row": found["members_without_costs"],
            "cost rows read (all years)": found["cost_rows"],
            **{f"cost rows set aside: {k}": n for k, n in found["costs_set_aside"].items()},
            "cost rows of unknown members": found["costs_of_unknown_members"],
            "diagnosis rows read": scoring["diagnoses"],
            "mapped to a payment condition": scoring["diagnoses_mapped"],
            **{f"set aside: {k}": n for k, n in scoring["diagnoses_set_aside"].items()},
            "mapped, of members not in the table": scoring["diagnoses_of_unknown_members"],
            "members prepared": found["prepared"],
        }))  # fmt: skip
        for text in scoring["notes"]:
            note(text)
    out.print(f"wrote {opened.folder}")
