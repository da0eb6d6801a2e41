"""Frechet Inception distance, where the user has the feature extractor's weights.

Heusel et al. 2017, arXiv 1706.08500. The extractor is torchvision's inception_v3, whose weights are
not those of the TensorFlow graph behind most published numbers: compare rows, not papers.
"""

from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from annealed.methods.base import Method
from annealed.nn.gated import image_shape
from annealed.utils.errors import UsageError
from annealed.utils.files import sha256

SIDE = 299  # pixels that the extractor takes
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, which it was trained on
BATCH = 50
MOST = 10_000  # images on each side


class Moments:
    """Mean and covariance of features that arrive in batches, float64."""

    def __init__(self):
        self.count, self.total, self.outer = 0, 0.0, 0.0

    def add(self, features: Tensor) -> None:
        """Take in features (N, F)."""
        features = features.double().cpu()
        self.count += len(features)
        self.total = self.total + features.sum(0)
        self.outer = self.outer + features.T @ features

    def estimate(self) -> tuple[Tensor, Tensor]:
        """The mean (F,) and the unbiased covariance (F, F)."""
        mean = self.total / self.count
        covariance = self.outer - self.count * mean[:, None] * mean
        return mean, covariance / max(self.count - 1, 1)


def frechet(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]) -> float:
    """The squared Frechet distance of two Gaussians (mean, covariance), float64.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)); the last trace is that of the root of the symmetric
    C1^(1/2) C2 C1^(1/2), whose eigenvalues are real, and is taken without a general matrix root.
    """
    (m1, c1), (m2, c2) = first, second
    values, vectors = torch.linalg.eigh(c1)
    root = vectors * values.clamp_min(0.0).sqrt() @ vectors.T
    product = torch.linalg.eigvalsh(root @ c2 @ root).clamp_min(0.0)
    cross = product.sqrt().sum()
    return ((m1 - m2).square().sum() + c1.trace() + c2.trace() - 2.0 * cross).item()


class Extractor(nn.Module):
    """The 2,048 numbers that inception_v3 pools before it classifies (Szegedy et al. 2015)."""

    def __init__(self, weights: dict[str, Tensor]):
        super().__init__()
        self.net = torchvision.models.inception_v3(
            weights=None, aux_logits=False, transform_input=False, init_weights=False
        )
        without_aux = {k: v for k, v in weights.items() if not k.startswith("AuxLogits.")}
        self.net.load_state_dict(without_aux)
        self.net.fc = nn.Identity()
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])
        self.register_buffer("std", torch.tensor(STD)[:, None, None])
        self.eval()

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Images (N, X) from 0 to 1, of three channels -> features (N, 2048)."""
        square = images.unflatten(-1, image_shape(images.shape[1])).float()
        large = F.interpolate(square, size=(SIDE, SIDE), mode="bilinear", antialias=True)
        return self.net((large - self.mean) / self.std)


def load(path: Path) -> tuple[Extractor, str]:
    """The extractor of the state dict at `path`, and the digest of its file.

    Raises UsageError where the file is not one of torchvision's inception_v3.
    """
    try:
        digest = sha256(path.read_bytes())
        return Extractor(torch.load(path, map_location="cpu", weights_only=True)), digest
    except OSError as error:
        raise UsageError(f"--fid-weights {path} cannot be read: {error.strerror}.") from None
    except Exception:  # foreign bytes raise anything: there is no common class
        raise UsageError(
            f"--fid-weights {path} is no state dict of torchvision's inception_v3, as its weights "
            "IMAGENET1K_V1 are; save one with torch.save(model.state_dict(), ...)."
        ) from None


def of_images(extractor: Extractor, images: Tensor, device: torch.device) -> Moments:
    """The moments of up to MOST images, uint8 (N, X)."""
    moments = Moments()
    for batch in images[:MOST].split(BATCH):
        moments.add(extractor(batch.to(device) / 255))
    return moments


def of_model(extractor: Extractor, method: Method, count: int) -> Moments:
    """The moments of `count` means of p(x | z) at draws of the prior."""
    moments = Moments()
    for index, first in enumerate(range(0, count, BATCH)):
        z = method.noise("pictures", 1, min(BATCH, count - first), 5, index)[0, 0]
        with torch.no_grad():
            moments.add(extractor(method.target.likelihood.mean(method.target.decoder(z))))
    return moments
