"""The report of a ledger: one page that loads nothing, and its tables as CSV."""

from benchmarks.report.content import Exhibit, Extras, Fan, Series, TargetPath, write_tables
from benchmarks.report.exhibits import actual_to_expected
from benchmarks.report.page import render_report

__all__ = ["Exhibit", "Extras", "Fan", "Series", "TargetPath", "actual_to_expected",
           "render_report", "write_tables"]  # fmt: skip
