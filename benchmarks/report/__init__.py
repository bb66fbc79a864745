"""The report of a ledger: one page that loads nothing, and its tables as CSV."""

from benchmarks.report.content import Exhibit, Extras, Fan, Series, TargetPath, write_tables
from benchmarks.report.page import render_report

__all__ = ["Exhibit", "Extras", "Fan", "Series", "TargetPath", "render_report", "write_tables"]
