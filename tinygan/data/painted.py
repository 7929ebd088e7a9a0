"""Painted digits: grey images in one of four colours, the label of each.

    x = ink * colour,   ink = (grey + 1) / 2 in [0, 1],   on black

The largest channel of a painted image is the grey one that it was made of, so a classifier of grey
images judges what is drawn apart from its colour. Each image is there in one colour alone: whoever
learns to change the colour has seen no pair.

The domains of StarGAN (arXiv:1711.09020) are such labels; the colours are ours.
"""

from __future__ import annotations

import numpy as np

from ..kernels.arrays import Array
from ..random import Stream
from .dataset import Dataset, check_images

COLOURS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "yellow": (1, 1, 0)}
_RGB = np.array(list(COLOURS.values()), np.uint8)


def painted(dataset: Dataset, *, seed: int = 0) -> Dataset:
    """Paint each image of a grey data set in a colour drawn for it.

    Shapes: images (N, 1, H, W) -> (N, 3, H, W); labels: the colour, from 0, in ``COLOURS``' order.

    Args:
        dataset: grey images.
        seed: determines the colours.

    Raises:
        DataError: the data are no grey images.
    """
    ink = ink_of(dataset, "painted")
    labels = Stream(seed, "painted").integers(len(ink), 0, len(COLOURS))
    stored = paint(ink, labels)
    name = f"painted-{dataset.name}"
    return Dataset(name, stored, labels, tuple(COLOURS), dataset.source, dataset.notes)


def ink_of(dataset: Dataset, what: str, *, labelled: bool = False) -> Array:
    """Return how much ink each pixel of a grey data set has. Shapes: -> (N, H, W) uint8.

    Args:
        dataset: grey images, light on dark.
        what: asks for it; it begins the message.
        labelled: the set must have labels too.

    Raises:
        DataError: the data are no grey images, or have no labels.
    """
    check_images(what, dataset, grey=True, labelled=labelled)
    stored = dataset.stored[..., 0]
    if stored.dtype == np.uint8:
        return stored
    ink: Array = np.rint((stored + 1.0) * 127.5).astype(np.uint8)
    return ink


def paint(ink: Array, colours: Array) -> Array:
    """Paint images on black. Shapes: ink (N, H, W) uint8, colours (N,) -> (N, H, W, 3)."""
    painted: Array = ink[..., None] * _RGB[colours][:, None, None, :]
    return painted
