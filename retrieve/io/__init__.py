"""Reading measurements of any known format, and writing results: conventions are translated here and nowhere else."""

from .measurement import Measurement, load, read
from .records import RawFile, Reader
from .registry import builtin_readers, readers

__all__ = ["Measurement", "RawFile", "Reader", "builtin_readers", "load", "read", "readers"]
