"""Two domains without pairs: half of a set as it is, half changed; and digits of three slants.

    half-inverted:NAME  -x, a negative
    half-edges:NAME     the outlines of x, see ``derived``
    slanted:NAME        x sheared until mu_11 / mu_02 is -0.35, 0 or 0.35: left, upright, right

The halves of ``half-inverted:`` and ``half-edges:`` are disjoint, as in CoGAN (arXiv:1606.07536,
section 4), so no image is there beside its counterpart. A digit's slant is a trait that its class
does not tell, as an age is of a face (arXiv:1702.01983); ``slant_of`` measures it by moments alone.
"""

from __future__ import annotations

import numpy as np

from ..kernels.arrays import Array
from ..random import Stream
from .dataset import Dataset
from .derived import invert, outlines
from .painted import ink_of

SLANTS = {"left": -0.35, "upright": 0.0, "right": 0.35}  # columns a row


def half_inverted(dataset: Dataset) -> Dataset:
    """Return a set of images of which one half are negatives; labels say which.

    Raises:
        DataError: the data are no images.
    """
    return _halves(dataset, "inverted", invert(dataset).stored)


def half_edges(dataset: Dataset) -> Dataset:
    """Return a set of images of which one half are outlines; labels say which.

    Raises:
        DataError: the data are no images.
    """
    return _halves(dataset, "edges", outlines(dataset).stored)


def _halves(dataset: Dataset, name: str, changed: Array) -> Dataset:
    """Take every image as it is or changed, at random and as many of both."""
    labels = Stream(0, "halves").permutation(len(dataset)) % 2
    if changed.dtype != dataset.stored.dtype:  # bytes beside floats
        changed = (changed / 127.5 - 1.0).astype(dataset.stored.dtype)
    stored = np.where(labels[:, None, None, None] == 1, changed, dataset.stored)
    name, classes = f"half-{name}-{dataset.name}", ("plain", name)
    return Dataset(name, stored, labels, classes, dataset.source, dataset.notes)


def slanted(dataset: Dataset, *, seed: int = 0) -> Dataset:
    """Shear each image to one of three slants; labels say which.

    Shapes: images (N, 1, H, W), light on dark -> (N, 1, H, W).

    Args:
        dataset: grey images.
        seed: determines the slants.

    Raises:
        DataError: the data are no grey images.
    """
    ink = ink_of(dataset, "slanted")
    labels = Stream(seed, "slanted").integers(len(ink), 0, len(SLANTS))
    wanted = np.array(list(SLANTS.values()))[labels]
    stored = np.rint(_shear(ink, wanted - slant_of(ink))).astype(np.uint8)[..., None]
    name = f"slanted-{dataset.name}"
    return Dataset(name, stored, labels, tuple(SLANTS), dataset.source, dataset.notes)


def slant_of(ink: Array) -> Array:
    """Measure slants by moments: columns to the right for each row upwards, mu_11 / mu_02.

    Shapes: ink (N, H, W), 0 or more -> (N,) float64; 0 of an image without ink.
    """
    mass = ink.astype(np.float64)
    total = np.maximum(mass.sum((1, 2)), 1e-12)  # blank images: 0 / 1e-12
    y = -np.arange(ink.shape[1])[None, :, None] + np.zeros(ink.shape[2])
    x = np.arange(ink.shape[2])[None, None, :]
    dy = y - ((mass * y).sum((1, 2)) / total)[:, None, None]
    dx = x - ((mass * x).sum((1, 2)) / total)[:, None, None]
    spread = (mass * dy * dy).sum((1, 2))
    slant: Array = (mass * dx * dy).sum((1, 2)) / np.where(spread > 0, spread, 1.0)
    return slant


def _shear(ink: Array, by: Array) -> Array:
    """Move rows sideways about the middle one, linear between pixels. Shapes: by (N,)."""
    n, height, width = ink.shape
    up = (height - 1) / 2 - np.arange(height)
    source = np.arange(width) - by[:, None, None] * up[:, None]  # (N, H, W): where it comes from
    left = np.floor(source).astype(np.int64)
    share = source - left
    padded = np.pad(ink.astype(np.float64), ((0, 0), (0, 0), (1, 1)))
    rows = (np.arange(n)[:, None, None], np.arange(height)[:, None])

    def at(place: Array) -> Array:
        pixels: Array = padded[(*rows, np.clip(place + 1, 0, width + 1))]
        return pixels

    moved: Array = (1 - share) * at(left) + share * at(left + 1)
    return moved
