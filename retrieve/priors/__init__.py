"""Learned priors: networks, their training, and the weights that ship."""
