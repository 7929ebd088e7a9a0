"""A feature net: what turns images into the vectors that distances and scores are made of.

Every set metric (Frechet distance, KID, precision, ...) is a function of feature vectors, and two
numbers compare only if one net, one resize and one set of weights made them. So a ``FeatureNet``
carries its name and its weights' SHA-256, and metrics are named after it: ``fd_mnist_lenet``
is a Frechet distance in the features of ``mnist_lenet``; only in Inception's is it called FID.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ..autograd import no_grad
from ..errors import ShapeError
from ..kernels.arrays import Array
from .checks import check_images

BATCH = 250
Forward = Callable[[Array], tuple[Array, Array]]


@dataclass(frozen=True, eq=False)
class Embedding:
    """What a feature net makes of N images.

    Attributes:
        features: (N, d) float32.
        probabilities: of the classes, (N, classes) float32; 0 classes where the net has no head.
    """

    features: Array
    probabilities: Array

    def __len__(self) -> int:
        return len(self.features)


@dataclass(frozen=True, eq=False)
class FeatureNet:
    """A trained net with all that a protocol card says of it.

    Attributes:
        name: ``inception``, or an in-house net's, ``mnist_lenet``: the end of a metric's name.
        sha256: of the weights' file.
        resize: how images come to the size that the net takes, in words.
        forward: images (N, C, H, W) float32 in [-1, 1], of any size and 1 or 3 channels, to
            features (N, d) and class probabilities (N, classes), both float32.
    """

    name: str
    sha256: str
    resize: str
    forward: Forward

    def embed(self, images: Array, *, batch: int = BATCH) -> Embedding:
        """Compute the features and probabilities of images in [-1, 1].

        Shapes: images (N, C, H, W).

        Raises:
            ShapeError: the images are no such batch, or there is none.
            OptionError: a value is not finite or lies outside [-1, 1].
        """
        parts = [*self.stream(images[i : i + batch] for i in range(0, len(images), batch))]
        if not parts:
            raise ShapeError(f"{self.name}: no images; at least one is needed")
        return Embedding(
            np.concatenate([part.features for part in parts]),
            np.concatenate([part.probabilities for part in parts]),
        )

    def stream(self, batches: Iterator[Array]) -> Iterator[Embedding]:
        """Yield an embedding for each batch, so that a large set never lies in memory whole."""
        for images in batches:
            check_images(f"{self.name}: images", images)
            with no_grad():
                yield Embedding(*self.forward(images))
