"""What the dashboard shows, section by section."""

from dataclasses import dataclass

from annealed.runs.wandb_settings import STEP, TABLE

LINES, BARS, MEDIA, LINES_OF_RUNS = "lines", "bars", "media", "table"  # kinds of panels
GROUPS = ("data.name", "row", "preset")  # keys of a configuration that runs are grouped by
COLUMNS = ("summary:test/nll", "summary:test/elbo", "config:seed.value")  # beside a run's name


@dataclass(frozen=True)
class Panel:
    """A panel of a kind, its title and the keys, as runs log them, that it draws."""

    kind: str
    title: str
    keys: tuple[str, ...]
    x: str = STEP  # of lines


SECTIONS = {
    "Table": (
        Panel(LINES_OF_RUNS, "Result of every run", (TABLE,)),
        Panel(BARS, "Test NLL, nats an image, mean over seeds", ("test/nll",)),
    ),
    "Bound": (
        Panel(LINES, "Validation bound, nats", ("val/elbo",)),
        Panel(LINES, "Training bound, nats", ("train/elbo",)),
    ),
    "Likelihood and KL": (
        Panel(LINES, "Likelihood part, validation, nats", ("val/log_likelihood",)),
        Panel(LINES, "KL part (rate), validation, nats", ("val/rate",)),
        Panel(LINES, "Likelihood part, training, nats", ("train/log_likelihood",)),
        Panel(LINES, "KL part (rate), training, nats", ("train/rate",)),
    ),
    "Optimisation": (
        Panel(LINES, "Warm-up factor (beta)", ("warmup",)),
        Panel(LINES, "Learning rate", ("learning_rate",)),
        Panel(LINES, "Gradient norm", ("train/gradient_norm",)),
    ),
    "Pictures": (
        Panel(MEDIA, "Samples of the prior", ("media/samples",)),
        Panel(MEDIA, "Images and reconstructions", ("media/reconstructions",)),
        Panel(MEDIA, "Traversals of latents", ("media/traversals",)),
    ),
}
