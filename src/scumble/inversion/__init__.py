"""Inversions: the path from an image through the noise levels, and its file."""
