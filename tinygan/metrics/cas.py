"""Classification accuracy score: how well a classifier that was trained on fakes knows real images.

    CAS = accuracy on the real test set of a classifier that was trained on labelled fakes

beside that of the same classifier trained on real images. A generator that drops a part of a class,
or draws it blurred, loses accuracy here although its samples may look good. Source: Ravuri &
Vinyals, arXiv:1905.10887. *Deviation*: the classifier is the small net of ``house_nets.py``,
trained by the protocol of ``classifier.py``, where the paper trains a ResNet-50.

Protocol: as many fakes as reals, or the comparison is one of sizes; the card states both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..data import Dataset
from ..errors import DataError
from .classifier import EPOCHS, LR, Classifier, train_classifier


@dataclass(frozen=True)
class AccuracyScore:
    """A classification accuracy score and what it is to be compared with.

    Attributes:
        fake: accuracy on real test images of the classifier that fakes trained: the score, 0 to 1.
        real: accuracy on the same images of the classifier that reals trained.
        fake_by_class: ``fake`` of each class; NaN where the test set has none of it.
        real_by_class: ``real`` of each class.
        n_fake: fakes that trained.
        n_real: reals that trained.
        n_test: images that tested.
    """

    fake: float
    real: float
    fake_by_class: tuple[float, ...]
    real_by_class: tuple[float, ...]
    n_fake: int
    n_real: int
    n_test: int


def classification_accuracy_score(
    fake: Dataset,
    real: Dataset,
    test: Dataset,
    *,
    seed: int = 0,
    epochs: int = EPOCHS,
    lr: float = LR,
) -> AccuracyScore:
    """Train one classifier on labelled fakes and one on reals, and test both on real images.

    Args:
        fake: generated images, each with the class that it was generated for.
        real: the images that trained the generator, with their classes.
        test: real images that trained neither.
        seed: of both classifiers.
        epochs: of both.
        lr: of both, at the first epoch.

    Raises:
        DataError: a set has no labels, too few images, or images of less than 4 x 4 pixels.
        ShapeError: the sets' images differ in shape, or their classes.
    """
    if test.labels is None or not len(test):
        raise DataError(f"{test!r}: the test set needs labelled images")
    test = replace(test, classes=real.classes)
    by_fake, by_real = (
        train_classifier(x, test=test, seed=seed, epochs=epochs, lr=lr) for x in (fake, real)
    )
    return AccuracyScore(
        by_fake.accuracy,
        by_real.accuracy,
        _by_class(by_fake, test),
        _by_class(by_real, test),
        len(fake),
        len(real),
        len(test),
    )


def _by_class(classifier: Classifier, test: Dataset) -> tuple[float, ...]:
    rows = [np.flatnonzero(test.labels == label) for label in range(len(test.classes))]
    return tuple(classifier.accuracy_of(test, r) if len(r) else float("nan") for r in rows)
