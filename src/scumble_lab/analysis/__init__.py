"""Looking into what methods do: measurements, tables and plots."""
