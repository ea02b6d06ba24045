"""What is recorded of an edit: recipes and the metadata of files."""
