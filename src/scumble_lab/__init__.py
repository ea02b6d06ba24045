"""Where the bundled models come from and how methods are measured: world, training, bench, analysis."""
