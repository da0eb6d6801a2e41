"""Folders that libraries cache in; one that cannot be written is replaced, since none is needed."""

import os
import tempfile
from pathlib import Path

# a library's own variable: the variable and the folder below home that it goes by without
CACHES = {
    "WANDB_CACHE_DIR": ("XDG_CACHE_HOME", ".cache"),
    "WANDB_DATA_DIR": ("XDG_DATA_HOME", ".local/share"),
    "MPLCONFIGDIR": ("XDG_CONFIG_HOME", ".config"),
    "TORCHINDUCTOR_CACHE_DIR": None,  # a temporary folder
    "TRITON_CACHE_DIR": None,
}


def settle() -> None:
    """Point each of CACHES that cannot be written, and an unknown home, at a folder that can.

    A user without a passwd entry, as in containers, has no home folder; some disks are read-only.
    """
    home = home_folder()
    for name, default in CACHES.items():
        folder = os.environ.get(name)
        if folder is None and default is not None:
            variable, below_home = default
            folder = os.environ.get(variable) or home / below_home
        if folder is not None and not _writable(Path(folder)):
            os.environ[name] = str(_lent() / name.lower())


def home_folder() -> Path:
    """The user's home folder; a temporary one, from then on $HOME, where the system knows none."""
    try:
        return Path.home()
    except RuntimeError:
        os.environ["HOME"] = str(_lent())
        return Path.home()


def _writable(folder: Path) -> bool:
    """Whether `folder` can be written or made."""
    try:
        while not folder.exists() and folder.parent != folder:
            folder = folder.parent
        with tempfile.TemporaryFile(dir=folder):  # the rights of root say nothing
            return True
    except OSError:
        return False


def _lent() -> Path:
    """A temporary folder of this user's alone."""
    folder = Path(tempfile.gettempdir(), f"annealed-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():  # another user's: what it holds is not to be trusted
        return Path(tempfile.mkdtemp(prefix="annealed-"))
    return folder
