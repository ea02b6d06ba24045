"""Editing by instruction: networks that see the picture beside the noise."""
