"""Methods that guide by energies."""
