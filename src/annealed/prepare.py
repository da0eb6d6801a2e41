"""Have a data set ready before runs need it: `python -m annealed.prepare celeba --size 64`."""

import argparse
import sys

from annealed.config.datasets import FACE_SIZES, NAMES
from annealed.data import celeba
from annealed.data.images import load_images
from annealed.data.locations import data_root
from annealed.runs import cli
from annealed.utils.paths import argument


def prepare(name: str, root: str | None, size: int, check: bool) -> str:
    """Find, or download, the data set `name` and make its cache; returns a line on what is there.

    With `check` images and cache are read to the last byte, and the cache is made again where one
    is not what was recorded. Raises what `load_images` does.
    """
    if name == "celeba" and check:
        celeba.load(data_root(root), size, thorough=True)
    images = load_images(name, root, 0, size=size)
    train, validation, test = map(len, images)
    shape = " x ".join(map(str, images.shape))
    counts = f"{train} images to train, {validation} to validate, {test} to test"
    return f"{name}: {counts}, {shape}, SHA-256 {images.digest()}"


def main() -> None:
    """The command line; see `--help`."""
    parser = argparse.ArgumentParser(prog="annealed.prepare", description=__doc__)
    parser.add_argument("name", choices=NAMES, help="the data set")
    parser.add_argument("--root", type=argument("--root"), help="as data.root")
    parser.add_argument("--size", type=int, choices=FACE_SIZES, default=64, help="of celeba")
    parser.add_argument(
        "--check", action="store_true", help="read images and cache to the last byte"
    )
    arguments = parser.parse_args()
    print(prepare(arguments.name, arguments.root, arguments.size, arguments.check))


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again to go on."))
