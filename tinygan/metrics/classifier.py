"""Are generated digits digits? A small convolutional net, trained on the real ones, judges.

The net is that of ``house_nets.py``. It answers two questions about samples: how sure is it of its
best class on average (fidelity), and which classes occur (coverage). Its 64 features give a Frechet
distance too, which is named after the net, ``fd_digits_net``: numbers in other features than
Inception's are never called FID.

Protocol: without a test set, four fifths of the set train the net and the rest measures its
accuracy; with one, the whole set trains it. Adam on batches of 64, the learning rate falling
linearly to 0 over the epochs; every second batch, at random, is shifted by up to a sixteenth of the
image. The accuracy is measured once, after the last epoch; nothing is selected by it. Every random
number comes from streams of their own, so the net of a set, seed and backend is always the same,
whatever was drawn before.
"""

from __future__ import annotations

from collections.abc import Callable
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
from .house_nets import ClassifierNet, house_card, load_house_net

EPOCHS, BATCH, LR = 30, 64, 6e-3  # then its mean confidence on held-out digits is its accuracy
TRAIN_SHARE = 0.8
_EVAL_BATCH = 500

Forward = Callable[[Tensor], Tensor]


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
        return in_batches(self.net.body, images)

    def probabilities(self, images: Array) -> Array:
        """Compute the class probabilities. Shapes: (N, C, H, W) -> (N, classes)."""
        self._check(images)
        return in_batches(lambda x: ops.softmax(self.net(x), 1), images)

    def accuracy_of(self, dataset: Dataset, rows: Array) -> float:
        """Return the share that the net gets right of some rows of a labelled set.

        Raises:
            DataError: the set has no labels.
            ShapeError: its images have another shape than the net takes, or there is no row.
        """
        labels = _labels(dataset)
        self._check(dataset.take(rows[:1]))
        return _accuracy(self.net, dataset, labels, rows)

    def _check(self, images: Array) -> None:
        if images.ndim != 4 or images.shape[1:] != self.image_shape or not len(images):
            raise ShapeError(
                f"images of shape {images.shape}: this classifier takes (N, {self.image_shape})"
            )


def in_batches(fn: Forward, inputs: Array) -> Array:
    """Apply a network to arrays of any number of rows, without recording a graph."""
    with no_grad():
        parts = [
            fn(Tensor(inputs[i : i + _EVAL_BATCH])).numpy()
            for i in range(0, len(inputs), _EVAL_BATCH)
        ]
    return np.concatenate(parts)


def _over_rows(fn: Forward, dataset: Dataset, rows: Array) -> Array:
    """Apply a network to some rows of a set, decoding a batch at a time."""
    starts = range(0, len(rows), _EVAL_BATCH)
    return np.concatenate([in_batches(fn, dataset.take(rows[i : i + _EVAL_BATCH])) for i in starts])


def _accuracy(net: ClassifierNet, dataset: Dataset, labels: Array, rows: Array) -> float:
    return float((_over_rows(net, dataset, rows).argmax(1) == labels[rows]).mean())


def _labels(dataset: Dataset) -> Array:
    if dataset.labels is None or len(dataset.shape) != 3 or min(dataset.shape[1:]) < 4:
        raise DataError(f"{dataset!r}: a classifier needs labelled images of 4 x 4 pixels or more")
    return dataset.labels


def train_classifier(
    dataset: Dataset,
    *,
    test: Dataset | None = None,
    seed: int = 0,
    epochs: int = EPOCHS,
    lr: float = LR,
) -> Classifier:
    """Train a classifier on a labelled set of images; see the protocol above.

    Args:
        dataset: what trains it; at least 64 images.
        test: measures its accuracy; None measures on a fifth of ``dataset`` that doesn't train.
        seed: of the weights, the split, the order and the shifts.
        epochs: passes over the training images.
        lr: Adam's learning rate at the first epoch.

    Raises:
        DataError: a set has no labels or no images of at least 4 x 4 pixels, or holds too few.
        ShapeError: the two sets' images differ in shape.
    """
    labels = _labels(dataset)
    if test is not None and (test.shape != dataset.shape or test.classes != dataset.classes):
        raise ShapeError(f"{test!r} does not fit {dataset!r}: the same shape and classes fit")
    streams = random.Streams(seed)
    order = streams.stream("split").permutation(len(dataset))
    cut = len(dataset) if test is not None else round(TRAIN_SHARE * len(dataset))
    if cut < BATCH:
        raise DataError(f"{dataset!r}: {cut} images to train on; {BATCH} are the least")
    with random.using(streams):
        net = ClassifierNet(dataset.shape, len(dataset.classes))

        def batch(rows: Array) -> tuple[Array, Array]:
            return _shifted(dataset.take(order[rows])), labels[order[rows]]

        fit_classes(net, batch, cut, epochs=epochs, lr=lr)
    if test is None:
        accuracy = _accuracy(net, dataset, labels, order[cut:])
    else:
        accuracy = _accuracy(net, test, _labels(test), np.arange(len(test)))
    return _judge(net, dataset, accuracy)


def _judge(net: ClassifierNet, dataset: Dataset, accuracy: float) -> Classifier:
    features = _over_rows(net.body, dataset, np.arange(len(dataset)))
    statistics = gaussian_statistics(features)
    return Classifier(net, dataset.shape, dataset.classes, accuracy, *statistics)


def fit_classes(
    net: nn.Module,
    batch: Callable[[Array], tuple[Array, Array]],
    n: int,
    *,
    epochs: int,
    lr: float,
) -> None:
    """Train a net to tell classes by cross-entropy, and leave it in evaluation mode.

    Adam on shuffled batches of 64 (all n where n is less; a rest that fills no batch waits for
    another epoch), its learning rate falling linearly to 0. The order comes from the current
    streams, whose step is the epoch.

    Args:
        net: inputs to logits (B, classes).
        batch: gives inputs and labels of the rows asked for, int64 (B,) of 0 to n - 1.
        n: rows there are.
        epochs: passes over them.
        lr: the learning rate of the first epoch.
    """
    streams = random.current()
    adam = optim.Adam(net.parameters(), lr)
    size = min(BATCH, n)
    for epoch in range(1, epochs + 1):
        streams.step = epoch
        adam.lr = lr * (1.0 - (epoch - 1) / epochs)
        order = streams.stream("order").permutation(n)
        for begin in range(0, n - size + 1, size):
            inputs, labels = batch(order[begin : begin + size])
            loss = ops.cross_entropy(net(Tensor(inputs)), labels)
            adam.step(grad(loss, adam.params))
    net.eval()


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
    """Return the classifier of the embedded digits at ``size`` pixels.

    That of 16 pixels is the house net ``digits_lenet``, whose weights ship with tinygan; others are
    trained by the same routine at the first call.

    Args:
        size: 8, 16 or 32, or any other size that the digits are resized to.
    """
    dataset = load("digits", size=size)
    card = house_card("digits_lenet")
    if dataset.shape != tuple(card["image_shape"]):
        return train_classifier(dataset)
    return _judge(load_house_net("digits_lenet"), dataset, card["accuracy"])


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
