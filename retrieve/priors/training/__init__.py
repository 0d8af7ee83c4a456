"""Training of denoisers and networks."""
