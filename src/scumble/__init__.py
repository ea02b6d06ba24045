"""Picture editing with diffusion models."""
