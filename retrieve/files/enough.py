"""Want of memory in words: what needed how much, how much is free, and the remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from .limits import NotEnoughMemory, size_text
from .memory import free_memory

TORCH = re.compile(r"DefaultCPUAllocator: can't allocate memory|CUDA out of memory", re.IGNORECASE)
"""What torch says in a RuntimeError, where other libraries raise a MemoryError."""
AMOUNT = re.compile(r"allocate ([\d.]+ ?[KMGTPE]?i?B|\d+ bytes)(?:.*shape (\([^)]*\)) and data type (\S+))?")
"""How NumPy and torch say how much they wanted."""


def of_memory(error: BaseException) -> bool:
    """Whether an error says that memory was too small."""
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and TORCH.search(str(error)) is not None)


def memory_words(error: BaseException) -> str:
    """How much an error of memory was about, as far as it says, and how much is free."""
    wanted = ""
    if found := AMOUNT.search(str(error)):
        array = f" for an array of {found[2]} {found[3]}" if found[2] else ""
        wanted = f"{found[1]} more{array} were needed, "
    free = free_memory()
    return wanted + ("free memory is unknown" if free is None else f"{size_text(free)} are free")


@contextmanager
def enough_memory(what: str, remedy: str) -> Iterator[None]:
    """Turn an error of memory into one in words.

    Parameters
    ----------
    what : str
        What is done, as the beginning of the message.
    remedy : str
        What the user may do, as its end.

    Raises
    ------
    NotEnoughMemory
        In place of a `MemoryError`, and of what torch raises instead.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not of_memory(error):
            raise
        raise NotEnoughMemory(f"{what} does not fit into memory: {memory_words(error)}; {remedy}") from error
