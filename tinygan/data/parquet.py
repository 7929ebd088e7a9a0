"""Hugging Face's parquet files of images: one file, or a folder of shards.

A row is an image, ``image`` or ``img``, a struct with the bytes of an image file in ``bytes`` (or
the bytes themselves), and perhaps an integer ``label`` (``labels``, ``fine_label``). The names of
the classes lie in the schema's metadata, key ``huggingface``, as JSON. Shards are called
``train-00000-of-00002.parquet`` (or ``train.parquet``), in the folder or in its ``data`` or split
subfolder, and must be complete.

Rows are read in batches of 64, so that one row group of one file is in memory, never all.
PyArrow reads the container; it is imported when a file is opened and not before.

Format: https://parquet.apache.org/docs/file-format/ and the ``datasets`` library's ``Features``.

Deviations: a length inside a page's header is believed by PyArrow itself; what the file's footer
says of each row group is bounded here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..kernels.arrays import Array
from ._guard import MAX_LABEL, bound, checked_labels, class_numbers, reading
from .dataset import Dataset
from .gather import ImageFile, gather
from .pixels import FITS as IMAGE_FITS
from .pixels import MAX_FILE_BYTES, OnBad, Rules

FITS = "a whole parquet file with a column 'image' of image files is needed"
SPLITS = ("train", "test")
IMAGES = ("image", "img")
LABELS = ("label", "labels", "fine_label")
_ROWS = 64  # of a batch
_MAX_GROUP = 1 << 30  # bytes of a row group, unpacked
_MAX_THRIFT = 64 << 20  # bytes of a text and entries of a list in the footer
_SHARD = re.compile(r"(\w+?)(?:-(\d{5})-of-(\d{5})(?:-[0-9a-f]+)?)?\.parquet")


def shards(folder: Path, split: str) -> list[Path]:
    """List the files of a split in order; none if there are none.

    Raises:
        DataError: a shard is missing.
    """
    inside = sorted((folder / split).glob("*.parquet"))
    if inside:
        return inside
    for place in (folder, folder / "data"):
        found = {p: m for p in sorted(place.glob("*.parquet")) if (m := _SHARD.fullmatch(p.name))}
        mine = {p: m for p, m in found.items() if m[1] == split}
        totals = {m[3] for m in mine.values() if m[3]}
        numbers = [int(m[2]) for m in mine.values() if m[3]]
        if totals and (len(mine) > len(numbers) or numbers != list(range(int(min(totals))))):
            has = ", ".join(path.name for path in mine)[:200]
            raise DataError(f"{place}: {has} are not the {min(totals)} shards of {split!r}")
        if mine:
            return list(mine)
    return []


def splits(folder: Path) -> tuple[str, ...]:
    """Return the splits of which a folder holds parquet files; none if it holds none.

    Raises:
        DataError: a shard is missing, or there are parquet files of other names alone.
    """
    found = tuple(split for split in SPLITS if shards(folder, split))
    other = [] if found else sorted(folder.glob("*.parquet"))
    if other:
        raise DataError(
            f"{folder}: {other[0].name} is of no split; train-00000-of-00001.parquet fits"
        )
    return found


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file with PyArrow, within caps on its footer."""
    try:
        import pyarrow.parquet as pq
    except ImportError:
        raise DataError(f"{path}: parquet needs PyArrow: pip install pyarrow") from None
    options = {
        "page_checksum_verification": True,  # where the writer left checksums
        "thrift_string_size_limit": _MAX_THRIFT,
        "thrift_container_size_limit": _MAX_THRIFT,
    }
    with reading(path, FITS), pq.ParquetFile(path, **options) as file:
        facts = file.metadata
        groups = [facts.row_group(k).total_byte_size for k in range(facts.num_row_groups)]
        if not all(0 <= size <= _MAX_GROUP for size in groups):
            raise DataError(f"{path}: a row group of {max(groups):,} bytes; at most 1 GiB fits")
        yield file


def _column(file: Any, names: tuple[str, ...]) -> str | None:
    """Return the first of the names that is a column."""
    columns = file.schema_arrow.names
    return next((name for name in names if name in columns), None)


