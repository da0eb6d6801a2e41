"""CelebA as it lies on disk: the list of the split, and the JPEGs in a folder or in their zip."""

import hashlib
import os
import re
import zipfile
import zlib
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from annealed.data.locations import corrupt
from annealed.utils.errors import UsageError
from annealed.utils.files import sha256

PARTITION, FOLDER, ARCHIVE = "list_eval_partition.txt", "img_align_celeba", "img_align_celeba.zip"
OFFICIAL = 202_599
LIST_MD5 = "d32c9cbf5e040fd4025c592c306e6668"  # of the official list, as torchvision has it
SPLITS = ("train", "validation", "test")  # 0, 1 and 2 in the list
PLAIN = re.compile(r"[0-9A-Za-z_-]+\.jpg")
LINE = re.compile(rf"^[ \t]*({PLAIN.pattern})[ \t]+([012])[ \t\r]*$", re.MULTILINE)
LARGEST = 1 << 20  # bytes of one JPEG; the official ones have under 50,000


class Partition(NamedTuple):
    """The images of the list, those to train on first, then validation, then test."""

    path: Path
    names: list[str]
    counts: tuple[int, int, int]
    digest: str  # SHA-256 of names and splits, whatever the line ends


def read_partition(path: Path) -> Partition:
    """The list's images by split, each in the list's order; raises UsageError where it is wrong."""
    try:
        text = path.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise corrupt(path, f"cannot be read as text ({error})") from None
    rows, lines = LINE.findall(text), [line for line in text.split("\n") if line.strip()]
    if len(rows) < len(lines):
        wrong = next(line for line in lines if not LINE.fullmatch(line))
        raise corrupt(path, f"has the line {wrong[:60]!r} where '000001.jpg 0' is the form")
    if len({name for name, _ in rows}) < len(rows):
        raise corrupt(path, "lists an image twice")
    plain = "".join(f"{name} {split}\r\n" for name, split in rows).encode()
    md5 = hashlib.md5(plain, usedforsecurity=False).hexdigest()
    if len(rows) == OFFICIAL and md5 != LIST_MD5:
        raise corrupt(path, f"lists {OFFICIAL} images but is not CelebA's (MD5)")
    splits = [[name for name, split in rows if split == k] for k in "012"]
    for split, names in zip(SPLITS, splits, strict=True):
        if not names:
            raise corrupt(path, f"lists no image of the {split} split")
    counts = tuple(len(names) for names in splits)
    return Partition(path, list(chain(*splits)), counts, sha256(plain))


def _is_plain(name: str) -> bool:
    return PLAIN.fullmatch(name) is not None


class JpegFolder:
    """The extracted images."""

    def __init__(self, path: Path):
        self.path = path

    def stamp(self) -> dict[str, str | int]:
        """A record that changes, at little cost, when files are added or removed."""
        changed = self.path.stat().st_mtime_ns
        return {"kind": "folder", "path": str(self.path.resolve()), "mtime_ns": changed}

    def sizes(self) -> dict[str, int]:
        """Bytes of each image, by name."""
        try:
            with os.scandir(self.path) as entries:
                return {e.name: e.stat().st_size for e in entries if _is_plain(e.name)}
        except OSError as error:
            raise corrupt(self.path, f"cannot be read ({error.strerror})") from None

    def read(self, name: str) -> bytes:
        """The JPEG `name`."""
        try:
            return (self.path / name).read_bytes()
        except OSError as error:
            raise corrupt(self.path / name, f"cannot be read ({error.strerror})") from None

    def close(self) -> None:
        """Nothing is held open."""


class JpegArchive:
    """The images inside their zip, which is never extracted."""

    def __init__(self, path: Path):
        self.path, self.file = path, None

    @cached_property
    def zip(self) -> zipfile.ZipFile:
        """The zip, opened when it is first asked for: its table of contents takes a second."""
        try:
            # a file of its own stays open however many threads read from it
            self.file = open(self.path, "rb")  # noqa: SIM115 - held until `close`
            return zipfile.ZipFile(self.file)
        except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise corrupt(self.path, f"is not a readable zip ({error})") from None

    def stamp(self) -> dict[str, str | int]:
        """A record that changes, at little cost, when the zip is replaced."""
        stat = self.path.stat()
        stamp = {"kind": "zip", "path": str(self.path.resolve())}
        return {**stamp, "mtime_ns": stat.st_mtime_ns, "bytes": stat.st_size}

    def sizes(self) -> dict[str, int]:
        """Bytes of each image, by name; raises UsageError where a member is not to be trusted."""
        sizes = {}
        for member in self.zip.infolist():
            folder, _, name = member.filename.rpartition("/")
            if member.filename.startswith("/") or ".." in member.filename.split("/"):
                raise corrupt(self.path, f"has a member that leaves its folder: {folder}/{name}")
            if folder != FOLDER or not _is_plain(name):
                continue
            if member.file_size > LARGEST:
                large = f"{member.filename} of {member.file_size} bytes"
                raise corrupt(self.path, f"has {large}, where a JPEG of CelebA has under 50,000")
            if name in sizes:
                raise corrupt(self.path, f"has {member.filename} twice")
            sizes[name] = member.file_size
        return sizes

    def read(self, name: str) -> bytes:
        """The JPEG `name`, its CRC checked."""
        problems = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError)
        try:
            return self.zip.read(f"{FOLDER}/{name}")
        except problems as error:  # a RuntimeError where it is encrypted
            raise corrupt(self.path, f"is damaged at {FOLDER}/{name} ({error})") from None

    def close(self) -> None:
        """Close the file."""
        if self.file:
            self.file.close()


def find(folder: Path) -> JpegFolder | JpegArchive | None:
    """The images below `folder`: extracted, else in their zip, else None."""
    if (folder / FOLDER).is_dir():
        return JpegFolder(folder / FOLDER)
    return JpegArchive(folder / ARCHIVE) if (folder / ARCHIVE).is_file() else None


def fingerprint(source: JpegFolder | JpegArchive, partition: Partition) -> str:
    """SHA-256 over name and size of every image: the same for a folder and for a zip of it.

    Raises UsageError where the images are not exactly those of the list.
    """
    sizes, listed = source.sizes(), partition.names
    missing = [name for name in listed if name not in sizes]
    if missing:
        raise UsageError(
            f"{partition.path} lists {len(listed)} images, of which {len(missing)} are not in "
            f"{source.path}, {missing[0]} the first; complete it, or remove it to use another copy."
        )
    if len(sizes) > len(listed):
        raise UsageError(
            f"{source.path} holds {len(sizes)} images where {partition.path} lists {len(listed)}; "
            "replace the one that is wrong with a good copy."
        )
    return sha256("".join(f"{name} {sizes[name]}\n" for name in listed).encode())
