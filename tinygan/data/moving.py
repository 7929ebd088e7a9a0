"""Moving digits: films of a digit that goes its way and bounces off the walls.

    p_{t+1} = p_t + v,   v of -2 to 2 pixels a frame along each axis, one of them not 0

A film is a sample (T, H, W): its frames are the channels. So data sets, batches and checkpoints
hold films as they hold images, in memory a pixel's frames lie side by side, and ``conv3d`` takes
``x.reshape(N, 1, T, H, W)``, which copies nothing. The canvas has twice the side of the digit, and
places are whole pixels: a frame's digit is the image itself, which a classifier of images can tell.

The moving digits of Srivastava et al., arXiv:1502.04681, section 4, with one digit of two and small
films; MoCoGAN and VGAN train on such content and motion.
"""

from __future__ import annotations

import numpy as np

from ..errors import DataError, OptionError
from ..kernels.arrays import Array
from ..random import Stream
from .dataset import Dataset
from .painted import ink_of

FRAMES, FILMS, SPEED = 8, 8_000, 2


def moving(dataset: Dataset, *, films: int = FILMS, frames: int = FRAMES, seed: int = 0) -> Dataset:
    """Let images of a grey data set move on a canvas of twice their side.

    Shapes: images (N, 1, H, W) -> (films, frames, 2 H, 2 W); labels as the images have them.

    Args:
        dataset: grey images, light on dark.
        films: how many to make.
        frames: T, 4 or more (of 3 they would pass for colours).
        seed: determines images, places and velocities.

    Raises:
        DataError: the data are no grey images.
        OptionError: ``films`` or ``frames`` is out of range.
    """
    ink = ink_of(dataset, "moving")
    if films < 1 or frames < 4:
        raise OptionError(f"moving(films={films}, frames={frames}): 1 or more of 4 or more fit")
    if min(ink.shape[1:]) < 2:
        raise DataError(f"moving:{dataset.name}: images of 2 pixels or more have room to move")
    stream = Stream(seed, "moving")
    chosen = stream.integers(films, 0, len(ink))
    height, width = ink.shape[1:]
    canvas = np.zeros((films, 2 * height, 2 * width, frames), np.uint8)
    top, left = (paths(films, frames, side, stream) for side in (height, width))
    still = (top[:, 0] == top[:, 1]) & (left[:, 0] == left[:, 1])
    left[still] = _bounce(left[still, :1] + np.arange(frames), width)  # nothing stands still
    rows, columns = np.arange(height)[:, None], np.arange(width)
    film = np.arange(films)[:, None, None]
    for t in range(frames):
        y, x = top[:, t, None, None] + rows, left[:, t, None, None] + columns
        canvas[film, y, x, t] = ink[chosen]
    labels = None if dataset.labels is None else dataset.labels[chosen]
    name = f"moving-{dataset.name}"
    return Dataset(name, canvas, labels, dataset.classes, dataset.source, dataset.notes)


def paths(films: int, frames: int, reach: int, stream: Stream) -> Array:
    """Draw places, whole pixels, that go from 0 to ``reach`` and back. Shapes: (films, frames)."""
    begin = stream.integers((films, 1), 0, 2 * reach)  # the second half comes back
    speed = stream.integers((films, 1), -SPEED, SPEED + 1)
    return _bounce(begin + speed * np.arange(frames), reach)


def _bounce(place: Array, reach: int) -> Array:
    """Fold places on a line into 0 to ``reach``."""
    folded: Array = reach - abs(place % (2 * reach) - reach)
    return folded
