"""The papers: each file one method = its parameters, and which inversion and controls it puts together."""
