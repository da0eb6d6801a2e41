"""Figures as PNG files: small, and what is seen in them is kept."""

from io import BytesIO

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from reproduce.pages.pictures import smaller, write_png


def encoded(pixels):
    content = BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def read(png):
    return Image.open(BytesIO(png))


def test_few_colours_become_a_palette_and_every_pixel_is_kept():
    grey = np.random.default_rng(0).integers(256, size=(60, 80), dtype=np.uint8)
    pixels = np.stack([grey, grey, grey, np.full_like(grey, 255)], -1)
    png = encoded(pixels)
    small = smaller(png)
    assert read(small).mode == "P"
    assert len(small) < len(png) / 2
    np.testing.assert_array_equal(np.asarray(read(small).convert("RGBA")), pixels)


def test_where_a_palette_would_be_seen_no_pixel_changes():
    pixels = np.random.default_rng(0).integers(256, size=(60, 80, 3), dtype=np.uint8)
    small = smaller(encoded(pixels))
    assert read(small).mode == "RGB"
    np.testing.assert_array_equal(np.asarray(read(small)), pixels)


def test_a_plot_is_written_with_a_palette_and_the_same_bytes_twice():
    figure = Figure(figsize=(4, 3))
    figure.subplots().plot([0, 1, 0])
    files = [BytesIO(), BytesIO()]
    for file in files:
        write_png(figure, file)
    first, second = (file.getvalue() for file in files)
    assert first == second
    drawn = BytesIO()
    figure.savefig(drawn, format="png", dpi=110)
    assert len(first) < drawn.tell()
    apart = np.asarray(read(drawn.getvalue()).convert("RGB"), int) - read(first).convert("RGB")
    assert (np.abs(apart).max(-1) > 8).mean() < 0.005
