"""Evaluation of results: metrics, ensembles, resolution, verdict and comparison of solvers."""
