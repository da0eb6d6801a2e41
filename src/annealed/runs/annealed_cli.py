"""The options of annealed importance sampling on the command line of `annealed.evaluate`."""

import argparse

from annealed.evaluation.annealed_options import STARTS, AnnealedScoreOptions
from annealed.utils.errors import UsageError

HELP = {
    "chains": "chains an image",
    "temperatures": "temperatures of a chain; 1 is importance sampling from the start",
    "leapfrogs": "leapfrog steps between two temperatures",
    "start": "where chains start: near the row's q(z|x), or from N(0, I)",
    "images": "score so many of the split, the first, or evenly spaced where it is sorted",
    "simulated": "bound log p(x) on both sides for so many images drawn from the model",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give `parser` --estimator, and the options of which --estimator ais takes."""
    parser.add_argument(
        "--estimator",
        choices=("importance", "ais"),
        default="importance",
        help="importance sampling by the row's posterior, or annealed, of the decoder alone",
    )
    group = parser.add_argument_group("--estimator ais")
    default = AnnealedScoreOptions().to_dict()
    for name, text in HELP.items():
        accepted = {"choices": STARTS} if name == "start" else {"type": int}
        group.add_argument(f"--{name}", help=f"{text} (default: {default[name]})", **accepted)


def options_of(arguments: argparse.Namespace) -> AnnealedScoreOptions | None:
    """What a command line asks of --estimator ais; None where it asks for the other.

    Raises UsageError for a value that is not accepted, and for one that would have no effect.
    """
    values = {name: getattr(arguments, name) for name in HELP}
    given = {name: value for name, value in values.items() if value is not None}
    if arguments.estimator == "ais":
        try:
            return AnnealedScoreOptions.of(**given)
        except ValueError as error:
            raise UsageError(f"--{error}.") from None
    if given:
        raise UsageError(f"--{next(iter(given))} is an option of --estimator ais alone.")
    return None
