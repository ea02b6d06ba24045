"""What acts on top of a method."""
