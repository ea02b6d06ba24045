"""What makes an edit: the editor, its runs, results, redo and extend."""
