"""Validation: a trained run measured on members it was not fitted on, and held to its gates."""
