"""Methods that drag points."""
