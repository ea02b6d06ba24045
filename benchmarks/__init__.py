"""Speed and memory, measured by hand: ``make bench``. Nothing here is asserted in tests."""
