"""Methods that edit along an inversion."""
