"""Drawn faces in CelebA's layout: 178 x 218 JPEGs and the list of the split."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT = 178, 218
SHARES = (0.8, 0.1)  # of the images to train on and to validate; the rest is the test set


def make(folder: Path, count: int, seed: int = 0) -> Path:
    """Write `count` (10 or more) faces and their list to folder/celeba; returns `folder`.

    A face is a function of `seed` and its number, the official order of splits is kept.
    """
    images = folder / "celeba" / "img_align_celeba"
    images.mkdir(parents=True)
    for k in range(1, count + 1):
        draw(seed, k).save(images / f"{k:06d}.jpg", quality=90)
    write_list(folder / "celeba" / "list_eval_partition.txt", count)
    return folder


@contextmanager
def at_hand(folder: Path, count: int) -> Iterator[None]:
    """`count` faces below `folder`, with a cache of their own, where CelebA is looked for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.setenv("ANNEALED_DATA", str(make(folder / "data", count)))
        yield


def write_list(path: Path, count: int) -> None:
    """The list of `count` images: 0 to train, 1 to validate, 2 to test, with official line ends."""
    ends = [round(count * SHARES[0]), round(count * sum(SHARES))]
    rows = [f"{k:06d}.jpg {sum(k > end for end in ends)}\r\n" for k in range(1, count + 1)]
    path.write_text("".join(rows), newline="", encoding="utf-8")


def draw(seed: int, number: int) -> Image.Image:
    """A face with skin, hair, eyes, brows, nose, mouth and background of its own."""
    rng = np.random.default_rng([seed, number])

    def colour(low, high):
        return tuple(int(c) for c in rng.uniform(low, high))

    def around(middle, spread):
        return middle + spread * rng.uniform(-1, 1)

    image = Image.new("RGB", (WIDTH, HEIGHT), colour((30, 40, 50), (220, 220, 230)))
    pen = ImageDraw.Draw(image)
    tone = rng.uniform(0.35, 1.0)
    skin = tuple(int(tone * c) for c in (around(245, 10), around(205, 15), around(175, 20)))
    dark = tuple(int(0.75 * c) for c in skin)
    hair = tuple(int(rng.uniform(0.1, 1) * c) for c in (around(190, 60), around(140, 40), 90))
    x, y = around(WIDTH / 2, 4), around(120, 4)
    wide, tall = around(46, 6), around(62, 6)

    def oval(cx, cy, rx, ry, **paint):
        pen.ellipse((cx - rx, cy - ry, cx + rx, cy + ry), **paint)

    length = around(30, 30)  # of the hair below its middle
    oval(x, y - 18, wide + 12, tall + 2, fill=hair)
    pen.rectangle((x - wide - 11, y - 18, x + wide + 11, y - 18 + length), fill=hair)
    pen.rectangle((x - 18, y + 30, x + 18, HEIGHT), fill=dark)
    oval(x, HEIGHT + 20, 80, 48, fill=colour((20, 20, 20), (235, 235, 235)))
    oval(x, y, wide, tall, fill=skin)
    pen.chord(
        (x - wide, y - tall - 4, x + wide, y + 20), 180 + around(18, 12), 360 - around(18, 12), hair
    )
    iris, gap = colour((20, 40, 20), (110, 130, 190)), around(20, 2)
    for side in (-1, 1):
        oval(x + side * gap, y - 8, 9, around(5, 1.5), fill=(245, 245, 245))
        oval(x + side * gap, y - 8, 4, 4, fill=iris)
        oval(x + side * gap, y - 8, 2, 2, fill=(10, 10, 10))
        lift = y - 20 + around(0, 3)
        pen.line((x + side * (gap - 9), lift, x + side * (gap + 9), lift - 2), hair, 4)
    pen.line((x, y - 6, x - 5, y + 16, x + 4, y + 17), dark, 3)
    smile = around(10, 12)
    curve = [(x + t, y + 36 + smile * (1 - (t / 18) ** 2) - smile / 2) for t in range(-18, 19, 3)]
    pen.line(curve, colour((130, 30, 40), (210, 90, 100)), math.ceil(around(5, 2)))
    return image.filter(ImageFilter.GaussianBlur(0.8))


TINY = [
    "preset=quick",
    "data.name=celeba",
    "data.train_images=16",
    "data.held_out_images=4",
    "data.batch_size=8",
    "network.latent=5",
    "network.hidden=12",
    "network.widths=[8,8,8]",
    "trainer.epochs=2",
    "trainer.warmup_epochs=1",
    "trainer.threads=1",
    "evaluate.samples=30",
    "evaluate.batch_size=3",
    "wandb.mode=disabled",
]
