"""Trains the bundled models from the still-life world; nothing in the editing path imports this."""
