"""A folder of images; where they lie in subfolders, the subfolders are the classes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..kernels.arrays import Array
from ._guard import bound
from .dataset import Dataset
from .pixels import SUFFIXES, OnBad, Rules, decode


def image_files(folder: Path) -> list[Path]:
    """List the image files below a folder, in the order of their paths; hidden ones are left out.

    Raises:
        DataError: there are none.
    """
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    ]
    if not found:
        raise DataError(f"{folder}: no image files; {' '.join(SUFFIXES)} fit")
    return found


def class_names(folder: Path, files: list[Path]) -> tuple[str, ...]:
    """Return the subfolders that hold the files, or nothing if some lie in the folder itself."""
    relative = [path.relative_to(folder).parts for path in files]
    if any(len(parts) == 1 for parts in relative):
        return ()
    return tuple(sorted({parts[0] for parts in relative}))


def _decoded(
    files: list[Path], rules: Rules, on_bad: OnBad, notes: list[str]
) -> Iterator[tuple[int, Array]]:
    """Yield (index, pixels) of the files that can be read, noting those that are skipped."""
    for index, path in enumerate(files):
        try:
            yield index, decode(path, rules)
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


def load_folder(folder: Path, rules: Rules, on_bad: OnBad) -> Dataset:
    """Load every image below a folder.

    Args:
        folder: the folder.
        rules: size, channels and conversion.
        on_bad: ``"error"`` stops at the first file that doesn't fit, ``"skip"`` leaves such files
            out and notes it, ``"convert"`` converts odd ones and stops at unreadable ones.

    Raises:
        DataError: a file doesn't fit, all were skipped, or the images need too much memory.
    """
    files = image_files(folder)
    notes: list[str] = []
    kept: list[int] = []
    stored: Array | None = None
    for index, pixels in _decoded(files, rules, on_bad, notes):
        if stored is None:
            bound(folder, len(files) * pixels.size)
            stored = np.empty((len(files), *pixels.shape), np.uint8)
        if pixels.shape != stored.shape[1:]:
            # Neither size nor channels is a defect of the file, so it is not skipped.
            raise _misfit(files[index], pixels, files[kept[0]], stored.shape[1:])
        stored[len(kept)] = pixels
        kept.append(index)
    if stored is None:
        raise DataError(f"{folder}: none of {len(files)} image files could be read; {notes[0]}")
    classes = class_names(folder, files)
    labels = _labels(folder, [files[index] for index in kept], classes)
    source = f"{folder.name}: the user's images"
    return Dataset(folder.name, stored[: len(kept)], labels, classes, source, tuple(notes))


def _labels(folder: Path, files: list[Path], classes: tuple[str, ...]) -> Array | None:
    if not classes:
        return None
    number = {name: label for label, name in enumerate(classes)}
    return np.array([number[path.relative_to(folder).parts[0]] for path in files], np.int64)
