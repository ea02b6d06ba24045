"""Dragging: point pairs, supervision and tracking of features, the inner optimisation, the warp of a preview."""
