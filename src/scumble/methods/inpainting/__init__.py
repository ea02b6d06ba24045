"""Methods that repaint a region."""
