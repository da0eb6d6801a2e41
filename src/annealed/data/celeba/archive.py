"""CelebA's images as they lie on disk: JPEGs in a folder, or in their zip."""

import os
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from annealed.data.celeba.partition import BASES, Partition, plain_name
from annealed.data.locations import corrupt
from annealed.data.reading import dangling, find_file, read
from annealed.utils.errors import UsageError
from annealed.utils.files import sha256

FOLDER, ARCHIVE = "img_align_celeba", "img_align_celeba.zip"
NESTED = f"{FOLDER}/{FOLDER}"  # as Kaggle's copy unpacks
LARGEST = 1 << 20  # bytes of one JPEG; the official ones have under 50,000
THREADS = 16  # more wait for one another


class Entry(NamedTuple):
    """An image's file in a folder."""

    file: str  # its name there
    bytes: int
    mtime_ns: int  # when its content was last written
    ctime_ns: int  # when content, name or rights were last changed


class JpegFolder:
    """The extracted images; which there are is looked at once."""

    def __init__(self, path: Path):
        self.path = path

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """Every image's file, by the image's official name."""
        entries = {}
        with os.scandir(self.path) as files:
            for file in files:
                name = plain_name(file.name)
                if name in entries:
                    raise corrupt(self.path / file.name, f"is there as {entries[name].file} too")
                if name:
                    entries[name] = self._entry(file)
        return entries

    def _entry(self, file: os.DirEntry) -> Entry:
        try:
            stat = file.stat()
        except OSError as error:
            path = self.path / file.name
            raise dangling(path) or corrupt(path, f"cannot be read ({error.strerror})") from None
        return Entry(file.name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)

    def stamp(self) -> dict[str, str | int]:
        """A record that changes when an image is added, removed or written to; none is read."""
        files = "".join([f"{n} {b} {m} {c}\n" for n, (_, b, m, c) in sorted(self.entries.items())])
        path = str(self.path.resolve())
        return {"kind": "folder", "path": path, "files": sha256(files.encode())}

    def sizes(self) -> dict[str, int]:
        """Bytes of each image, by name."""
        return {name: entry.bytes for name, entry in self.entries.items()}

    def checksum(self, name: str, thorough: bool) -> int:
        """CRC-32 of the JPEG `name`, which is read."""
        return zlib.crc32(self.read(name))

    def read(self, name: str) -> bytes:
        """The JPEG `name`."""
        return read(self.place(name))

    def place(self, name: str) -> Path:
        """Where the JPEG `name` lies."""
        return self.path / self.entries[name].file

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

    @cached_property
    def members(self) -> dict[str, zipfile.ZipInfo]:
        """Every image's member, by name; raises UsageError where one is not to be trusted."""
        members = {}
        for member in self.zip.infolist():
            folder, _, file = member.filename.rpartition("/")
            if member.filename.startswith("/") or ".." in member.filename.split("/"):
                raise corrupt(self.path, f"has a member that leaves its folder: {folder}/{file}")
            name = plain_name(file)
            if folder not in (FOLDER, NESTED, "") or not name:
                continue
            if member.file_size > LARGEST:
                large = f"{member.filename} of {member.file_size} bytes"
                raise corrupt(self.path, f"has {large}, where a JPEG of CelebA has under 50,000")
            if name in members:
                raise corrupt(self.path, f"has {member.filename} twice")
            members[name] = member
        return members

    def stamp(self) -> dict[str, str | int]:
        """A record that changes, at little cost, when the zip is replaced or written to."""
        stat = self.path.stat()
        stamp = {"kind": "zip", "path": str(self.path.resolve()), "bytes": stat.st_size}
        return {**stamp, "mtime_ns": stat.st_mtime_ns, "ctime_ns": stat.st_ctime_ns}

    def sizes(self) -> dict[str, int]:
        """Bytes of each image, by name."""
        return {name: member.file_size for name, member in self.members.items()}

    def checksum(self, name: str, thorough: bool) -> int:
        """CRC-32 of the JPEG `name`, from the table of contents; `thorough`: of what is there."""
        return zlib.crc32(self.read(name)) if thorough else self.members[name].CRC

    def read(self, name: str) -> bytes:
        """The JPEG `name`, its CRC checked."""
        problems = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError)
        member = self.members[name]
        try:
            return self.zip.read(member)
        except problems as error:  # a RuntimeError where it is encrypted
            raise corrupt(self.path, f"is damaged at {member.filename} ({error})") from None

    def place(self, name: str) -> Path:
        """Where the JPEG `name` lies, as if the zip were a folder."""
        return self.path / self.members[name].filename

    def close(self) -> None:
        """Close the file."""
        if self.file:
            self.file.close()


def find(root: Path) -> JpegFolder | JpegArchive | None:
    """The images below `root`: extracted, else in their zip, else None.

    They lie beside the list, or in Img as on the authors' drive.
    """
    places = [root / base / below for base in BASES for below in (".", "Img")]
    for folder in (place / name for place in places for name in (FOLDER, NESTED)):
        if folder.is_dir():
            with os.scandir(folder) as files:
                if any(plain_name(file.name) for file in files):
                    return JpegFolder(folder)
        elif problem := dangling(folder):
            raise problem
    archive = find_file(place / ARCHIVE for place in places)
    return archive and JpegArchive(archive)


def fingerprint(
    source: JpegFolder | JpegArchive, partition: Partition, thorough: bool = False
) -> str:
    """SHA-256 over name, size and CRC-32 of every image: the same for a folder and a zip of it.

    A folder's images are read; of a zip the table of contents is, or, if `thorough`, the images.
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
    with ThreadPoolExecutor(min(os.cpu_count() or 1, THREADS)) as pool:
        checksums = pool.map(lambda name: source.checksum(name, thorough), listed)
        rows = [f"{n} {sizes[n]} {c:08x}\n" for n, c in zip(listed, checksums, strict=True)]
    return sha256("".join(rows).encode())
