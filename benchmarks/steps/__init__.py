"""The steps that formulas call and that stand alone: pure functions over arrays."""

from benchmarks.steps.bands import band, corridor, interpolate
from benchmarks.steps.lookup import look_up
from benchmarks.steps.rounding import round_half_up

__all__ = ["band", "corridor", "interpolate", "look_up", "round_half_up"]
