"""Asyrp: directions in the bottleneck."""
