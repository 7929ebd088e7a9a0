"""CIFAR-10 and CIFAR-100 in all their published forms: binary, pickled, and either in a tar.gz.

Binary: a row of bytes for each image, the label (CIFAR-100: the coarse label, then the fine one)
and 3072 bytes of pixels, all red, all green, all blue, each 32 x 32 row by row. Pickled ("python
version"): a dict whose ``data`` is a uint8 array (N, 3072) in the same order and whose ``labels``
(CIFAR-100: ``fine_labels``) is a list; written by Python 2 or saved again by Python 3, perhaps
gzip; read without the ``pickle`` module. CIFAR-100 gives its fine labels.

Format: https://www.cs.toronto.edu/~kriz/cifar.html. Source: A. Krizhevsky, "Learning Multiple
Layers of Features from Tiny Images", technical report, 2009.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..errors import DataError
from ..kernels.arrays import Array
from ._guard import bound, checked_labels, class_numbers, reading, unpacked
from .dataset import Dataset
from .numpy_pickle import read_dict
from .tarball import read_tar

FITS = "a whole batch of CIFAR-10 or CIFAR-100, binary or pickled, is needed"
SPLITS = ("train", "test")
MAX_FILE = 256 << 20  # bytes of one batch, unpacked: the largest published one has 155 million
_MAX_NAMES = 1 << 16  # bytes of a file of class names
_PIXELS = 3 * 32 * 32
_COARSE = 20


@dataclass(frozen=True)
class _Layout:
    """The files of one published form.

    Attributes:
        classes: 10 or 100.
        train: names of the training batches.
        test: names of the test batches.
        names: file with the names of the classes.
        pickled: whether the files are pickles.
    """

    classes: int
    train: tuple[str, ...]
    test: tuple[str, ...]
    names: str
    pickled: bool

    def batches(self, split: str) -> tuple[str, ...]:
        """Names of the batches of a split."""
        return self.train if split == "train" else self.test


_FIVE = tuple(f"data_batch_{k}" for k in range(1, 6))
_LAYOUTS = (
    _Layout(10, tuple(f"{n}.bin" for n in _FIVE), ("test_batch.bin",), "batches.meta.txt", False),
    _Layout(100, ("train.bin",), ("test.bin",), "fine_label_names.txt", False),
    _Layout(10, _FIVE, ("test_batch",), "batches.meta", True),
    _Layout(100, ("train",), ("test",), "meta", True),
)


class _Folder:
    """The files of a folder, opened by name."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __contains__(self, name: str) -> bool:
        return (self.path / name).is_file()

    @contextmanager
    def open(self, name: str) -> Iterator[tuple[BinaryIO, int]]:
        """Give a file and the most bytes it can hold."""
        with unpacked(self.path / name) as (file, size):
            yield file, size


class _Archive:
    """The files of a tar that can belong to a split, held in memory."""

    def __init__(self, path: Path, split: str) -> None:
        self.path = path
        known = {name for lay in _LAYOUTS for name in (*lay.batches(split), lay.names)}
        with reading(path, FITS), unpacked(path) as (stream, _):
            try:
                self.files = read_tar(stream, known.__contains__, 2 * MAX_FILE)
            except DataError as error:
                raise DataError(f"{path}: {error}; {FITS}") from None

    def __contains__(self, name: str) -> bool:
        return name in self.files

    @contextmanager
    def open(self, name: str) -> Iterator[tuple[BinaryIO, int]]:
        """Give a file, once, and its number of bytes."""
        data = self.files.pop(name)
        yield io.BytesIO(data), len(data)


def splits(folder: Path) -> tuple[str, ...]:
    """Return the splits of which a folder holds at least one batch; none if it is not CIFAR's.

    A lone ``train`` or ``test`` counts only with ``meta`` beside it: other sets use these names.
    """
    files = _Folder(folder)
    layouts = [lay for lay in _LAYOUTS if lay.names != "meta" or "meta" in files]
    return tuple(
        split for split in SPLITS if any(n in files for lay in layouts for n in lay.batches(split))
    )


def _channels_last(rows: Array) -> Array:
    """Bring pixels as stored to images. Shapes: rows (N, 3072) -> (N, 32, 32, 3), uint8."""
    return np.ascontiguousarray(rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))


def _binary(stream: BinaryIO, size: int, classes: int, path: Path) -> tuple[Array, Array]:
    width = _PIXELS + (1 if classes == 10 else 2)
    data = stream.read(min(size, MAX_FILE) + 1)
    if not data or len(data) % width or len(data) > MAX_FILE:
        rows = f"{len(data):,} bytes are no rows of {width:,} (CIFAR-{classes})"
        raise DataError(f"{path}: {'over 256 MiB' if len(data) > MAX_FILE else rows}; {FITS}")
    table = np.frombuffer(data, np.uint8).reshape(-1, width)
    if classes == 100:
        checked_labels(table[:, 0], len(table), _COARSE - 1, path)
    labels = checked_labels(table[:, -_PIXELS - 1], len(table), classes - 1, path)
    return _channels_last(table[:, -_PIXELS:]), labels


