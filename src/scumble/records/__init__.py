"""What is written down of an edit: requests before it is made, recipes afterwards."""
