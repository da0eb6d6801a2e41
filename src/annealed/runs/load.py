"""A run folder read back: its configuration, its best weights, its images."""

from pathlib import Path

from annealed import config as configuration
from annealed.compute.device import device_of
from annealed.config.registry import method_class
from annealed.config.schema import Config
from annealed.data.images import Images, load_images
from annealed.methods.base import Method
from annealed.runs.folders import CONFIG
from annealed.training.checkpoints import BEST, load_weights
from annealed.utils.errors import UsageError


def configured(folder: Path) -> Config:
    """The configuration of a run folder; raises UsageError where there is none."""
    if not (folder / CONFIG).is_file():
        raise UsageError(f"{folder} is not a run folder: it has no {CONFIG}.")
    return configuration.read_resolved(folder / CONFIG)


def trained(folder: Path, config: Config) -> tuple[Method, Images]:
    """The best weights of a run folder as a method on the run's device, and the run's images."""
    device, data = device_of(config), config.data
    limits = data.train_images, data.size, data.held_out_images
    images = load_images(data.name, data.root, data.seed, *limits)
    method = method_class(config.method)(config, images.train.shape[1]).to(device)
    load_weights(method, folder / BEST)
    return method.eval(), images
