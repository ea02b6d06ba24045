"""The studio: a page on this machine to paint how much may change, say what, and see it happen. Never imports torch."""
