"""The ``riskadj`` command: one module a subcommand, imported only when it runs."""

from riskadj.cli.app import main

__all__ = ["main"]
