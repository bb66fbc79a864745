"""``python -m riskadj``."""

from riskadj.cli import main

main()
