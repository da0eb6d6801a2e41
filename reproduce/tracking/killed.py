"""What W&B wrote offline for a process that was killed, made readable for W&B's own client.

W&B writes its file in blocks of 32 KiB, so that a process that is killed leaves one without any
record, or with one that is broken off. Its client does not take the first, nor whatever is sent in
the same call, and never has done with the second.
"""

import time
from pathlib import Path

from annealed.utils.files import replace

START = b":W&B"  # of a file, whose first 7 bytes say what it is
HEADER = 7  # bytes of that, and of what precedes each fragment: a checksum, its length, its kind
BLOCK = 32 * 1024  # within which fragments lie; what is too short for another one is left empty
FULL, LAST = 1, 4  # kinds of a fragment that ends a record
SETTLED = 60  # seconds after which nothing more is written to a file


def whole_until(content: bytes) -> int:
    """Where the last whole record of a file of W&B ends; the start of the first without any."""
    place = end = HEADER
    while True:
        if BLOCK - place % BLOCK < HEADER:
            place += BLOCK - place % BLOCK
        head = content[place : place + HEADER]
        if len(head) < HEADER:
            return end
        place += HEADER + int.from_bytes(head[4:6], "little")
        if place > len(content):
            return end
        if head[6] in (FULL, LAST):
            end = place


def make_whole(file: Path) -> bool:
    """Cut a file of W&B to its whole records; returns False where it has none.

    What it was is kept beside it as <name>.killed. A file of another kind is left as it is, and so
    is one that W&B may still write to: it does so for a moment after a run has ended.
    """
    content = file.read_bytes()
    if time.time() - file.stat().st_mtime < SETTLED or not content.startswith(START):
        return True
    end = whole_until(content)
    if HEADER < end < len(content):
        replace(file, lambda f: f.write(content[:end]), file.with_name(f"{file.name}.killed"))
    return end > HEADER
