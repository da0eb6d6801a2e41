"""Figures as PNG files that are no larger than what they show."""

from io import BytesIO
from typing import IO

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

DPI = 110
COLOURS = 256  # of a palette
STEP, SHARE = 8, 0.005  # of 255 levels; of the pixels that a palette may move by more than STEP


def write_png(figure: Figure, file: IO[bytes], **options) -> None:
    """Write `figure` to `file` as a PNG; `options` are those of `savefig`."""
    drawn = BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI, **options)
    file.write(smaller(drawn.getvalue()))


def smaller(png: bytes) -> bytes:
    """An opaque PNG with a palette where that is seen by nobody, else without its alpha.

    A palette of COLOURS is taken where no more than SHARE of the pixels move by more than STEP: a
    plot's few colours and its greys stay, and of the shades at the edges of lines the nearest does.
    """
    image = Image.open(BytesIO(png)).convert("RGB")
    indexed = image.quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    moved = np.abs(np.asarray(image, np.int16) - np.asarray(indexed.convert("RGB"), np.int16))
    chosen = indexed if (moved.max(-1) > STEP).mean() <= SHARE else image
    content = BytesIO()
    chosen.save(content, "PNG", optimize=True)
    return content.getvalue()
