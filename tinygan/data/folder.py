"""A folder of images; where they lie in subfolders, the subfolders are the classes.

A ``dataset.json`` in the folder gives the labels instead, since stylegan's subfolders are shards.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..kernels.arrays import Array
from ._guard import class_numbers, reading
from .dataset import Dataset
from .dataset_json import LABELS, MAX_BYTES, parse_labels
from .gather import gather
from .pixels import FITS, SUFFIXES, OnBad, Rules, read_bytes


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
    labels, classes = labels_of(folder, files)
    return found.dataset(folder.name, labels, classes, f"{folder.name}: the user's images")


def labels_of(folder: Path, files: list[Path]) -> tuple[Array | None, tuple[str, ...]]:
    """Return the labels of files, by dataset.json or subfolder, and the names of the classes.

    Raises:
        DataError: there is a dataset.json that does not fit the files.
    """
    stated = folder / LABELS
    if stated.is_file():
        with reading(stated, FITS):
            if stated.stat().st_size > MAX_BYTES:
                raise DataError(f"{stated}: over {MAX_BYTES >> 20} MiB")
            names = [path.relative_to(folder).as_posix() for path in files]
            labels = parse_labels(stated.read_bytes(), names, stated)
        return labels, () if labels is None else class_numbers(labels)
    classes = class_names(folder, files)
    if not classes:
        return None, ()
    number = {name: label for label, name in enumerate(classes)}
    tops = [path.relative_to(folder).parts[0] for path in files]
    return np.array([number[top] for top in tops], np.int64), classes
