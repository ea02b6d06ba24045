"""Meaning in the bottleneck: shifts of a U-Net's deepest activations, trained or averaged (arXiv 2210.10960)."""
