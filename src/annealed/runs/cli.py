"""The frame of every command line: errors as one sentence, quiet libraries."""

import argparse
import io
import logging
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from annealed.compute.allocator import keep_freed
from annealed.utils import caches
from annealed.utils.console import lasting
from annealed.utils.environment import hidden
from annealed.utils.errors import Diverged, Lost, UsageError

LIBRARIES = (
    "pytorch_lightning",
    "lightning_fabric",
    "lightning.pytorch",
    "torch.utils.cpp_extension",
)


def run(main: Callable[[], None], go_on: str) -> int:
    """Call `main`; the exit status is 0 or that of its UsageError, Diverged or InUse.

    It is 1 where a process of a run was lost, and 130 for an interrupt, after which `go_on` says
    how to go on.
    """
    keep_freed()
    if isinstance(sys.stdout, io.TextIOWrapper):  # standard error is so by default
        sys.stdout.reconfigure(errors="backslashreplace")
    caches.settle()
    with lasting(), quiet(), warned():
        try:
            with hidden():
                main()
        except (UsageError, Diverged, Lost) as error:
            print(f"annealed: {error}", file=sys.stderr)
            return error.status
        except KeyboardInterrupt:
            print(f"annealed: interrupted; what is done is kept. {go_on}", file=sys.stderr)
            return 130
    return 0


@contextmanager
def warned() -> Iterator[None]:
    """Take SIGUSR1, by which cluster schedulers warn of the end, as an interrupt in this block."""

    def interrupt(*_) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGUSR1, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, previous)


@contextmanager
def quiet() -> Iterator[None]:
    """Print of what libraries log and warn only errors, in this block.

    Lightning sets the level of its loggers as it is imported, and prints by itself where the root
    logger has no handler.
    """
    handler = logging.StreamHandler()
    handler.setLevel(logging.ERROR)
    logging.root.addHandler(handler)
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.ERROR)
        warnings.filterwarnings("ignore", module=name)
    try:
        yield
    finally:
        logging.root.removeHandler(handler)


def add_verbose(parser: argparse.ArgumentParser) -> None:
    """Give a command line --verbose, after which `speak` prints what Lightning and W&B say."""
    parser.add_argument("--verbose", action="store_true", help="also what Lightning and W&B say")


def speak() -> None:
    """Print what libraries log and warn from now on."""
    for handler in logging.root.handlers:
        handler.setLevel(logging.INFO)
    for name in (*LIBRARIES, "annealed"):
        logging.getLogger(name).setLevel(logging.INFO)
        warnings.filterwarnings("default", module=name)
