"""Where W&B is, whether it may be spoken to, and what runs and dashboards call their curves."""

import netrc
import os
from urllib.parse import urlparse

from annealed.utils.errors import UsageError

STEP = "trainer/global_step"  # the optimiser step, which every curve is drawn over
TABLE = "test/table"  # a line a run


def server() -> str:
    """The address of the W&B server."""
    return os.environ.get("WANDB_BASE_URL") or "https://api.wandb.ai"


def project_of(configured: str | None) -> str:
    """`wandb.project` where it is set, else $WANDB_PROJECT, else "annealed"."""
    return configured or os.environ.get("WANDB_PROJECT") or "annealed"


def has_key() -> bool:
    """Whether a W&B key is set in the environment or in the netrc file."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlparse(server()).hostname
    try:
        return netrc.netrc().authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def resolve_mode(configured: str) -> str:
    """`auto` is $WANDB_MODE where set, else online with a key and offline without one.

    Raises UsageError for online without a key, which would otherwise end in a prompt.
    """
    mode = os.environ.get("WANDB_MODE") if configured == "auto" else configured
    mode = mode or ("online" if has_key() else "offline")
    if mode not in ("online", "offline", "disabled"):
        raise UsageError(f"WANDB_MODE is {mode!r}; accepted: online, offline, disabled.")
    if mode == "online" and not has_key():
        raise UsageError(
            "wandb.mode is 'online' but no key is set; set WANDB_API_KEY, run `wandb login`, or "
            "choose wandb.mode=offline or disabled."
        )
    return mode
