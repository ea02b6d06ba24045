"""From a picture to its path through the noise levels, and the file that keeps it."""
