"""Controls: they act inside a denoising step through the hooks of the loop."""
