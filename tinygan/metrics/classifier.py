"""Are generated digits digits? A small convolutional net, trained on the real ones, judges.

    conv 3x3, 16 -> ReLU -> max-pool 2 -> conv 3x3, 32 -> ReLU -> max-pool 2 -> 64 ReLU -> classes

It answers two questions about samples: how sure is it of its best class on average (fidelity), and
which classes occur (coverage). Its 64 features give a Frechet distance too, which is named after
the net, ``fd_digits_net``: numbers in other features than Inception's are never called FID.

Protocol: four fifths of the set train the net, every second batch, at random, shifted by up to a
sixteenth of the image; the rest measures its accuracy. Every random number comes from streams of
their own, so the net of a set, seed and backend is always the same, whatever was drawn before.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from .. import nn, ops, optim, random
from ..autograd import Tensor, grad, no_grad
from ..data import Dataset, load
from ..errors import DataError, ShapeError
from ..kernels.arrays import Array, Shape
from .fid import frechet_distance, gaussian_statistics

EPOCHS, BATCH, LR = 30, 64, 6e-3  # then its mean confidence on held-out digits is its accuracy
TRAIN_SHARE = 0.8
FEATURES = 64
_EVAL_BATCH = 500


class ClassifierNet(nn.Module):
    """Grey or colour images to logits. Shapes: x (N, C, H, W) -> (N, classes)."""

    def __init__(self, image_shape: Shape, classes: int) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.body = nn.Sequential(
            nn.Conv2d(channels, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(32 * (height // 4) * (width // 4), FEATURES),
            nn.ReLU(),
        )
        self.head = nn.Linear(FEATURES, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the logits."""
        logits: Tensor = self.head(self.body(x))
        return logits


@dataclass(frozen=True, eq=False)
class Classifier:
    """A trained judge.

    Attributes:
        net: the network, in evaluation mode.
        image_shape: (C, H, W) of the images that it takes.
        classes: names of the classes.
        accuracy: share of the held-out images that it gets right.
        real_mean: mean of the features of all real images, (64,).
        real_cov: their covariance, (64, 64).
    """

    net: ClassifierNet
    image_shape: Shape
    classes: tuple[str, ...]
    accuracy: float
    real_mean: Array
    real_cov: Array

    def features(self, images: Array) -> Array:
        """Compute the activations before the last layer. Shapes: (N, C, H, W) -> (N, 64)."""
        self._check(images)
        return _in_batches(self.net.body, images)

    def probabilities(self, images: Array) -> Array:
        """Compute the class probabilities. Shapes: (N, C, H, W) -> (N, classes)."""
        self._check(images)
        return _in_batches(lambda x: ops.softmax(self.net(x), 1), images)

    def _check(self, images: Array) -> None:
        if images.ndim != 4 or images.shape[1:] != self.image_shape or not len(images):
            raise ShapeError(
                f"images of shape {images.shape}: this classifier takes (N, {self.image_shape})"
            )


def _in_batches(fn: Any, images: Array) -> Array:
    with no_grad():
        parts = [
            fn(Tensor(images[i : i + _EVAL_BATCH])).numpy()
            for i in range(0, len(images), _EVAL_BATCH)
        ]
    return np.concatenate(parts)


def train_classifier(dataset: Dataset, *, seed: int = 0, epochs: int = EPOCHS) -> Classifier:
    """Train a classifier on a labelled set of images; see the protocol above.

    Raises:
        DataError: the set has no labels, or no images of at least 4 x 4 pixels.
    """
    if dataset.labels is None or len(dataset.shape) != 3 or min(dataset.shape[1:]) < 4:
        raise DataError(f"{dataset!r}: a classifier needs labelled images of 4 x 4 pixels or more")
    streams = random.Streams(seed)
    order = streams.stream("split").permutation(len(dataset))
    cut = round(TRAIN_SHARE * len(dataset))
    train, held_out = order[:cut], order[cut:]
    with random.using(streams):
        net = ClassifierNet(dataset.shape, len(dataset.classes))
        adam = optim.Adam(net.parameters(), LR)
        for epoch in range(1, epochs + 1):
            streams.step = epoch
            adam.lr = LR * (1.0 - (epoch - 1) / epochs)
            _train_epoch(net, adam, dataset, train[streams.stream("order").permutation(cut)])
    net.eval()
    right = _in_batches(net, dataset.take(held_out)).argmax(1) == dataset.labels[held_out]
    statistics = gaussian_statistics(_in_batches(net.body, dataset.arrays))
    return Classifier(net, dataset.shape, dataset.classes, float(right.mean()), *statistics)


def _train_epoch(net: ClassifierNet, adam: optim.Adam, dataset: Dataset, rows: Array) -> None:
    assert dataset.labels is not None
    for begin in range(0, len(rows) - BATCH + 1, BATCH):
        batch = rows[begin : begin + BATCH]
        logits = net(Tensor(_shifted(dataset.take(batch))))
        loss = ops.cross_entropy(logits, dataset.labels[batch])
        adam.step(grad(loss, adam.params))


def _shifted(images: Array) -> Array:
    """Shift every second batch by up to a sixteenth of its size; its darkest value comes in."""
    reach = images.shape[2] // 16
    stream = random.current().stream("shift")
    if not reach or stream.bernoulli(1, 0.5)[0]:
        return images
    dy, dx = stream.integers(2, -reach, reach + 1)
    out = np.full_like(images, images.min())
    height, width = images.shape[2:]
    out[:, :, max(0, dy) : height + min(0, dy), max(0, dx) : width + min(0, dx)] = images[
        :, :, max(0, -dy) : height + min(0, -dy), max(0, -dx) : width + min(0, -dx)
    ]
    return out


@cache
def digit_classifier(size: int = 16) -> Classifier:
    """Return the classifier of the embedded digits at ``size`` pixels; trained at the first call.

    Args:
        size: 8, 16 or 32, or any other size that the digits are resized to.
    """
    return train_classifier(load("digits", size=size))


def digit_fidelity(images: Array, classifier: Classifier) -> dict[str, Any]:
    """Judge samples: how sure the classifier is, and which classes they cover.

    Shapes: images (N, C, H, W) in [-1, 1].

    Returns:
        ``top_probability``: mean of each sample's largest class probability;
        ``histogram``: samples by most probable class; ``classes``: classes that occur;
        ``fd_digits_net``: Frechet distance to the real images in the classifier's features (not
        FID); ``n``: samples; ``accuracy``: the classifier's own on held-out real images.

    Raises:
        ShapeError: the images have another shape than the classifier takes.
    """
    p = classifier.probabilities(images)
    histogram = np.bincount(p.argmax(1), minlength=p.shape[1])
    mean, cov = gaussian_statistics(classifier.features(images))
    return {
        "top_probability": float(p.max(1).mean()),
        "histogram": histogram.tolist(),
        "classes": int((histogram > 0).sum()),
        "fd_digits_net": frechet_distance(mean, cov, classifier.real_mean, classifier.real_cov),
        "n": len(images),
        "accuracy": classifier.accuracy,
    }
