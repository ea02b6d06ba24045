"""Differentiable objectives of pictures and activations: what guidance pulls towards."""
