"""A folder of images; where they lie in subfolders, the subfolders are the classes."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..kernels.arrays import Array
from .dataset import Dataset
from .gather import gather
from .pixels import SUFFIXES, OnBad, Rules, read_bytes


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
    sources = ((path, partial(read_bytes, path)) for path in files)
    found = gather(folder, len(files), sources, rules, on_bad)
    classes = class_names(folder, files)
    labels = _labels(folder, [files[index] for index in found.kept], classes)
    source = f"{folder.name}: the user's images"
    return Dataset(folder.name, found.stored, labels, classes, source, found.notes)


def _labels(folder: Path, files: list[Path], classes: tuple[str, ...]) -> Array | None:
    if not classes:
        return None
    number = {name: label for label, name in enumerate(classes)}
    return np.array([number[path.relative_to(folder).parts[0]] for path in files], np.int64)
