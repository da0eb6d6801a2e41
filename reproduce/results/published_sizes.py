"""The rows of configs/published/, the sizes of other publications, and their place in a pack."""

from annealed.config.loader import config_folder, find_file

PUBLISHED_SIZES = "published"  # in a pack, what precedes the rows of configs/published/


def published_sizes() -> list[str]:
    """The rows of configs/published/."""
    return sorted(path.stem for path in (config_folder() / PUBLISHED_SIZES).glob("*.yaml"))


def place_of_row(row: str) -> str:
    """What precedes the row of a configuration, by name or path: the table has the others alone."""
    published = (config_folder() / PUBLISHED_SIZES).resolve()
    return PUBLISHED_SIZES if find_file(row).resolve().parent == published else ""
