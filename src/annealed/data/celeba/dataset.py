"""CelebA (Liu et al. 2015, arXiv 1411.7766): aligned faces, cropped, resized and cached.

The cache is one memory-mapped file in the user's cache folder, decoded once.
"""

import io
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from annealed.data.celeba import archive as files, download as download
from annealed.data.celeba.partition import PARTITION, SPLITS, Partition, find_list, read_partition
from annealed.data.celeba.pixel_cache import PixelCache
from annealed.data.locations import cache_root
from annealed.utils.errors import UsageError
from annealed.utils.files import locked, read_errors_explained

RECIPE = 1  # raised with anything that changes a pixel
PICTURE = (178, 218)  # width and height of an aligned image
CROP = (15, 35, 163, 183)  # the central 148 x 148: left, top, right, bottom


class CelebA(NamedTuple):
    """The official splits, uint8 (N, 3 * size * size), mapped; SHA-256 over all three."""

    splits: tuple[Tensor, Tensor, Tensor]
    digest: str


def load(root: Path, size: int, thorough: bool = False) -> CelebA:
    """The faces below `root` at size x size, from the cache, which is made where it is not.

    The images are looked at, and read where one was written to; what the cache holds is checked
    against its digest where its file was touched. With `thorough` both are read to the last byte.
    A cache of other images, or a damaged one, is made again. Raises DataNotFound where files cannot
    be had and UsageError where one is wrong or the cache cannot be written.
    """
    with read_errors_explained(root):
        return _load(root, size, thorough)


def _load(root: Path, size: int, thorough: bool) -> CelebA:
    partition = read_partition(find_list(root) or download.fetch(root, PARTITION))
    cache = cache_of(partition, size)
    if _problem(cache, root, partition, size, thorough):
        # another process may have made it meanwhile
        with locked(cache.folder.parent, "the cache", wait=True):
            problem = _problem(cache, root, partition, size, thorough)
            if problem:
                _build(cache, root, partition, size, problem)
    digest = cache.record()["pixels"]["sha256"]
    return CelebA(cache.open().split(partition.counts), digest)


def cache_of(partition: Partition, size: int) -> PixelCache:
    """Where the images of a list are cached at `size`."""
    folder = cache_root() / "celeba" / f"{size}-{partition.digest[:16]}"
    return PixelCache(folder, len(partition.names), 3 * size * size)


def _problem(cache: PixelCache, root: Path, partition: Partition, size: int, thorough: bool) -> str:
    """Why the cache cannot serve for the images below `root`; empty where it can.

    Images that were removed since are no problem: the cache stands for them.
    """
    record = cache.record()
    if record is None:
        return f"{cache.folder} holds no whole cache yet"
    made_from = record["made_from"]
    if made_from != _made_from(partition, size, made_from.get("contents")):
        return f"{cache.folder} was made by another version"
    source = files.find(root)
    stamp = source.stamp() if source else record["source"]
    if source is None and thorough:
        print(f"celeba: no images are below {root} to compare {cache.folder} with", file=sys.stderr)
    if source and (thorough or stamp != record["source"]):
        with closing(source):
            if files.fingerprint(source, partition, thorough) != made_from["contents"]:
                return f"{cache.folder} was made from other images"
        if stamp != record["source"]:
            cache.write_record({**record, "source": stamp})
    damage = cache.damage(thorough)
    return f"{cache.pixels} {damage}" if damage else ""


def _made_from(partition: Partition, size: int, contents: str) -> dict[str, str | int]:
    counts = dict(zip(SPLITS, partition.counts, strict=True))
    made_from = {"recipe": RECIPE, "size": size, "images": len(partition.names), **counts}
    return {**made_from, "partition": partition.digest, "contents": contents}


def _build(cache: PixelCache, root: Path, partition: Partition, size: int, problem: str) -> None:
    source = files.find(root)
    if source is None and partition.official:
        source = files.JpegArchive(download.fetch(root, files.ARCHIVE))
    if source is None:
        raise download.absent(root, f"{files.FOLDER} or {files.ARCHIVE}")
    with closing(source):
        stamp, total = source.stamp(), len(partition.names)
        made_from = _made_from(partition, size, files.fingerprint(source, partition))
        print(f"celeba: {problem}; decoding {total} images of {source.path}", file=sys.stderr)
        decode_chunk, stop = decoder(source, partition.names, size)
        hidden = not sys.stderr.isatty()
        bar = tqdm(total=total, desc="celeba", unit=" images", disable=hidden, dynamic_ncols=True)
        try:
            cache.build(made_from, stamp, decode_chunk, lambda done: bar.update(done - bar.n))
        finally:
            stop()
            bar.close()


def decoder(
    source: files.JpegFolder | files.JpegArchive, names: list[str], size: int
) -> tuple[Callable[[int, int], np.ndarray], Callable[[], None]]:
    """A function of (first, last) that decodes these images of `names`, and one that ends it.

    The images come as uint8 (last - first, 3 * size * size), decoded by a thread a core: JPEG
    decoding and resizing let go of Python's lock.
    """
    pool = ThreadPoolExecutor(min(os.cpu_count() or 1, files.THREADS))

    def one(name: str) -> np.ndarray:
        try:
            return decode(source.read(name), size)
        except ValueError as error:
            raise UsageError(
                f"{source.place(name)} {error}; replace it with a good copy."
            ) from None

    def chunk(first: int, last: int) -> np.ndarray:
        return np.stack(list(pool.map(one, names[first:last])))

    return chunk, lambda: pool.shutdown(cancel_futures=True)


def decode(content: bytes, size: int) -> np.ndarray:
    """A JPEG of 178 x 218 -> its centre of 148, resized to (3 * size * size,) in (C, H, W) order.

    Pillow's bilinear filter, which widens with the scale (antialiased). Raises ValueError
    where the JPEG is not a whole one of that size in colour.
    """
    try:
        with Image.open(io.BytesIO(content), formats=["JPEG"]) as image:
            if image.size != PICTURE:
                raise ValueError(
                    "is {} x {} pixels where {} x {} are expected".format(*image.size, *PICTURE)
                )
            if image.mode != "RGB":
                raise ValueError(f"is of mode {image.mode} where RGB is expected")
            small = image.crop(CROP).resize((size, size), Image.Resampling.BILINEAR)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"is truncated or no JPEG ({error})") from None
    return np.asarray(small).transpose(2, 0, 1).reshape(-1)
