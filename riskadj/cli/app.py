"""The command's root: subcommands, and errors turned into exit codes."""

import signal
import sys
import traceback
from pathlib import Path

import typer

from riskadj.cli import (
    bridge,
    compare,
    compare_models,
    demo,
    explain,
    imports,
    models,
    prepare,
    programs,
    publish,
    score,
    score_months,
    signoff,
    sql,
    synpuf,
    synthesize,
    train,
    validate,
    verify,
)
from riskadj.errors import ImportFormatError, InputError, OptionError, RiskadjError

EXIT_INTERNAL, EXIT_USE, EXIT_INVALID_DATA, EXIT_NOT_PUBLISHED = 1, 2, 3, 4

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="""Exact, explainable risk adjustment with CMS's own models.

Examples:

- `riskadj score --members m.parquet --diagnoses d.parquet --payment-year 2026 --out scores.parquet`
- `riskadj score --eob claims.ndjson.gz --members m.csv --payment-year 2026 --out scores.parquet`
- `riskadj score-months --members m.csv --months mm.csv --diagnoses d.csv --payment-year 2026
  --out years.csv`
- `riskadj explain --age 70 --sex F --orec 0 --dx E11.21,I50.9 --payment-year 2026`
- `riskadj models list`
- `riskadj prepare SPEC`, then `train`, `validate`, `publish`, `verify`: retrain a model

Exit codes: 0 done, 1 internal error, 2 wrong use, 3 invalid data, 4 not published or a model
folder that is not whole, 5 a gate failed or a published fit does not verify.""",
)
app.command("score")(score.score)
app.command("score-months")(score_months.score_months)
app.command("explain")(explain.explain)
app.command("programs")(programs.programs)
app.command("sql")(sql.sql)
app.command("demo")(demo.demo)
app.command("synthesize")(synthesize.synthesize)
app.command("prepare")(prepare.prepare)
app.command("train")(train.train)
app.command("validate")(validate.validate)
app.command("publish")(publish.publish)
app.command("signoff")(signoff.signoff)
app.command("verify")(verify.verify)
app.command("compare")(compare.compare)
app.command("compare-models")(compare_models.compare_models)
app.command("bridge")(bridge.bridge)
app.command("synpuf")(synpuf.synpuf)
app.add_typer(models.app, name="models")
app.add_typer(imports.app, name="import")


def main() -> None:
    """Run the command."""
    run_command(app)


def run_command(command: typer.Typer) -> None:
    """Run a command; errors end with their message and exit code, never with a value in them."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        command()
    except RiskadjError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(_exit_code(error))
    except OSError as error:
        sys.stderr.write(
            f"error: {error.strerror or 'cannot be read or written'}: {error.filename}\n"
        )
        sys.exit(EXIT_USE)
    except Exception as error:  # a traceback could show what is in the data
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}, line {place.lineno}"
        sys.stderr.write(f"internal error: {type(error).__name__} in {where}. Please report it.\n")
        sys.exit(EXIT_INTERNAL)


def _exit_code(error: RiskadjError) -> int:
    if isinstance(error, OptionError):
        return EXIT_USE
    bad_data = isinstance(error, (InputError, ImportFormatError))
    return EXIT_INVALID_DATA if bad_data else EXIT_NOT_PUBLISHED
