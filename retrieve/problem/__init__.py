"""The measurement and the prior knowledge of one phase problem, and what the pattern alone tells."""

from .likelihood import Gaussian, Likelihood, Poisson
from .problem import Problem

__all__ = ["Gaussian", "Likelihood", "Poisson", "Problem"]
