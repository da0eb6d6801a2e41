"""What W&B wrote offline for a process that was killed, made readable for W&B's own client.

W&B writes its file in blocks of 32 KiB, so that a process that is killed leaves one without any
record, or with one that is broken off. Its client takes neither: the first keeps it from all that
is sent in the same call, and the second it refuses each time, once all before the break is sent.
"""

import time
from pathlib import Path
from zlib import crc32

from annealed.utils.files import replace

START = b":W&B"  # of a file, whose first 7 bytes say what it is
HEADER = 7  # bytes of that, and of what precedes each fragment: a checksum, its length, its kind
BLOCK = 32 * 1024  # within which fragments lie; what is too short for another one is left empty
FULL, LAST = 1, 4  # kinds of a fragment that ends a record
SETTLED = 60  # seconds after which nothing more is written to a file


class Unsettled(Exception):
    """A file ends in the middle of a record, which W&B may be writing."""


def whole_until(content: bytes) -> int:
    """Where the last whole record of a file of W&B ends; the start of the first without any."""
    place = end = HEADER
    while True:
        if BLOCK - place % BLOCK < HEADER:
            place += BLOCK - place % BLOCK
        head = content[place : place + HEADER]
        length = int.from_bytes(head[4:6], "little")
        fragment = content[place + 6 : place + HEADER + length]  # its kind and what it holds
        checksum = int.from_bytes(head[:4], "little")
        if len(fragment) <= length or crc32(fragment) != checksum:
            return end
        place += HEADER + length
        if head[6] in (FULL, LAST):
            end = place


def make_whole(file: Path) -> bool:
    """Cut a file of W&B to its whole records; returns False where it has none.

    What it was is kept beside it as <name>.killed. A file of another kind is left as it is. Raises
    Unsettled where it is not whole and was written to a moment ago.
    """
    content = file.read_bytes()
    end = whole_until(content)
    if end == len(content) > HEADER or (content and not content.startswith(START)):
        return True
    if time.time() - file.stat().st_mtime < SETTLED:
        raise Unsettled
    if end > HEADER:
        replace(file.with_name(f"{file.name}.killed"), lambda f: f.write(content))
        replace(file, lambda f: f.write(content[:end]))
    return end > HEADER
