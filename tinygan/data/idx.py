"""IDX files, plain or gzip: the format of MNIST and of its many successors.

Layout: two zero bytes, a byte that names the dtype, a byte with the number of dimensions, each
dimension as a big-endian uint32, then the values, last dimension fastest. Format:
http://yann.lecun.com/exdb/mnist (LeCun, Cortes, Burges), section "The IDX file format".

A folder in MNIST's manner holds ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and the
same with ``t10k`` for the test split, each plain or ``.gz``, with ``-`` or ``.`` before ``idx``.
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..errors import DataError
from ..kernels.arrays import Array, Shape
from ._guard import bound, checked_labels, class_numbers, reading, unpacked
from .dataset import Dataset

FITS = "a whole IDX file, plain or gzip, is needed"
PREFIXES = {"train": "train", "test": "t10k"}
_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def _header(file: BinaryIO, path: Path) -> tuple[np.dtype[np.generic], Shape]:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _DTYPES:
        raise DataError(f"{path}: bad IDX magic {magic.hex() or '(empty file)'}; {FITS}")
    if not 1 <= magic[3] <= 4:
        raise DataError(f"{path}: {magic[3]} dimensions; 1 to 4 fit")
    sizes = file.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise DataError(f"{path}: ends inside its header; {FITS}")
    return np.dtype(_DTYPES[magic[2]]), tuple(np.frombuffer(sizes, ">u4").tolist())


def is_idx(start: bytes) -> bool:
    """Tell whether bytes start with the magic of an IDX file of 1 to 4 dimensions."""
    start = start[:4].ljust(4, b"\0")
    return start[:2] == b"\0\0" and start[2] in _DTYPES and 1 <= start[3] <= 4


def read_idx(path: Path) -> Array:
    """Read one IDX file; the number of bytes must be what the header says.

    Returns:
        An array of the header's shape, in native byte order.

    Raises:
        DataError: the file is missing, truncated, too long, too large, or of another kind.
    """
    with reading(path, FITS), unpacked(path) as (file, most):
        dtype, shape = _header(file, path)
        count = prod(shape) * dtype.itemsize
        if count > most:
            raise DataError(f"{path}: the file can't hold the {shape} of its header; {FITS}")
        bound(path, count)
        data = file.read(count + 1)  # one more, so that gzip meets its end and checks its sum
        if len(data) != count:
            found = "more" if len(data) > count else f"only {len(data)}"
            raise DataError(f"{path}: {count} bytes of values expected, {found} found; {FITS}")
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="))


def _find(folder: Path, split: str, what: str) -> Path | None:
    kind = {"images": "idx3", "labels": "idx1"}[what]
    names = [f"{PREFIXES[split]}-{what}{dot}{kind}-ubyte{gz}" for dot in "-." for gz in ("", ".gz")]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def is_idx_folder(folder: Path) -> bool:
    """Tell whether a folder holds MNIST's images of either split."""
    return any(_find(folder, split, "images") for split in PREFIXES)


def read_images(path: Path) -> Array:
    """Read the images of an IDX file. Shapes: -> (N, H, W, C) uint8, C 1 or 3.

    Raises:
        DataError: as ``read_idx``, or the file does not hold uint8 images.
    """
    images = read_idx(path)
    if images.dtype != np.uint8 or images.ndim < 3:
        found = f"{images.dtype} {images.shape}"
        raise DataError(f"{path}: holds {found}; uint8 images (N, H, W) or (N, H, W, 3) fit")
    images = images if images.ndim == 4 else images[..., None]
    if 0 in images.shape or images.shape[3] not in (1, 3):
        raise DataError(f"{path}: images of shape {images.shape}; some, with 1 or 3 channels, fit")
    return images


def read_labels(path: Path, count: int, classes: int | None = None) -> Array:
    """Read the labels that belong to ``count`` images. Shapes: -> (count,) int64.

    Args:
        path: the IDX file.
        count: how many labels there must be.
        classes: labels run from 0 to classes - 1, where that is known.

    Raises:
        DataError: as ``read_idx``, or the labels are too few, too many or out of range.
    """
    return checked_labels(read_idx(path), count, (classes or count + 1) - 1, path)


def load_folder(folder: Path, split: str) -> Dataset:
    """Load one split of a folder in MNIST's manner: images of ten classes.

    Raises:
        DataError: a file is missing or does not fit.
    """
    paths = [_find(folder, split, what) for what in ("images", "labels")]
    if paths[0] is None or paths[1] is None:
        missing = "images-idx3-ubyte" if paths[0] is None else "labels-idx1-ubyte"
        raise DataError(f"{folder}: no {PREFIXES[split]}-{missing}[.gz] for split {split!r}")
    stored = read_images(paths[0])
    labels = read_labels(paths[1], len(stored), 10)
    names = tuple(str(k) for k in range(10))
    return Dataset(folder.name, stored, labels, names, f"{folder.name}: the user's IDX files")


def load_file(path: Path) -> Dataset:
    """Load one IDX file of images, with the labels file beside it where there is one.

    Raises:
        DataError: a file does not fit.
    """
    stored = read_images(path)
    name = path.name.partition(".")[0]
    source = f"{path.name}: the user's IDX file"
    beside = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1"))
    if beside == path or not beside.is_file():
        return Dataset(name, stored, source=source)
    labels = read_labels(beside, len(stored))
    return Dataset(name, stored, labels, class_numbers(labels), source)
