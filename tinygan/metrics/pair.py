"""Two sets of samples, real and fake, with all that a metric may ask of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..data.toys import Toy
from ..kernels.arrays import Array
from .features import Embedding, FeatureNet

POINTS = "points"


@dataclass(frozen=True, eq=False)
class Side:
    """One set of samples.

    Attributes:
        samples: images (N, C, H, W) in [-1, 1], or points (N, d).
        embedding: what the feature net makes of them; of points, the points themselves.
        labels: (N,) classes, or None.
    """

    samples: Array
    embedding: Embedding
    labels: Array | None = None

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def features(self) -> Array:
        """Features of the samples. Shapes: -> (N, d)."""
        return self.embedding.features

    def take(self, rows: Array) -> Side:
        """Return some of the samples; a row may come more than once."""
        e = self.embedding
        labels = None if self.labels is None else self.labels[rows]
        return Side(self.samples[rows], Embedding(e.features[rows], e.probabilities[rows]), labels)


@dataclass(frozen=True, eq=False)
class Pair:
    """What a measure sees.

    Attributes:
        real: samples of the data.
        fake: samples of the generator.
        net: the feature net; None for points, which are their own features.
        held_out: real samples that the generator was not trained on, or None.
        toy: the distribution that the data are samples of, where it is known.
        generate: the generator, z (n, nz) to samples, or None.
        nz: size of its z.
        distance: perceptual distance of images, (n, C, H, W) twice to (n,): LPIPS, or None.
        distance_name: its name, with that of its trunk: ``lpips_vgg``.
        subsets: of the kernel distance; a bootstrap takes few for each replicate.
        projections: of the sliced Wasserstein distance; likewise.
        seed: of the estimators.
    """

    real: Side
    fake: Side
    net: FeatureNet | None
    held_out: Side | None = None
    toy: Toy | None = None
    generate: Callable[[Array], Array] | None = None
    nz: int = 0
    distance: Callable[[Array, Array], Array] | None = None
    distance_name: str = ""
    subsets: int = 100
    projections: int = 512
    seed: int = 0

    @property
    def net_name(self) -> str:
        """Name of the feature net; ``points`` where there is none."""
        return POINTS if self.net is None else self.net.name


def side(net: FeatureNet | None, samples: Array, labels: Array | None = None) -> Side:
    """Embed samples; points are their own features."""
    if net is None or samples.ndim == 2:
        features = samples.reshape(len(samples), -1)
        return Side(samples, Embedding(features, np.zeros((len(samples), 0), np.float32)), labels)
    return Side(samples, net.embed(samples), labels)
