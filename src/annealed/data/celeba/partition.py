"""CelebA's list of the split, in the authors' form and in others that are common."""

import hashlib
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from annealed.data.locations import corrupt
from annealed.data.reading import find_file, read
from annealed.utils.files import sha256

BASES = ("celeba", "CelebA", ".")  # folders below the root where CelebA may lie
PARTITION = "list_eval_partition.txt"
OFFICIAL = 202_599
LIST_MD5 = "d32c9cbf5e040fd4025c592c306e6668"  # of the official list, as torchvision has it
SPLITS = ("train", "validation", "test")  # 0, 1 and 2 in the list
PLAIN = re.compile(r"([0-9A-Za-z_-]+)\.[Jj][Pp][Ee]?[Gg]")
LINE = re.compile(rf"[ \t]*{PLAIN.pattern}(?:[ \t]+|[ \t]*,[ \t]*)([012])[ \t\r]*")
COUNT = re.compile(r"\s*([0-9]+)\s*")  # a first line that some copies have
HEADER = re.compile(r"\s*image_id\s*,\s*partition\s*")  # Kaggle's


class Partition(NamedTuple):
    """The images of the list, those to train on first, then validation, then test."""

    path: Path
    names: list[str]
    counts: tuple[int, int, int]
    digest: str  # SHA-256 of names and splits, whatever the form of the list
    official: bool


def plain_name(file: str) -> str | None:
    """The official name of an image's file, as 000001.jpg of 000001.JPG; None for other files."""
    match = PLAIN.fullmatch(file)
    return match and f"{match[1]}.jpg"


def find_list(root: Path) -> Path | None:
    """The list below `root`: beside the images, or in Eval as on the authors' drive."""
    return find_file(_candidates(root))


def _candidates(root: Path) -> Iterator[Path]:
    for base in BASES:
        for folder in (root / base, root / base / "Eval"):
            yield from (folder / PARTITION, (folder / PARTITION).with_suffix(".csv"))


def read_partition(path: Path) -> Partition:
    """The list's images by split, each in the list's order; raises UsageError where it is wrong."""
    try:
        text = read(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise corrupt(path, f"cannot be read as text ({error})") from None
    lines, count = [line for line in text.split("\n") if line.strip()], None
    if lines and (match := COUNT.fullmatch(lines[0])):
        count = int(match[1])
        del lines[0]
    if lines and HEADER.fullmatch(lines[0]):
        del lines[0]
    matches = [LINE.fullmatch(line) for line in lines]
    if None in matches:
        wrong = lines[matches.index(None)]
        raise corrupt(path, f"has the line {wrong[:60]!r} where '000001.jpg 0' is the form")
    rows = [(f"{match[1]}.jpg", match[2]) for match in matches]
    if count not in (None, len(rows)):
        raise corrupt(path, f"says that it lists {count} images and lists {len(rows)}")
    return _partition(path, rows)


def _partition(path: Path, rows: list[tuple[str, str]]) -> Partition:
    if len({name for name, _ in rows}) < len(rows):
        raise corrupt(path, "lists an image twice")
    plain = "".join(f"{name} {split}\r\n" for name, split in rows).encode()
    md5 = hashlib.md5(plain, usedforsecurity=False).hexdigest()
    official = len(rows) == OFFICIAL
    if official and md5 != LIST_MD5:
        raise corrupt(path, f"lists {OFFICIAL} images but is not CelebA's (MD5)")
    splits = [[name for name, split in rows if split == k] for k in "012"]
    for split, names in zip(SPLITS, splits, strict=True):
        if not names:
            raise corrupt(path, f"lists no image of the {split} split")
    counts = tuple(len(names) for names in splits)
    return Partition(path, list(chain(*splits)), counts, sha256(plain), official)
