"""The engine: levels, solvers, noise and the one denoising loop. Knows tensors only; imports nothing of ours."""
