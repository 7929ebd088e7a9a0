"""Image files of any container (folder, zip, parquet), decoded one by one into one array."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np

from ..errors import DataError
from ..kernels.arrays import Array
from ._guard import bound
from .crops import Crops, middles
from .dataset import Dataset
from .pixels import OnBad, Rules, decode

ImageFile: TypeAlias = "tuple[Path, Callable[[], bytes]]"  # what to call it, how to get its bytes


@dataclass(frozen=True)
class Gathered:
    """Images of one shape, or whole ones to cut parts from.

    Attributes:
        stored: (N, H, W, C) uint8.
        kept: which of the files they are, in order.
        notes: one line for each file that was skipped.
        whole: (H, W, C) uint8 each, where ``stored`` are their middles.
        mirror: of ``whole``: mirror parts at random.
    """

    stored: Array
    kept: list[int]
    notes: tuple[str, ...]
    whole: list[Array] = field(default_factory=list)
    mirror: bool = True

    def dataset(
        self, name: str, labels: Array | None, classes: tuple[str, ...], source: str
    ) -> Dataset:
        """Make a data set of the images; labels are those of all files."""
        facts = (name, self.stored, None if labels is None else labels[self.kept], classes, source)
        if self.whole:
            return Crops(*facts, notes=self.notes, whole=self.whole, mirror=self.mirror)
        return Dataset(*facts, notes=self.notes)


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
        how = f"{w} x {h} where {first.name} is {expected[1]} x {expected[0]}; state a size or crop"
    return DataError(f"{path}: {how}")


def gather(
    root: Path, count: int, files: Iterable[ImageFile], rules: Rules, on_bad: OnBad
) -> Gathered:
    """Decode image files into one array, or whole for crops.

    Args:
        root: where they come from, for messages.
        count: how many there are.
        files: each file's name and how to get its bytes, in order.
        rules: size, channels and conversion.
        on_bad: ``"error"`` stops at the first file that doesn't fit, ``"skip"`` leaves such files
            out and notes it, ``"convert"`` converts odd ones and stops at unreadable ones.

    Raises:
        DataError: a file doesn't fit, all were skipped, an image is smaller than the crop, or the
            images need too much memory.
    """
    notes: list[str] = []
    kept: list[int] = []
    if rules.crop is not None:
        whole = _gather_whole(root, _decoded(files, rules, on_bad, notes), rules.crop, kept)
        if not whole:
            raise _none_read(root, count, notes)
        stored = middles(whole, rules.crop)
        return Gathered(stored, kept, tuple(notes), whole, rules.mirror)
    return _gather_alike(root, count, _decoded(files, rules, on_bad, notes), kept, notes)


def _gather_whole(
    root: Path, images: Iterator[tuple[int, Path, Array]], crop: int, kept: list[int]
) -> list[Array]:
    """Collect images of any sizes, and note in ``kept`` which of the files they are."""
    whole: list[Array] = []
    first, size = root, 0
    for index, path, pixels in images:
        height, width, channels = pixels.shape
        if min(height, width) < crop:
            raise DataError(
                f"{path}: {width} x {height} is smaller than the crop of {crop}: a crop of "
                f"{min(height, width)} or less fits"
            )
        size += pixels.size
        bound(root, size)
        if not whole:
            first = path
        elif channels != whole[0].shape[2]:
            raise _misfit(path, pixels, first, whole[0].shape)
        whole.append(pixels)
        kept.append(index)
    return whole


def _gather_alike(
    root: Path,
    count: int,
    images: Iterator[tuple[int, Path, Array]],
    kept: list[int],
    notes: list[str],
) -> Gathered:
    stored: Array | None = None
    first = root
    for index, path, pixels in images:
        if stored is None:
            bound(root, count * pixels.size)
            stored, first = np.empty((count, *pixels.shape), np.uint8), path
        if pixels.shape != stored.shape[1:]:
            # Neither size nor channels is a defect of the file, so it is not skipped.
            raise _misfit(path, pixels, first, stored.shape[1:])
        stored[len(kept)] = pixels
        kept.append(index)
    if stored is None:
        raise _none_read(root, count, notes)
    return Gathered(stored[: len(kept)], kept, tuple(notes))


def _none_read(root: Path, count: int, notes: list[str]) -> DataError:
    said = " ".join(notes[:1])
    return DataError(f"{root}: none of {count} image files could be read; {said}")
