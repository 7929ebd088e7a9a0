"""Two domains without pairs: half of a set as it is, half changed; and digits of three slants.

    half-edges     e = (max - min of 3 x 3 pixels) - 1            morphological gradient
    half-negative  -x
    slanted        x sheared until mu_11 / mu_02 is -0.35, 0 or 0.35: left, upright, right

The halves of ``half-edges:`` and ``half-negative:`` are disjoint, as in CoGAN (arXiv:1606.07536,
section 4), so no image is there beside its counterpart. A digit's slant is a trait that its class
does not tell, as an age is of a face (arXiv:1702.01983); ``slant_of`` measures it by moments alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import DataError
from ..kernels.arrays import Array
from ..random import Stream
from .dataset import Dataset
from .painted import ink_of

SLANTS = {"left": -0.35, "upright": 0.0, "right": 0.35}  # columns a row


def edges(images: Array) -> Array:
    """Return the edges of images: what the brightest of 3 x 3 pixels has over the darkest.

    Shapes: (N, H, W, C) in [-1, 1], or uint8, -> the same; float images in [-1, 1] too.
    """
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), "edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    height: Array = windows.max((-1, -2)) - windows.min((-1, -2))
    return height if images.dtype == np.uint8 else height - height.dtype.type(1)


def negative(images: Array) -> Array:
    """Return the negatives of images. Shapes: (N, H, W, C) in [-1, 1] or uint8 -> the same."""
    return ~images if images.dtype == np.uint8 else -images


def two_domains(dataset: Dataset, name: str, change: Callable[[Array], Array]) -> Dataset:
    """Change one half of a set of images, chosen at random; labels say the domain, 0 or 1.

    Args:
        dataset: images.
        name: of the second domain.
        change: makes images of the second domain of those of the first.

    Raises:
        DataError: the data are no images, or there is only one.
    """
    if len(dataset.shape) != 3 or len(dataset) < 2:
        raise DataError(f"half-{name}:{dataset.name}: it takes images; these are {dataset!r}")
    labels = Stream(0, "domains").permutation(len(dataset)) % 2
    stored = dataset.stored.copy()
    stored[labels == 1] = change(dataset.stored[labels == 1])
    return Dataset(
        f"half-{name}-{dataset.name}",
        stored,
        labels,
        ("plain", name),
        dataset.source,
        dataset.notes,
    )


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