def _class_names(file: Any, column: str) -> tuple[str, ...] | None:
    """Read the names of the classes from the schema's metadata, where they are."""
    metadata = file.schema_arrow.metadata or {}
    try:
        feature = json.loads(metadata[b"huggingface"])["info"]["features"][column]
        names = feature["names"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    fit = isinstance(names, list) and all(isinstance(n, str) and n.isprintable() for n in names)
    return tuple(names) if fit and names else None


def _data(cell: object, label: Path) -> bytes:
    """Return the bytes of an image file from a cell, a struct or bytes."""
    data = cell.get("bytes") if isinstance(cell, dict) else cell
    if not isinstance(data, bytes):
        path = cell.get("path") if isinstance(cell, dict) else None
        why = "holds a path and no bytes" if path else "holds no image bytes"
        raise DataError(f"{label}: {why}; {IMAGE_FITS}")
    if not 0 < len(data) <= MAX_FILE_BYTES:
        raise DataError(f"{label}: {'over 1 GiB' if data else 'zero bytes'}; {IMAGE_FITS}")
    return data


class Shards:
    """The images of parquet files, in order; labels are gathered as the images are read.

    Attributes:
        files: the parquet files.
        count: rows of all, as their footers say.
        classes: names of the classes, or None.
        labels: what has been read of the labels so far.
    """

    def __init__(self, files: list[Path]) -> None:
        self.files = files
        self.count = 0
        self.classes: tuple[str, ...] | None = None
        self.labels: list[object] = []
        self.columns: tuple[str, str | None] | None = None
        for path in files:
            with _opened(path) as file:
                image, label = _column(file, IMAGES), _column(file, LABELS)
                if image is None:
                    has = ", ".join(file.schema_arrow.names)[:99]
                    raise DataError(f"{path}: has columns {has}; {FITS}")
                if self.columns not in (None, (image, label)):
                    raise DataError(f"{path}: its columns differ from those of {files[0].name}")
                self.columns = image, label
                self.count += file.metadata.num_rows
                self.classes = None if label is None else _class_names(file, label)
        if not self.count:
            raise DataError(f"{files[0]}: holds no rows; {FITS}")

    def images(self) -> Iterator[ImageFile]:
        """Yield each image's name and how to get its bytes.

        Raises:
            DataError: a file is damaged.
        """
        for path in self.files:
            with _opened(path) as file:
                yield from self._rows(file, path)

    def _rows(self, file: Any, path: Path) -> Iterator[ImageFile]:
        assert self.columns is not None  # there is at least one file
        image, label = self.columns
        wanted = [column for column in self.columns if column is not None]
        row = 0
        for batch in file.iter_batches(batch_size=_ROWS, columns=wanted, use_threads=False):
            if row + len(batch) > file.metadata.num_rows:
                break  # gather() has room for those of the footer
            cells = batch.column(image).to_pylist()
            if label is not None:
                self.labels += batch.column(label).to_pylist()
            for cell in cells:
                name = path / f"row {row}"
                yield name, partial(_data, cell, name)
                row += 1
        if row != file.metadata.num_rows:
            raise DataError(f"{path}: {row:,} rows where its footer states otherwise; {FITS}")

    def checked_labels(self) -> tuple[Array | None, tuple[str, ...]]:
        """Return all labels (count,) and the names of the classes, once all has been read.

        Raises:
            DataError: a label is missing, no integer or out of range.
        """
        if self.columns is None or self.columns[1] is None:
            return None, ()
        top = len(self.classes) - 1 if self.classes else MAX_LABEL
        labels = checked_labels(self.labels, self.count, top, self.files[0])
        return labels, self.classes or class_numbers(labels)


def load_files(files: list[Path], rules: Rules, on_bad: OnBad, root: Path) -> Dataset:
    """Load parquet files as one set. Shapes: stored (N, H, W, C) uint8.

    Args:
        files: the shards, in order.
        rules: size, channels and conversion.
        on_bad: what to do with images that don't fit, as for a folder of images.
        root: the file or folder that the user named.

    Raises:
        DataError: PyArrow is missing, or a file, an image or a label does not fit.
    """
    rows = Shards(files)
    bound(root, rows.count)
    images = gather(root, rows.count, rows.images(), rules, on_bad)
    labels, classes = rows.checked_labels()
    name = root.name.partition(".")[0]
    return images.dataset(name, labels, classes, f"{root.name}: the user's parquet")


def load_folder(folder: Path, split: str, rules: Rules, on_bad: OnBad) -> Dataset:
    """Load one split of a folder of shards.

    Raises:
        DataError: the folder has no file of the split, or as ``load_files``.
    """
    files = shards(folder, split)
    if not files:
        raise DataError(f"{folder}: no {split}-00000-of-00001.parquet or such for split {split!r}")
    return load_files(files, rules, on_bad, folder)
