"""A cache of decoded images: one memory-mapped uint8 file, made in chunks, resumed, verified."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from annealed.utils.errors import UsageError
from annealed.utils.files import replace_json, replace_text, sha256

PIXELS, RECORD, BUILDING, BEGUN = "pixels.u8", "cache.json", "building", "made_from.json"
CHUNK = 2000  # images between two marks that an interrupted build goes on from
BLOCK = 1 << 20  # bytes hashed at a time


class PixelCache:
    """`images` rows of `width` bytes in folder/pixels.u8; folder/cache.json says of what.

    cache.json is {"made_from": what decided the pixels, "source": a cheap stamp of where they came
    from, "pixels": {"sha256", "mtime_ns"}}. The file is whole or not there.
    """

    def __init__(self, folder: Path, images: int, width: int):
        self.folder, self.images, self.width = folder, images, width
        self.pixels, self.building = folder / PIXELS, folder / BUILDING

    def record(self) -> dict[str, Any] | None:
        """What cache.json says; None where there is no cache, or its record is not readable."""
        try:
            record = json.loads((self.folder / RECORD).read_text(encoding="utf-8"))
            _ = record["made_from"]["images"], record["source"]
            _ = record["pixels"]["sha256"], record["pixels"]["mtime_ns"]
            return record
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def damage(self, thorough: bool = False) -> str:
        """A message on what is wrong with the pixels; empty where nothing is.

        Their SHA-256 is taken where the file's time is not the recorded one, or `thorough`.
        """
        record = self.record()
        if record is None:
            return "has no readable record beside it"
        try:
            stat = self.pixels.stat()
            if stat.st_size != self.images * self.width:
                expected = self.images * self.width
                return f"has {stat.st_size} bytes where {expected} were written"
            touched = stat.st_mtime_ns != record["pixels"]["mtime_ns"]
            if (touched or thorough) and _digest(self.pixels) != record["pixels"]["sha256"]:
                return "is not what was written (SHA-256)"
        except OSError as error:
            return f"cannot be read ({error.strerror})"
        if touched:
            record["pixels"]["mtime_ns"] = stat.st_mtime_ns
            self.write_record(record)
        return ""

    def write_record(self, record: dict[str, Any]) -> None:
        """Write a record of the same pixels if the folder can be written."""
        try:
            replace_json(self.folder / RECORD, record)
        except (OSError, UsageError):
            return

    def open(self) -> Tensor:
        """The images (N, X), uint8, mapped from the file: only what is read comes into memory."""
        # copy-on-write: what is written to the tensor by mistake never reaches the file
        mapped = np.memmap(self.pixels, np.uint8, mode="c", shape=(self.images, self.width))
        return torch.from_numpy(mapped)

    def build(
        self,
        made_from: dict[str, Any],
        source: dict[str, Any],
        produce: Callable[[int, int], np.ndarray],
        report: Callable[[int], None],
    ) -> None:
        """Fill the cache with `produce(first, last)`, uint8 (last - first, X), CHUNK images a call.

        Goes on from an interrupted build of the same `made_from`. `report` takes the number of
        images done. The caller holds a lock. Raises UsageError where the folder cannot be written.
        """
        try:
            self._begin(made_from)
            with open(self.building / PIXELS, "r+b") as f:
                for first in range(0, self.images, CHUNK):
                    last = min(first + CHUNK, self.images)
                    if not self._is_done(f, first, last):
                        rows = produce(first, last)
                        f.seek(first * self.width)
                        f.write(rows.tobytes())
                        f.flush()
                        os.fsync(f.fileno())
                        replace_text(self._mark(first), sha256(rows.tobytes()))
                    report(last)
            self._finish(made_from, source)
        except OSError as error:
            gigabytes = self.images * self.width / 1e9
            raise UsageError(
                f"{self.folder} cannot be written: {error.strerror}; it takes {gigabytes:.2g} GB: "
                "free some space or point XDG_CACHE_HOME elsewhere, and run the same command again."
            ) from None

    def _mark(self, first: int) -> Path:
        return self.building / f"{first:09d}.done"

    def _begin(self, made_from: dict[str, Any]) -> None:
        """An empty building folder, or the one of an interrupted build of the same."""
        try:
            resumable = json.loads((self.building / BEGUN).read_text(encoding="utf-8")) == made_from
        except (OSError, ValueError):
            resumable = False
        partial = self.building / PIXELS
        if resumable and partial.is_file() and partial.stat().st_size == self.images * self.width:
            return
        shutil.rmtree(self.building, ignore_errors=True)
        self.building.mkdir(parents=True)
        try:
            with open(partial, "wb") as f:
                _allocate(f.fileno(), self.images * self.width)
            replace_json(self.building / BEGUN, made_from)
        except OSError:
            shutil.rmtree(self.building, ignore_errors=True)
            raise

    def _is_done(self, f, first: int, last: int) -> bool:
        """Whether a chunk is marked as done and is what it was then."""
        try:
            marked = self._mark(first).read_text(encoding="utf-8")
        except OSError:
            return False
        f.seek(first * self.width)
        return sha256(f.read((last - first) * self.width)) == marked

    def _finish(self, made_from: dict[str, Any], source: dict[str, Any]) -> None:
        partial = self.building / PIXELS
        pixels = {"sha256": _digest(partial), "mtime_ns": partial.stat().st_mtime_ns}
        # without its pixels a record counts for nothing, so a kill between the two does no harm
        replace_json(
            self.folder / RECORD, {"made_from": made_from, "source": source, "pixels": pixels}
        )
        os.replace(partial, self.pixels)
        shutil.rmtree(self.building, ignore_errors=True)


def _allocate(descriptor: int, size: int) -> None:
    """Take `size` bytes of disk at once, so that a full disk is known before the work."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.ftruncate(descriptor, size)


def _digest(path: Path) -> str:
    """SHA-256 of a file, a block at a time."""
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
