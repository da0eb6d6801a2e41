"""CelebA's list and its zip of aligned images, from the authors' Google Drive by torchvision."""

import os
from pathlib import Path

from torchvision.datasets import CelebA
from torchvision.datasets.utils import download_file_from_google_drive

from annealed.data.celeba.archive import ARCHIVE
from annealed.data.celeba.partition import PARTITION
from annealed.data.fetching import reason, scratch_in
from annealed.data.locations import DataNotFound, not_found

ADDRESSES = {name: (key, md5) for key, md5, name in CelebA.file_list}
FOLDER = "celeba"  # below the root


def fetch(root: Path, name: str) -> Path:
    """Download the file `name` of CelebA to FOLDER below `root`, checked by its MD5; returns it.

    A kill leaves no half file there. Raises DataNotFound, with the reason, where it cannot be had:
    mostly the quota of Google Drive, which refuses a file that many have downloaded that day.
    """
    (key, md5), target = ADDRESSES[name], root / FOLDER / name
    try:
        with scratch_in(target.parent) as scratch:
            download_file_from_google_drive(key, str(scratch), name, md5)
            os.replace(scratch / name, target)
    except Exception as error:  # gdown is optional, and its errors share no base with others
        cause = reason(error)
        if "Too many users" in cause or "quota" in cause.lower():
            cause = "Google Drive's quota for this file is spent; it is free again within a day"
        raise absent(root, name, cause) from None
    return target


def absent(root: Path, name: str, cause: str = "") -> DataNotFound:
    """The error for a file of CelebA that is not below `root`, with both files' checksums."""
    needed = [f"{n} (MD5 {ADDRESSES[n][1]})" for n in (PARTITION, ARCHIVE)]
    return not_found("celeba", name, root, FOLDER, cause, " and ".join(needed))
