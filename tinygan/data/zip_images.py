"""A zip of images: labels from stylegan's ``dataset.json``, else from its folders.

Without ``dataset.json`` (see ``dataset_json``) the first folders that differ are the classes, as in
a folder of images; where they are ``train`` and ``test``, they are the splits and what lies in them
the classes. Images are taken in the order of their names. Nothing is unpacked to disk, and one
image at a time is in memory.

Refused before an image is decoded: what ``_zip`` refuses, names that are no relative paths, and a
zip that as a whole unpacks to more than images, which are compressed already, ever do.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..kernels.arrays import Array
from . import _guard
from ._guard import class_numbers, reading
from ._zip import opened_zip
from .dataset import Dataset
from .dataset_json import LABELS, MAX_BYTES, parse_labels
from .gather import ImageFile, gather
from .pixels import FITS, MAX_FILE_BYTES, SUFFIXES, OnBad, Rules

ZIP_FITS = "a zip of images, with or without dataset.json, is needed"
_MAX_SPREAD = 4  # images are compressed already: as a whole they unpack to no more than this


@dataclass(frozen=True)
class Contents:
    """What a zip holds.

    Attributes:
        names: the images of the split, sorted.
        labels: (N,) int64, or None.
        classes: names of the classes, by label.
    """

    names: list[str]
    labels: Array | None
    classes: tuple[str, ...]


def is_npz(path: Path) -> bool:
    """Tell a zip of arrays from a zip of images by the names of its entries.

    Raises:
        DataError: the zip is damaged.
    """
    with opened_zip(path) as archive:
        names = archive.namelist()
        return any(n.endswith(".npy") for n in names) and not any(map(_is_image, names))


def _is_image(name: str) -> bool:
    parts = name.split("/")
    hidden = parts[-1].startswith(".") or parts[0] == "__MACOSX"
    return name.lower().endswith(SUFFIXES) and not hidden


def read_entry(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    """Read one entry of a zip, to its end, where its CRC-32 is checked.

    Raises:
        DataError: the entry is damaged, empty or over 1 GiB.
    """
    label = path / name
    size = archive.getinfo(name).file_size
    if not 0 < size <= MAX_FILE_BYTES:
        raise DataError(f"{label}: {'over 1 GiB' if size else 'zero bytes'}; {FITS}")
    with reading(label, FITS):
        data = archive.read(name)
        if len(data) != size:
            raise DataError(f"{label}: {len(data):,} bytes where the zip states {size:,}; {FITS}")
        return data


def _image_names(archive: zipfile.ZipFile, path: Path) -> list[str]:
    """List the images, sorted; other entries must be whole enough to be what they are called."""
    infos = archive.infolist()
    total, limit = sum(info.file_size for info in infos), _guard.LIMIT_BYTES
    if total > max(limit, _MAX_SPREAD * path.stat().st_size):
        raise DataError(
            f"{path}: unpacks to {total / 2**30:.1f} GiB, which no images do; {ZIP_FITS}"
        )
    names = sorted(info.filename for info in infos if _is_image(info.filename))
    for name in {info.filename for info in infos} - set(names):
        archive.open(name).close()  # compares the two places that hold a name
    if not names:
        raise DataError(f"{path}: no image files; {' '.join(SUFFIXES)} fit")
    for name in names:
        if name.startswith("/") or "\\" in name or ".." in name.split("/"):
            raise DataError(f"{path}: entry {name[:80]!a} is no relative path; {ZIP_FITS}")
    return names


def _classes_by_folder(names: list[str], split: str) -> Contents:
    """Take folders as classes, and ``train`` and ``test`` above them as splits."""
    parts = {name: name.split("/") for name in names}
    if {part[0] for part in parts.values()} == {"train", "test"}:
        names = [name for name in names if parts[name][0] == split]
    depth = 0
    while all(len(parts[n]) > depth + 1 for n in names):
        tops = sorted({parts[n][depth] for n in names})
        if len(tops) > 1:
            number = {top: label for label, top in enumerate(tops)}
            labels = np.array([number[parts[n][depth]] for n in names], np.int64)
            return Contents(names, labels, tuple(tops))
        depth += 1
    return Contents(names, None, ())


def contents(archive: zipfile.ZipFile, path: Path, split: str) -> Contents:
    """List the images of a zip with their labels.

    Args:
        archive: an archive that ``opened_zip`` gave.
        path: where it lies, for messages.
        split: which of ``train`` and ``test`` to take where the zip has both.

    Raises:
        DataError: there are no images, or dataset.json does not fit them.
    """
    names = _image_names(archive, path)
    if LABELS not in archive.NameToInfo:
        return _classes_by_folder(names, split)
    if archive.getinfo(LABELS).file_size > MAX_BYTES:
        raise DataError(f"{path / LABELS}: over {MAX_BYTES >> 20} MiB")
    labels = parse_labels(read_entry(archive, LABELS, path), names, path / LABELS)
    return Contents(names, labels, () if labels is None else class_numbers(labels))


def image_files(archive: zipfile.ZipFile, path: Path, names: list[str]) -> Iterator[ImageFile]:
    """Yield each image's name and how to get its bytes."""
    for name in names:
        yield path / name, partial(read_entry, archive, name, path)


def load_zip(path: Path, split: str, rules: Rules, on_bad: OnBad) -> Dataset:
    """Load a zip of images. Shapes: stored (N, H, W, C) uint8.

    Args:
        path: the file.
        split: which of ``train`` and ``test`` to take where the zip has both.
        rules: size, channels and conversion.
        on_bad: what to do with images that don't fit, as for a folder of images.

    Raises:
        DataError: the zip, its dataset.json or an image does not fit.
    """
    with reading(path, ZIP_FITS), opened_zip(path) as archive:
        found = contents(archive, path, split)
        files = image_files(archive, path, found.names)
        images = gather(path, len(found.names), files, rules, on_bad)
    source = f"{path.name}: the user's zip of images"
    return images.dataset(path.stem, found.labels, found.classes, source)
