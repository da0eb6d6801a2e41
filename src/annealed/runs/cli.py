"""The frame of every command line: errors as one sentence, quiet libraries."""

import io
import logging
import os
import sys
import warnings
from collections.abc import Callable

from annealed.compute.allocator import keep_freed
from annealed.utils.errors import Diverged, Lost, UsageError


def run(main: Callable[[], None], go_on: str) -> int:
    """Call `main`; the exit status is 0 or that of its UsageError, Diverged or InUse.

    It is 1 where a process of a run was lost, and 130 for an interrupt, after which `go_on` says
    how to go on.
    """
    keep_freed()
    if isinstance(sys.stdout, io.TextIOWrapper):  # standard error is so by default
        sys.stdout.reconfigure(errors="backslashreplace")
    for name in (
        "pytorch_lightning",
        "lightning_fabric",
        "lightning.pytorch",
        "torch.utils.cpp_extension",
    ):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    warnings.filterwarnings("ignore", module="lightning_fabric")
    try:
        main()
    except (UsageError, Diverged, Lost) as error:
        print(f"annealed: {error}", file=sys.stderr)
        return error.status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        print(f"annealed: interrupted; what is done is kept. {go_on}", file=sys.stderr)
        return 130
    return 0
