"""Whether an edit did what was asked: attribute reading, metrics, benchmarks."""
