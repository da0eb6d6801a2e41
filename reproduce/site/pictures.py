"""The pictures in the page: WebP of the PNG files, so that all of them fit into one file."""

import re
from base64 import b64decode, b64encode
from functools import cache
from io import BytesIO

import numpy as np
from PIL import Image

from annealed.utils.files import sha256

WIDEST = 1320  # pixels, where the column that shows them has 992 at most
QUALITY = 60  # of WebP with losses, which photographs and densities are shown in
NEAR = 2.0  # of 255 levels, mean over a picture: what two versions of the encoder may differ by
DATA = re.compile(r'"data:image/webp;base64,([^"]*)"')


def shown(width: int, height: int) -> tuple[int, int]:
    """The size in which a picture of this size is in the page."""
    return (width, height) if width <= WIDEST else (WIDEST, round(height * WIDEST / width))


def data_uri(png: bytes) -> str:
    """The picture of a PNG file as the text of a `src`."""
    return f"data:image/webp;base64,{_base64_of_webp(png)}"


@cache
def _base64_of_webp(png: bytes) -> str:
    """WebP without losses where that is the smaller, as of lines and text it is."""
    image = Image.open(BytesIO(png)).convert("RGB")
    image = image.resize(shown(*image.size), Image.Resampling.LANCZOS)
    encoded = []
    for options in ({"lossless": True}, {"quality": QUALITY}):
        content = BytesIO()
        image.save(content, "WEBP", method=6, **options)
        encoded.append(content.getvalue())
    return b64encode(min(encoded, key=len)).decode()


def name(png: bytes) -> str:
    """What a page calls the PNG file that a picture was made of: the head of its SHA-256."""
    return sha256(png)[:16]


def same_page(one: str, other: str) -> bool:
    """Whether two pages are the same text around pictures that look the same.

    The bytes of a picture are those of its encoder, which another version of Pillow may change.
    """
    if DATA.sub("", one) != DATA.sub("", other):
        return False
    pairs = zip(DATA.findall(one), DATA.findall(other), strict=True)
    return all(a == b or _look_the_same(a, b) for a, b in pairs)


def _look_the_same(one: str, other: str) -> bool:
    try:
        a, b = (Image.open(BytesIO(b64decode(c))).convert("RGB") for c in (one, other))
    except (OSError, ValueError):
        return False
    if a.size != b.size:
        return False
    return np.abs(np.asarray(a, np.int16) - np.asarray(b, np.int16)).mean() <= NEAR
