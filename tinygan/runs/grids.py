"""Pictures of samples: grids, PNG and GIF files, scatter plots of 2-D points.

``make_grid`` follows torchvision's function of that name, so that grids compare pixel by pixel;
the value range is always stated and never guessed from the data.

Source: https://github.com/pytorch/vision/blob/main/torchvision/utils.py (make_grid, save_image).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import ShapeError
from ..kernels.arrays import Shape
from .files import PathLike, write_atomic

Array: TypeAlias = npt.NDArray[Any]
PADDING = 2  # pixels around the images of a grid


def make_grid(
    images: Array,
    *,
    nrow: int = 8,
    padding: int = PADDING,
    value_range: tuple[float, float] = (-1.0, 1.0),
    pad_value: float = 0.0,
) -> Array:
    """Lay images out in rows.

    Shapes: images (N, C, H, W) with C 1 or 3, (C, H, W) or (H, W) -> (3, rows * (H + padding) +
    padding, columns * (W + padding) + padding), in [0, 1]. As in torchvision grey images become
    RGB and a single image gets no padding.

    Args:
        images: values within ``value_range``; what lies outside is clipped.
        nrow: images in a row.
        padding: pixels between images and around them.
        value_range: the values that become black and white.
        pad_value: the value of the padding, in [0, 1].

    Raises:
        ShapeError: the images have another shape, or there are none.
    """
    x = np.asarray(images, np.float32)
    x = x.reshape((1,) * (4 - x.ndim) + x.shape) if x.ndim in (2, 3) else x
    if x.ndim != 4 or x.shape[1] not in (1, 3) or x.shape[0] == 0:
        raise ShapeError(f"make_grid: images {np.shape(images)}; (N, 1 or 3, H, W) fits, N >= 1")
    low, high = value_range
    x = (np.clip(x, low, high) - low) / max(high - low, 1e-5)
    x = np.broadcast_to(x, (x.shape[0], 3, *x.shape[2:]))
    if x.shape[0] == 1:
        return np.array(x[0])
    count, _, height, width = x.shape
    columns = min(nrow, count)
    rows = -(-count // columns)
    height, width = height + padding, width + padding
    grid = np.full((3, rows * height + padding, columns * width + padding), pad_value, np.float32)
    for index in range(count):
        top = index // columns * height + padding
        left = index % columns * width + padding
        grid[:, top : top + height - padding, left : left + width - padding] = x[index]
    return grid


def to_uint8(image: Array) -> npt.NDArray[np.uint8]:
    """Round an image in [0, 1] to bytes as torchvision does: (C, H, W) -> (H, W, C).

    Values that are not finite become black.
    """
    scaled = np.nan_to_num(np.asarray(image, np.float32), nan=0.0, posinf=0.0, neginf=0.0) * 255
    rounded: npt.NDArray[np.uint8] = np.clip(scaled + 0.5, 0, 255).astype(np.uint8)
    return rounded.transpose(1, 2, 0)


def save_png(path: PathLike, image: Array) -> None:
    """Write an image (1 or 3, H, W) in [0, 1] as a PNG file, atomically.

    Raises:
        SaveError: it could not be written.
    """
    write_atomic(path, [png_bytes(image)])


def png_bytes(image: Array) -> bytes:
    """Return the PNG file of an image (1 or 3, H, W) in [0, 1]."""
    from PIL import Image

    buffer = io.BytesIO()
    pixels = np.ascontiguousarray(to_uint8(image))
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(buffer, "PNG")
    return buffer.getvalue()


def save_gif(path: PathLike, frames: Sequence[PathLike], *, ms: int = 250) -> None:
    """Write PNG files as the frames of an endless GIF, atomically; the last one stays longer.

    Args:
        path: the GIF to write.
        frames: picture files, all of one size; others than the first's size are left out.
        ms: time of a frame in milliseconds.

    Raises:
        SaveError: it could not be written.
    """
    pictures = [_read_png(frame) for frame in frames]
    pictures = [picture for picture in pictures if picture.size == pictures[0].size]
    if pictures:
        _write_gif(path, pictures, [ms] * (len(pictures) - 1) + [8 * ms])


def save_film(path: PathLike, rows: PathLike, shape: Shape, *, ms: int = 120) -> None:
    """Play a picture of films as an endless GIF, four films a line, atomically.

    Args:
        path: the GIF to write.
        rows: a PNG file, each of whose rows is a film, as ``make_grid`` lays its frames out.
        shape: of a film, (T, H, W).
        ms: time of a frame in milliseconds.

    Raises:
        SaveError: it could not be written.
    """
    from PIL import Image

    frames, height, width = shape[0], shape[1] + PADDING, shape[2] + PADDING
    pixels = np.asarray(_read_png(rows))[PADDING:, PADDING:]
    films = pixels.reshape(-1, height, frames, width, 3)
    films = films[: len(films) // 4 * 4] if len(films) > 4 else films
    lines = films.reshape(-1, min(4, len(films)), height, frames, width, 3)
    moments = lines.transpose(3, 0, 2, 1, 4, 5)  # (T, lines, H, films of a line, W, 3)
    pictures = [Image.fromarray(x.reshape(len(lines) * height, -1, 3)) for x in moments]
    _write_gif(path, pictures, [ms] * frames)


def _read_png(path: PathLike) -> Any:
    from PIL import Image

    with Image.open(path, formats=("PNG",)) as picture:
        return picture.convert("RGB")


def _write_gif(path: PathLike, pictures: Sequence[Any], durations: list[int]) -> None:
    first, *more = (picture.quantize(64) for picture in pictures)
    buffer = io.BytesIO()
    first.save(buffer, "GIF", save_all=True, append_images=more, duration=durations, loop=0)
    write_atomic(path, [buffer.getvalue()])


def scatter(points: Array, *, size: int = 256, limits: tuple[float, float] = (-1.5, 1.5)) -> Array:
    """Draw 2-D points as a density picture: white where there are none, dark where many fall.

    Shapes: points (N, 2) -> (3, size, size), in [0, 1]; x to the right, y upwards.

    Args:
        points: coordinates; those outside ``limits`` are left out.
        size: width and height in pixels.
        limits: the coordinates at the edges, for both axes.
    """
    points = np.asarray(points, np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ShapeError(f"scatter: points {points.shape}; (N, 2) fits")
    cells = np.nan_to_num((points - limits[0]) / (limits[1] - limits[0]) * size, nan=-1.0)
    inside = ((cells >= 0) & (cells < size)).all(axis=1)
    column, row = cells[inside].astype(np.intp).T
    counts = np.zeros((size + 2, size + 2))
    for down in range(3):  # each point is a dot of 3 x 3 pixels
        for right in range(3):
            np.add.at(counts, (size - 1 - row + down, column + right), 1.0)
    ink = 1.0 - 0.6 ** counts[1:-1, 1:-1]
    colour = np.array([0.12, 0.35, 0.75]).reshape(3, 1, 1)
    return (1.0 - ink * (1.0 - colour)).astype(np.float32)
