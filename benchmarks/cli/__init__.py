"""The ``tcoc`` command: one module a subcommand, imported only when it runs."""

from benchmarks.cli.app import main

__all__ = ["main"]
