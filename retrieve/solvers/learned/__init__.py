"""Solvers with a trained network: `diffusion`, `dps` and `unet`."""
