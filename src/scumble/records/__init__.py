"""Records of edits: requests before they are made, recipes afterwards."""
