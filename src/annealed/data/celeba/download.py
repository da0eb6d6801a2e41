"""CelebA's list and its zip of aligned images, from the authors' Google Drive by torchvision."""

import os
import tempfile
from pathlib import Path

from torchvision.datasets import CelebA
from torchvision.datasets.utils import download_file_from_google_drive

from annealed.data.celeba.archive import ARCHIVE, PARTITION
from annealed.data.locations import DataNotFound, not_found

ADDRESSES = {name: (key, md5) for key, md5, name in CelebA.file_list}


def fetch(folder: Path, name: str) -> None:
    """Download the file `name` of CelebA to `folder`, checked by its MD5.

    A kill leaves no half file there. Raises DataNotFound, with the reason, where it cannot be had:
    mostly the quota of Google Drive, which refuses a file that many have downloaded that day.
    """
    key, md5 = ADDRESSES[name]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            download_file_from_google_drive(key, scratch, name, md5)
            os.replace(Path(scratch) / name, folder / name)
    except Exception as error:  # gdown is optional, and its errors share no base with others
        reason = " ".join(str(error).split()) or type(error).__name__
        if "Too many users" in reason or "quota" in reason.lower():
            reason = "Google Drive's quota for this file is spent; it is free again within a day"
        raise absent(folder, name, reason[:200]) from None


def absent(folder: Path, name: str, reason: str = "") -> DataNotFound:
    """The error for a file of CelebA that is not in `folder`, with the checksums of both files."""
    needed = [f"{n} (MD5 {ADDRESSES[n][1]})" for n in (PARTITION, ARCHIVE)]
    return not_found("celeba", name, folder, reason, " and ".join(needed))
