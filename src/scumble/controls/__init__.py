"""What acts inside a denoising step, through the hooks of the loop."""
