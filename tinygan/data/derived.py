"""Sets made of others: inverted and coloured images, and edges beside what they are of.

    inverted:NAME   -x, a negative
    coloured:NAME   grey images, each times a random colour of full brightness
    edges:NAME      pairs: the outlines of each image, dark on white, and the image

The outlines are those of Canny (IEEE PAMI 8, 1986) but for his tracing of weak edges. Of the
luminance L, smoothed by [1 2 1] / 4 along both axes:

    g = (L * Sx, L * Sy)                Sobel's derivatives, divided by 8
    a pixel lies on an edge where |g| > threshold, and where it is no smaller than at both
    neighbours along the direction of g, rounded to 45 degrees

so edges are one or two pixels wide, and grey levels between them are lost: what pix2pix
(arXiv:1611.07004, section 4) has to make up. Deviation: the paper takes HED's learned edges.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..kernels.arrays import Array
from ..random import Stream
from .dataset import Dataset, check_images
from .pairs import join
from .resize import with_channels

THRESHOLD = 0.06  # of |g|, where white minus black is 1
_NEIGHBOURS = ((0, 1), (1, 1), (1, 0), (1, -1))  # along 0, 45, 90 and 135 degrees


def invert(dataset: Dataset) -> Dataset:
    """Return the negatives of images.

    Raises:
        DataError: these are no images.
    """
    check_images("inverted", dataset)
    bytes_ = dataset.stored.dtype == np.uint8
    stored = 255 - dataset.stored if bytes_ else -dataset.stored
    return replace(dataset, name=f"inverted-{dataset.name}", stored=stored)


def colour(dataset: Dataset, *, seed: int = 0) -> Dataset:
    """Return grey images in a random colour each; black stays black.

    Shapes: images (N, 1, H, W) -> (N, 3, H, W).

    Args:
        dataset: grey images.
        seed: determines the colours: hue uniform, saturation and value 1.

    Raises:
        DataError: these are no grey images.
    """
    check_images("coloured", dataset, grey=True)
    hue = Stream(seed, "coloured").uniform(len(dataset), 0.0, 6.0)
    # HSV to RGB at full saturation: each channel is a trapezoid of the hue, a third apart
    distance = np.abs((hue[:, None] - np.array([0.0, 2.0, 4.0]) + 3.0) % 6.0 - 3.0)
    rgb = np.clip(2.0 - distance, 0.0, 1.0)[:, None, None, :]
    if dataset.stored.dtype == np.uint8:
        stored = np.rint(dataset.stored * rgb).astype(np.uint8)
    else:
        stored = ((dataset.stored + 1.0) * rgb - 1.0).astype(np.float32)
    return replace(dataset, name=f"coloured-{dataset.name}", stored=stored)


def edge_pairs(dataset: Dataset, *, threshold: float = THRESHOLD) -> Dataset:
    """Return pairs of the outlines of images (A, grey) and the images (B).

    Args:
        dataset: images.
        threshold: least slope of the luminance that counts, above 0, where black to white is 1.

    Raises:
        DataError: these are no images.
    """
    lines = outlines(dataset, threshold=threshold)
    return join(lines, dataset, matched=True, name=lines.name)


def outlines(dataset: Dataset, *, threshold: float = THRESHOLD) -> Dataset:
    """Return the outlines of images, dark on white, grey, without labels; see ``edge_pairs``.

    Raises:
        DataError: these are no images.
    """
    check_images("edges", dataset)
    lines = np.concatenate([edges(x[None], threshold=threshold) for x in dataset.stored])
    return replace(dataset, name=f"edges-{dataset.name}", stored=lines, labels=None, classes=())


def edges(images: Array, *, threshold: float = THRESHOLD) -> Array:
    """Draw the outlines of images: 0 on an edge, 255 elsewhere.

    Shapes: images (N, H, W, 1 or 3), uint8 or float32 in [-1, 1] -> (N, H, W, 1), uint8.

    Args:
        images: as a data set stores them.
        threshold: least |g|, see the module.
    """
    grey = with_channels(images, 1)[..., 0].astype(np.float64)
    grey = grey / 255.0 if images.dtype == np.uint8 else (grey + 1.0) / 2.0
    smooth = _filtered(_filtered(grey, (1, 2, 1), 1), (1, 2, 1), 2) / 16.0
    gx = _filtered(_filtered(smooth, (1, 2, 1), 1), (-1, 0, 1), 2) / 8.0
    gy = _filtered(_filtered(smooth, (1, 2, 1), 2), (-1, 0, 1), 1) / 8.0
    slope = np.hypot(gx, gy)
    sector = np.rint(np.arctan2(gy, gx) / (np.pi / 4.0)).astype(int) % 4
    around = np.pad(slope, ((0, 0), (1, 1), (1, 1)))
    h, w = slope.shape[1:]
    ridge = np.zeros(slope.shape, bool)
    for k, (dy, dx) in enumerate(_NEIGHBOURS):
        ahead, behind = (
            around[:, 1 + s * dy : 1 + s * dy + h, 1 + s * dx : 1 + s * dx + w] for s in (1, -1)
        )
        ridge |= (sector == k) & (slope >= ahead) & (slope >= behind)
    line = ridge & (slope > threshold)
    return np.where(line, 0, 255).astype(np.uint8)[..., None]


def _filtered(x: Array, taps: tuple[int, int, int], axis: int) -> Array:
    """Correlate along an axis with three taps; the border pixel is repeated."""
    widths = [(1, 1) if k == axis else (0, 0) for k in range(3)]
    padded, extent = np.pad(x, widths, mode="edge"), x.shape[axis]
    before, at, after = (np.take(padded, range(k, k + extent), axis) for k in range(3))
    out: Array = taps[0] * before + taps[1] * at + taps[2] * after
    return out
