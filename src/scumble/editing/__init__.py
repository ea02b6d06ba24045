"""Edits: the editor, its runs, results, redo and extend."""
