"""Claim sources: what a claims file says, and which of its diagnoses risk adjustment accepts."""
