"""The bootstrap over seeds and images: both are drawn anew, with replacement and independently.

Owen (2007), "The pigeonhole bootstrap", arXiv 0712.1111.
"""

from functools import lru_cache

import numpy as np

from annealed.utils import randomness

RESAMPLES = 10_000
BLOCK = 500  # resamples at a time, 40 MB of weights for 10,000 images


def means(values: np.ndarray, *key: int) -> np.ndarray:
    """The means of `values` (..., seeds, images) in each resample, (RESAMPLES, ...).

    `key` names the draws: with the same key and sizes they are the same for whatever is averaged.
    """
    *shape, seeds, images = values.shape
    by_image = values.reshape(-1, images).T
    of_seeds, of_images = _counts(seeds, images, key)
    blocks = []
    for first in range(0, RESAMPLES, BLOCK):
        block = slice(first, first + BLOCK)
        sums = (of_images[block].astype(float) @ by_image).reshape(BLOCK, -1, seeds)
        blocks.append((sums * of_seeds[block, None]).sum(-1))
    return np.concatenate(blocks).reshape(RESAMPLES, *shape) / (seeds * images)


@lru_cache(maxsize=2)
def _counts(seeds: int, images: int, key: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """How often each seed and each image is in each resample: (RESAMPLES, seeds) and (.., images).

    They are kept, since a table compares many pairs and drawing takes longest.
    """
    rng = np.random.default_rng(randomness.derive(0, "usage", *key))
    # in as many draws as there are images none comes up 256 times
    of_seeds = np.empty((RESAMPLES, seeds), np.uint8)
    of_images = np.empty((RESAMPLES, images), np.uint8)
    for i in range(RESAMPLES):
        for counts in (of_seeds, of_images):
            size = counts.shape[1]
            counts[i] = np.bincount(rng.integers(size, size=size), minlength=size)
    return of_seeds, of_images
