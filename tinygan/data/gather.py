"""Image files of any container (folder, zip, parquet), decoded one by one into one array."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from ..errors import DataError
from ..kernels.arrays import Array
from ._guard import bound
from .pixels import OnBad, Rules, decode

ImageFile: TypeAlias = "tuple[Path, Callable[[], bytes]]"  # what to call it, how to get its bytes


@dataclass(frozen=True)
class Gathered:
    """Images of one shape.

    Attributes:
        stored: (N, H, W, C) uint8.
        kept: which of the files they are, in order.
        notes: one line for each file that was skipped.
    """

    stored: Array
    kept: list[int]
    notes: tuple[str, ...]


def _decoded(
    files: Iterable[ImageFile], rules: Rules, on_bad: OnBad, notes: list[str]
) -> Iterator[tuple[int, Path, Array]]:
    """Yield (index, path, pixels) of the files that can be read, noting those that are skipped."""
    for index, (path, read) in enumerate(files):
        try:
            yield index, path, decode(read(), path, rules)
        except DataError as error:
            if on_bad != "skip":
                raise
            notes.append(f"skipped {error}")


def _misfit(path: Path, pixels: Array, first: Path, expected: tuple[int, ...]) -> DataError:
    h, w, c = pixels.shape
    if c != expected[2]:
        how = f"{c} channels where {first.name} has {expected[2]}; state channels=1 or channels=3"
    else:
        how = f"{w} x {h} where {first.name} is {expected[1]} x {expected[0]}; state a size"
    return DataError(f"{path}: {how}")


def gather(
    root: Path, count: int, files: Iterable[ImageFile], rules: Rules, on_bad: OnBad
) -> Gathered:
    """Decode image files into one array.

    Args:
        root: where they come from, for messages.
        count: how many there are.
        files: each file's name and how to get its bytes, in order.
        rules: size, channels and conversion.
        on_bad: ``"error"`` stops at the first file that doesn't fit, ``"skip"`` leaves such files
            out and notes it, ``"convert"`` converts odd ones and stops at unreadable ones.

    Raises:
        DataError: a file doesn't fit, all were skipped, or the images need too much memory.
    """
    notes: list[str] = []
    kept: list[int] = []
    stored: Array | None = None
    first = root
    for index, path, pixels in _decoded(files, rules, on_bad, notes):
        if stored is None:
            bound(root, count * pixels.size)
            stored, first = np.empty((count, *pixels.shape), np.uint8), path
        if pixels.shape != stored.shape[1:]:
            # Neither size nor channels is a defect of the file, so it is not skipped.
            raise _misfit(path, pixels, first, stored.shape[1:])
        stored[len(kept)] = pixels
        kept.append(index)
    if stored is None:
        raise DataError(f"{root}: none of {count} image files could be read; {' '.join(notes[:1])}")
    return Gathered(stored[: len(kept)], kept, tuple(notes))
