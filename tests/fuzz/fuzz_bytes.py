"""Mutators of bytes and of text: each takes a file's content and a generator, and returns damaged content."""

import re

NUMBERS = ("0", "-1", "1e400", "-1e400", "nan", "inf", "9" * 400, "4294967296", "1000000000000", "1e-320", "0.1.2", "x", "")
TEXTS = ("", "\x00", "../../etc/passwd", "[/bold]", "\ud800", "é" * 3, "a" * 5000, "{", "nan", "1e9", "\n\n", "%s%n", "__class__")


def flip(content, rng):
    """Flip a few bits."""
    made = bytearray(content)
    for at in rng.integers(0, len(made), rng.integers(1, 8)):
        made[at] ^= 1 << int(rng.integers(8))
    return bytes(made)


def flip_head(content, rng):
    """Flip a few bits among the first bytes, where headers are."""
    head = int(min(len(content), rng.choice([64, 512, 4096])))
    return flip(content[:head], rng) + content[head:]


def cut(content, rng):
    """Cut the end off."""
    return content[: int(len(content) * rng.choice([0.0, 0.01, 0.1, 0.5, 0.9, 0.99]) + rng.integers(3))]


def overwrite(content, rng):
    """Overwrite a stretch with zeros, ones or noise."""
    at, length = int(rng.integers(len(content))), int(rng.choice([1, 4, 8, 64, 1000]))
    stretch = (b"\x00" * length, b"\xff" * length, rng.bytes(length))[int(rng.integers(3))]
    return (content[:at] + stretch + content[at + length :])[: len(content)]


def insert(content, rng):
    """Insert bytes, or repeat a stretch."""
    at, length = int(rng.integers(len(content))), int(rng.integers(1, 200))
    extra = rng.bytes(length) if rng.random() < 0.5 else content[at : at + length] * int(rng.integers(1, 5))
    return content[:at] + extra + content[at:]


def drop(content, rng):
    """Take a stretch out."""
    at, length = int(rng.integers(len(content))), int(rng.choice([1, 2, 16, 500]))
    return content[:at] + content[at + length :]


def grow(content, rng):
    """Append to the end."""
    return content + (rng.bytes(int(rng.integers(1, 500))) if rng.random() < 0.5 else content)


def replace_number(content, rng):
    """Replace a number that is written as text."""
    found = list(re.finditer(rb"-?\d+(\.\d+)?", content[:200_000]))
    if not found:
        return overwrite(content, rng)
    one = found[int(rng.integers(len(found)))]
    return content[: one.start()] + str(rng.choice(NUMBERS)).encode() + content[one.end() :]


def replace_word(content, rng):
    """Replace a word of text."""
    found = list(re.finditer(rb"[A-Za-z_]{3,}", content[:200_000]))
    if not found:
        return overwrite(content, rng)
    one = found[int(rng.integers(len(found)))]
    return content[: one.start()] + str(rng.choice(TEXTS)).encode(errors="surrogatepass") + content[one.end() :]


BYTES = (flip, flip_head, cut, overwrite, insert, drop, grow)
TEXT = (replace_number, replace_word, replace_number, cut, drop, insert, flip)


def of_bytes(*kinds):
    """A mutator of a file by one of the mutators of bytes."""

    def mutate(path, rng):
        path.write_bytes(kinds[int(rng.integers(len(kinds)))](path.read_bytes(), rng))

    return mutate