def _pickled(stream: BinaryIO, size: int, classes: int | None, path: Path) -> tuple[Array, Array]:
    """Read a pickled batch; ``classes`` None takes those that its labels are of."""
    batch = read_dict(stream, min(size, MAX_FILE))
    data = batch.get("data")
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (_PIXELS,):
        what = f"{data.dtype} {data.shape}" if isinstance(data, np.ndarray) else "missing"
        raise DataError(f"{path}: data is {what}; uint8 (N, {_PIXELS}) fits; {FITS}")
    if not len(data):
        raise DataError(f"{path}: holds no images; {FITS}")
    if classes is None:
        classes = 10 if "labels" in batch else 100
    key = "labels" if classes == 10 else "fine_labels"
    if key not in batch:
        raise DataError(f"{path}: holds no {key}; {FITS}")
    return _channels_last(data), checked_labels(batch[key], len(data), classes - 1, path)


def _class_names(files: _Folder | _Archive, layout: _Layout) -> tuple[str, ...] | None:
    """Read the names of the classes where the file with them is there."""
    if layout.names not in files:
        return None
    path = files.path / layout.names
    names: object
    with reading(path, FITS), files.open(layout.names) as (stream, size):
        if layout.pickled:
            meta = read_dict(stream, min(size, _MAX_NAMES))
            names = meta.get("label_names" if layout.classes == 10 else "fine_label_names")
        else:
            names = [line.strip() for line in stream.read(_MAX_NAMES).splitlines() if line.strip()]
        if not isinstance(names, list) or not all(isinstance(n, str | bytes) for n in names):
            raise DataError(f"{path}: no list of class names")
        texts = tuple(n.decode("utf-8") if isinstance(n, bytes) else n for n in names)
    if not len(texts) == len(set(texts)) == layout.classes or not "".join(texts).isprintable():
        raise DataError(f"{path}: {len(texts)} class names; {layout.classes} different ones fit")
    return texts


def _load(files: _Folder | _Archive, split: str) -> Dataset:
    found = [lay for lay in _LAYOUTS if any(name in files for name in lay.batches(split))]
    if not found:
        raise DataError(f"{files.path}: holds no batch of CIFAR's split {split!r}; {FITS}")
    layout = found[0]
    missing = [name for name in layout.batches(split) if name not in files]
    if missing:
        raise DataError(f"{files.path}: {', '.join(missing)} missing for split {split!r}")
    parts = []
    for name in layout.batches(split):
        path = files.path / name
        read = _pickled if layout.pickled else _binary
        with reading(path, FITS), files.open(name) as (stream, size):
            parts.append(read(stream, size, layout.classes, path))
        bound(files.path, sum(images.nbytes for images, _ in parts))
    stored, labels = (np.concatenate(kind) for kind in zip(*parts, strict=True))
    classes = _class_names(files, layout) or tuple(str(k) for k in range(layout.classes))
    source = f"CIFAR-{layout.classes}, A. Krizhevsky 2009: {files.path.name}"
    return Dataset(files.path.name.partition(".")[0], stored, labels, classes, source)


def load_folder(folder: Path, split: str) -> Dataset:
    """Load one split of a folder of batches. Shapes: stored (N, 32, 32, 3) uint8.

    Raises:
        DataError: a batch is missing or does not fit.
    """
    return _load(_Folder(folder), split)


def load_archive(path: Path, split: str) -> Dataset:
    """Load one split of a ``.tar.gz`` or ``.tar`` of batches, without unpacking it to disk.

    Raises:
        DataError: the archive is damaged, or as ``load_folder``.
    """
    return _load(_Archive(path, split), split)


def _classes_of(size: int) -> int:
    """Tell by its size of which set a binary file is: whole rows of 3,073 or of 3,074 bytes."""
    return 100 if size % (_PIXELS + 1) and size % (_PIXELS + 2) == 0 else 10


def load_file(path: Path) -> Dataset:
    """Load one batch: binary if its name ends in ``.bin``, else pickled, plain or gzip.

    Raises:
        DataError: the file does not fit.
    """
    with reading(path, FITS), unpacked(path) as (stream, size):
        if path.suffix == ".bin":
            stored, labels = _binary(stream, size, _classes_of(size), path)
        else:
            stored, labels = _pickled(stream, size, None, path)
    source = f"{path.name}: the user's CIFAR batch"
    classes = None
    for layout in _LAYOUTS:
        if path.name in (*layout.train, *layout.test):
            classes = _class_names(_Folder(path.parent), layout)
    return Dataset(
        path.name.partition(".")[0], stored, labels, classes or class_numbers(labels), source
    )
