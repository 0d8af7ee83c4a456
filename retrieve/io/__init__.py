"""Files: readers of measurements, and the CXI writer of results. All conventions of files are translated here."""

from .measurement import Measurement, load, read
from .records import RawFile, Reader
from .registry import builtin_readers, readers

__all__ = ["Measurement", "RawFile", "Reader", "builtin_readers", "load", "read", "readers"]
