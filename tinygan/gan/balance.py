"""Fill up the rare classes of a data set with the samples of a conditional generator.

A classifier that sees one class rarely learns to say it rarely. Usual remedies repeat the images
there are, or weigh them more; this adds new ones, x~ = G(z, y) of the rare y. Whether that helps is
to be measured: G has learnt from the same few images (``bench/claims/balance.py``). The samples
train, and never test. Source: Antoniou, Storkey & Edwards, arXiv:1711.04340.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..data import Dataset
from ..errors import DataError, OptionError
from ..kernels.arrays import Array
from .game import Game


def balanced(
    dataset: Dataset, game: Game, *, per_class: int = 0, seed: int | None = None
) -> Dataset:
    """Return a data set with generated samples behind its own, where a class has too few.

    Args:
        dataset: labelled samples.
        game: a trained conditional game, for samples of that shape and as many classes; its
            averaged generator makes them, where it has one.
        per_class: samples that each class is to have at least; 0: as many as the largest class.
        seed: another seed gives other samples; see ``Game.sample``.

    Raises:
        DataError: the set has no labels.
        OptionError: the game knows no classes, or another number of them or shape of samples.
    """
    if dataset.labels is None:
        raise DataError(f"{dataset.name} has no labels, so no class of it is rare")
    classes, known = len(dataset.classes), getattr(game.config, "num_classes", 0)
    if known != classes:
        raise OptionError(f"{dataset!r} and a generator of {known or 'no'} classes: {classes} fit")
    counts = np.bincount(dataset.labels, minlength=classes)
    missing = np.maximum((per_class or counts.max()) - counts, 0)
    labels = np.repeat(np.arange(classes), missing)
    if not labels.size:
        return dataset
    fakes = game.sample(len(labels), labels=labels, seed=seed)
    if fakes.shape[1:] != dataset.shape:
        raise OptionError(f"{dataset!r} and samples of {fakes.shape[1:]}: one shape fits")
    return replace(
        dataset,
        stored=np.concatenate([dataset.stored, _as_stored(fakes, dataset.stored)]),
        labels=np.concatenate([dataset.labels, labels]),
        notes=(*dataset.notes, f"{len(labels)} of the samples are generated"),
        toy=None,  # points of a toy would be drawn anew, without the generated ones
    )


def _as_stored(samples: Array, like: Array) -> Array:
    """Bring samples to the axes and the dtype of a set's array."""
    moved = samples.transpose(0, 2, 3, 1) if samples.ndim == 4 else samples
    if like.dtype == np.uint8:
        moved = np.clip(np.rint((moved + 1.0) * 127.5), 0.0, 255.0)
    return moved.astype(like.dtype)
