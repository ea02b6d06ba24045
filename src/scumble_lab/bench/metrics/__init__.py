"""Figures of merit: each a plain function from pictures and masks to a number; NaN where it is not defined."""
