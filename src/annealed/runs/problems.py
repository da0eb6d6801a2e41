"""What a run is of, images or an energy: its data, its methods, its score, its pictures."""

import hashlib
import inspect
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image
from torch import Tensor

from annealed.compute.machine import Machine
from annealed.config.datasets import ENERGIES, TOY
from annealed.config.registry import method_class
from annealed.config.schema import Config
from annealed.data.images import load_images
from annealed.evaluation.densities import density_picture
from annealed.evaluation.energy_score import score_energy
from annealed.evaluation.pictures import draw_pictures, picture
from annealed.evaluation.result import RESULT
from annealed.evaluation.score import score_run
from annealed.inference.bound import Bound, check
from annealed.methods.base import Method
from annealed.models import build
from annealed.utils.errors import UsageError

if TYPE_CHECKING:  # Lightning takes seconds, and only training needs it
    from pytorch_lightning import LightningDataModule


class ImageProblem:
    """A generative model of images, whose held-out split is scored."""

    def __init__(self, config: Config):
        data = config.data
        limits = data.train_images, data.size, data.held_out_images
        self.config = config
        self.images = load_images(data.name, data.root, data.seed, *limits)

    @property
    def held_out(self) -> Tensor:
        """The images that are scored, uint8 (N, X)."""
        return self.images.held_out(self.config.evaluate.split)

    @property
    def items(self) -> int:
        """How much there is to score, in what `score` reports."""
        return len(self.held_out)

    def described(self) -> str:
        """The data, in words."""
        data, split = self.config.data, self.config.evaluate.split
        train, validation = len(self.images.train), len(self.images.validation)
        scored = f"{self.items} {split} images to score by {self.config.evaluate.samples} samples"
        return f"{data.name}: {train} images to train on, {validation} to validate, {scored}"

    def method(self, config: Config, device: torch.device) -> Method:
        """The row of `config`, that of one of the run's seeds, on `device`."""
        return method_class(config.method)(config, self.images.train.shape[1]).to(device)

    def data(self, device: torch.device) -> "LightningDataModule":
        """What it is trained and validated on."""
        from annealed.training.datamodule import ImageData

        options = self.config.data.batch_size, self.config.trainer.steps_per_call
        return ImageData(self.images, *options, device)

    def score(
        self,
        method: Method,
        folder: Path,
        machine: Machine,
        report: Callable[[int], None],
        name: str = RESULT,
    ) -> dict:
        """The result, to be written to `name` in `folder`; see `score_run`."""
        return score_run(method, self.images, method.config, folder, machine, report, name)

    def grids(self, method: Method) -> dict[str, Tensor]:
        """Samples, reconstructions and traversals, by name."""
        return draw_pictures(method, partial(self.images.part, self.config.evaluate.split))

    def pictures(self, method: Method) -> dict[str, Image.Image]:
        """Those grids as images."""
        return {name: picture(grid) for name, grid in self.grids(method).items()}


class ToyProblem:
    """An energy over z alone; members as in `ImageProblem`."""

    items = 1

    def __init__(self, config: Config):
        self.config, self.toy = config, build.toy(config)

    def described(self) -> str:
        """The energy, in words."""
        data, draws = self.config.data, self.config.evaluate.samples
        paths = f"{data.steps_an_epoch} steps an epoch of {data.batch_size} paths"
        return f"the energy {data.energy}: {paths}, {draws} draws to score"

    def method(self, config: Config, device: torch.device) -> Method:
        """The row of `config` on `device`; raises UsageError where the energy does not fit it."""
        method = method_class(config.method)(config, 1).to(device)
        if config.data.energy not in ENERGIES:
            check_energy(method, config.data.energy)
        return method

    def data(self, device: torch.device) -> "LightningDataModule":
        """What it is trained and validated on."""
        from annealed.training.energy_data import EnergyData

        data, steps = self.config.data, self.config.trainer.steps_per_call
        sizes = data.batch_size, data.steps_an_epoch, data.validation_paths
        return EnergyData(*sizes, steps, device)

    def digest(self) -> str | None:
        """SHA-256 of the source of the user's energy; None for the package's own."""
        if self.config.data.energy in ENERGIES:
            return None
        try:
            source = inspect.getsource(self.toy.energy.log_density)
        except (OSError, TypeError):  # not of a file
            return None
        return hashlib.sha256(source.encode()).hexdigest()

    def score(
        self,
        method: Method,
        folder: Path,
        machine: Machine,
        report: Callable[[int], None],
        name: str = RESULT,
    ) -> dict:
        """The result, to be written to `name` in `folder`; see `evaluation.energy_score`."""
        arguments = method, self.toy, method.config, folder, machine, report, name
        return score_energy(*arguments, self.digest())

    def pictures(self, method: Method) -> dict[str, Image.Image]:
        """The energy's density beside the posterior's."""
        return {"density": density_picture(method, self.toy)}


Problem = ImageProblem | ToyProblem


def problem(config: Config) -> Problem:
    """What `config` is a run of; raises UsageError and DataNotFound as `load_images` does."""
    return ToyProblem(config) if config.data.name == TOY else ImageProblem(config)


def check_energy(method: Method, name: str) -> None:
    """Raise UsageError where the energy `name` does not take the draws of `method`'s posterior.

    At three draws it must give one finite number each, and a finite gradient in z.
    """
    x = torch.ones(1, 1, device=method.device, dtype=method.dtype)
    try:
        check(Bound(method.target, method.posterior), x)
        z = method.posterior(x, method.noise("validate", 3, 1)).z[-1].detach().requires_grad_()
        log_f, _ = method.target(x, z)
        (slope,) = torch.autograd.grad(log_f.sum(), z)
        if not slope.isfinite().all():
            raise ValueError("its gradient in z is not finite where the posterior starts")
    except Exception as error:  # the user's function may raise anything
        reason = " ".join(str(error).split())
        if not isinstance(error, ValueError):
            reason = f"it raised {type(error).__name__} ({reason})"
        raise UsageError(
            f"data.energy is {name!r}, which does not fit a posterior of network.latent = "
            f"{method.config.network.latent}: {reason}."
        ) from None
