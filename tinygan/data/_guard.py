"""What every reader does at its door: bound the memory, and give a decoder's error in one line."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from ..errors import DataError
from ..kernels.arrays import Array

LIMIT_BYTES = 4 << 30  # of decoded data in memory; a larger set needs a smaller size
GZIP = b"\x1f\x8b"
DEFLATE_RATIO = 1032  # the most that DEFLATE can shrink
MAX_LABEL = 99_999


@contextmanager
def reading(path: Path, fits: str) -> Iterator[None]:
    """Turn whatever a decoder raises on a hostile file into a ``DataError`` naming the file.

    Args:
        path: the file being read.
        fits: what would be accepted, for the end of the message.
    """
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        text = getattr(error, "strerror", None) or str(error)
        detail = text.partition("\n")[0] or type(error).__name__
        raise DataError(f"{path}: {detail}; {fits}") from error


def bound(path: Path, size: int) -> None:
    """Raise ``DataError`` if ``size`` bytes are more than a data set may take in memory."""
    if size > LIMIT_BYTES:
        raise DataError(
            f"{path}: needs {size / 2**30:.1f} GiB in memory, at most {LIMIT_BYTES / 2**30:g} GiB "
            "fit; use fewer or smaller images"
        )


@contextmanager
def unpacked(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """Open a file, through gzip if it is packed; give it and the most bytes it can hold."""
    with path.open("rb") as raw:
        packed = raw.read(2) == GZIP
        size = raw.seek(0, 2)
        raw.seek(0)
        if packed:
            with gzip.GzipFile(fileobj=raw) as file:
                yield cast(BinaryIO, file), size * DEFLATE_RATIO
        else:
            yield raw, size


def checked_labels(values: object, count: int, top: int, path: Path) -> Array:
    """Return labels, integers from 0 to ``top``. Shapes: -> (count,) int64.

    Args:
        values: a sequence or array of integers; nothing else is made one.
        count: how many there must be.
        top: the largest that may occur.
        path: where they come from.

    Raises:
        DataError: they are too few, too many, out of range or no integers.
    """
    if not isinstance(values, np.ndarray):
        if not isinstance(values, list) or any(type(value) is not int for value in values):
            raise DataError(f"{path}: a label is no integer; integers from 0 to {top} fit")
        if values and not 0 <= min(values) <= max(values) <= top:
            raise DataError(f"{path}: a label is out of range; 0 to {top} fit")
        values = np.array(values, np.int64)
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise DataError(f"{path}: labels are {values.dtype} {values.shape}; integers (N,) fit")
    if len(values) != count:
        raise DataError(f"{path}: {len(values):,} labels for {count:,} images")
    if count and not 0 <= int(values.min()) <= int(values.max()) <= top:
        raise DataError(f"{path}: a label is out of range; 0 to {top} fit")
    return values.astype(np.int64)


def class_numbers(labels: Array) -> tuple[str, ...]:
    """Name the classes by their numbers, where nothing else names them."""
    return tuple(str(k) for k in range(int(labels.max(initial=-1)) + 1))
