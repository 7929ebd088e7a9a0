"""Moving digits: films of a digit that goes its way and bounces off the walls.

    p_{t+1} = p_t + v,   v of whole pixels a frame along each axis, one of them not 0

A film is a sample (T, H, W): its frames are the channels. So data sets, batches and checkpoints
hold films as they hold images, in memory a pixel's frames lie side by side, and ``conv3d`` takes
``x.reshape(N, 1, T, H, W)``, which copies nothing. A side of the canvas is the least power of two
that leaves a quarter of the digit's side to move in: 16 pixels for digits of 8 to 12. Along an axis
v is a quarter of that room at most, either way. Places are whole pixels: a frame's digit is the
image itself, which a classifier of images can tell.

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

FRAMES, FILMS = 8, 8_000


def moving(dataset: Dataset, *, films: int = FILMS, frames: int = FRAMES, seed: int = 0) -> Dataset:
    """Let images of a grey data set move on a larger canvas.

    Shapes: images (N, 1, H, W) -> (films, frames, H', W'), see above; labels as the images have
    them.

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
    sides = [canvas_side(side) for side in (height, width)]
    canvas = np.zeros((films, *sides, frames), np.uint8)
    reach = sides[0] - height, sides[1] - width
    top, left = (paths(films, frames, room, stream) for room in reach)
    still = (top[:, 0] == top[:, 1]) & (left[:, 0] == left[:, 1])
    left[still] = _bounce(left[still, :1] + np.arange(frames), reach[1])  # nothing stands still
    rows, columns = np.arange(height)[:, None], np.arange(width)
    film = np.arange(films)[:, None, None]
    for t in range(frames):
        y, x = top[:, t, None, None] + rows, left[:, t, None, None] + columns
        canvas[film, y, x, t] = ink[chosen]
    labels = None if dataset.labels is None else dataset.labels[chosen]
    name = f"moving-{dataset.name}"
    return Dataset(name, canvas, labels, dataset.classes, dataset.source, dataset.notes)


def canvas_side(side: int) -> int:
    """Return the least power of two that is 5/4 of a side or more."""
    return 1 << (-(-5 * side // 4) - 1).bit_length()


def paths(films: int, frames: int, reach: int, stream: Stream) -> Array:
    """Draw places, whole pixels, that go from 0 to ``reach`` and back. Shapes: (films, frames)."""
    begin = stream.integers((films, 1), 0, 2 * reach)  # the second half comes back
    fastest = max(1, reach // 4)
    speed = stream.integers((films, 1), -fastest, fastest + 1)
    return _bounce(begin + speed * np.arange(frames), reach)


def _bounce(place: Array, reach: int) -> Array:
    """Fold places on a line into 0 to ``reach``."""
    folded: Array = reach - abs(place % (2 * reach) - reach)
    return folded
