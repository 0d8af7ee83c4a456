"""Frames and positions of a scan: as many as belong together."""

from __future__ import annotations

from retrieve.errors import InputError


def paired(frames: int, positions: int, what: str, source: str, notes: list[str]) -> int:
    """The number of frames that have a position; a note tells both numbers where they differ.

    what: the positions, in words.  source: of the scan, for the message.
    Raises `InputError` for several frames at each position.
    """
    count = min(frames, positions)
    if positions > 1 and frames >= 2 * positions and frames % positions == 0:
        raise InputError(
            f"{source}: {frames} frames and {positions} {what}, which is {frames // positions} frames a position; sum the frames "
            "of each position first, or name other frames with --key"
        )
    if frames != positions:
        notes.append(
            f"{frames} frames and {positions} {what}: the first {count} are taken, as of a scan that was stopped or still runs"
        )
    return count
