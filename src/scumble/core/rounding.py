"""Forgive floating point where a share of the steps becomes a number of steps (0.58 * 50 is 28.99…)."""

__all__ = ["SLACK"]

SLACK = 1e-6
"""Steps that are added before rounding down."""
