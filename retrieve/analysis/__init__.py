"""Analysis of an ensemble: of the starts or samples of one result, or of several results."""

from __future__ import annotations

from .analyze import OF, Analysis, Fineness, analyze
from .summary import summary, write_summary

__all__ = ["OF", "Analysis", "Fineness", "analyze", "summary", "write_summary"]
