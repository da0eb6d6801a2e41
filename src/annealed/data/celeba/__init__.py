"""CelebA: its files, its download, its cache of pixels."""

from annealed.data.celeba.dataset import load

__all__ = ["load"]
