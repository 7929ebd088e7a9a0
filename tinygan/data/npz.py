"""NumPy archives: ``images`` (or ``x``, ``arr_0``, ``x_train``) and perhaps ``labels`` (``y`` ...).

The archive is read member by member: the header's shape must account for every byte before memory
is allocated, objects are refused (they would be pickles), and an array of an unknown name is an
error, so that a labels array is never lost to a typing mistake.

Images are uint8 (0 to 255), uint16 (divided by 257) or floats whose range the caller states.
"""

from __future__ import annotations

import zipfile
from math import prod
from pathlib import Path

import numpy as np

from ..errors import DataError, OptionError
from ..kernels.arrays import Array
from ._guard import bound, checked_labels, class_numbers, reading
from ._zip import opened_zip
from .dataset import Dataset

FITS = "an .npz of plain arrays, as numpy.savez writes it, is needed"
IMAGE_NAMES = ("images", "x", "arr_0")
LABEL_NAMES = ("labels", "y", "arr_1")
RANGES = ((0, 1), (-1, 1), (0, 255))
_MAX_HEADER = 10_000
ValueRange = tuple[float, float]


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> Array:
    """Read one .npy member, after its header has accounted for every byte."""
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise DataError(f"{path}: {info.filename} has .npy version {version}; 1.0 or 2.0 fits")
        read = getattr(np.lib.format, f"read_array_header_{version[0]}_0")
        shape, fortran, dtype = read(file, max_header_size=_MAX_HEADER)
        if dtype.kind not in "biuf":
            raise DataError(f"{path}: {info.filename} holds {dtype}; integers or floats fit")
        count = prod(shape) * dtype.itemsize
        if min(shape, default=1) < 0 or file.tell() + count != info.file_size:
            raise DataError(f"{path}: {info.filename} has not the bytes of its {shape}; {FITS}")
        data = file.read(count)  # to its end, where zipfile checks the sum
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def read_npz(path: Path) -> dict[str, Array]:
    """Read every array of an archive, by name without ``.npy``.

    Raises:
        DataError: the file is missing, corrupt, too large, a bomb, or holds objects.
    """
    with reading(path, FITS), opened_zip(path) as archive:
        members = archive.infolist()
        names = [info.filename.removesuffix(".npy") for info in members]
        if len(set(names)) != len(names) or not names:
            raise DataError(f"{path}: {'two arrays of one name' if names else 'empty'}; {FITS}")
        bound(path, sum(info.file_size for info in members))
        return {n: _read_member(archive, i, path) for n, i in zip(names, members, strict=True)}


def _pick(arrays: dict[str, Array], names: tuple[str, ...], path: Path) -> Array | None:
    found = [name for name in names if name in arrays]
    if len(found) > 1:
        raise DataError(f"{path}: {' and '.join(found)} mean the same; keep one")
    return arrays[found[0]] if found else None


def _channels_last(images: Array, path: Path) -> Array:
    """Bring (N, H, W), (N, H, W, C) or (N, C, H, W) to (N, H, W, C)."""
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or 0 in images.shape:
        raise DataError(f"{path}: images of shape {images.shape}; (N, H, W[, C]), (N, C, H, W) fit")
    first, last = images.shape[1] in (1, 3), images.shape[3] in (1, 3)
    if first == last:
        why = "could have its channels first or last" if first else "has neither 1 nor 3 channels"
        raise DataError(f"{path}: shape {images.shape} {why}; (N, H, W, 1 or 3) fits")
    return images if last else images.transpose(0, 2, 3, 1)


def _stored(images: Array, value_range: ValueRange | None, path: Path) -> Array:
    """Bring values to what ``Dataset`` stores: uint8, or float32 in [-1, 1]."""
    if images.dtype == np.uint8:
        return np.ascontiguousarray(images)
    if images.dtype == np.uint16:
        return (images / (257 * 127.5) - 1.0).astype(np.float32)
    if images.dtype.kind != "f":
        raise DataError(f"{path}: images are {images.dtype}; uint8, uint16 or floats fit")
    if value_range is None:
        raise DataError(f"{path}: float images; state value_range (--value-range): {RANGES}")
    low, high = value_range
    if not (np.isfinite(images).all() and images.min() >= low and images.max() <= high):
        raise DataError(
            f"{path}: values are not finite, or lie outside the stated range {low} to {high}"
        )
    return ((images.astype(np.float64) - low) * (2.0 / (high - low)) - 1.0).astype(np.float32)


def parse_range(text: str) -> ValueRange | None:
    """Return the value range that a text states, ``"0,1"``, or None for an empty one.

    Raises:
        OptionError: it is none of those that fit.
    """
    if not text:
        return None
    for low, high in RANGES:
        if text.replace(" ", "") == f"{low},{high}":
            return (low, high)
    fit = " ".join(f"{low},{high}" for low, high in RANGES)
    raise OptionError(f"value range {text!r}: use one of {fit}")


def load_npz(path: Path, split: str, value_range: ValueRange | None = None) -> Dataset:
    """Load a data set from an archive.

    Args:
        path: the file.
        split: ``"train"`` or ``"test"``: picks ``x_train`` or ``x_test`` where those exist.
        value_range: (low, high) of float images: (0, 1), (-1, 1) or (0, 255).

    Raises:
        DataError: the archive or an array in it does not fit.
        OptionError: value_range is another pair.
    """
    if value_range is not None and tuple(value_range) not in RANGES:
        raise OptionError(f"value_range={value_range}: use one of {RANGES}")
    arrays = read_npz(path)
    both = [f"{name}_{part}" for name in "xy" for part in ("train", "test")]
    unknown = sorted(set(arrays) - {*IMAGE_NAMES, *LABEL_NAMES, *both})
    if unknown:
        fit = f"{'/'.join(IMAGE_NAMES)} and {'/'.join(LABEL_NAMES)}"
        raise DataError(f"{path}: unknown array {', '.join(unknown)}; {fit} fit")
    images = _pick(arrays, (*IMAGE_NAMES, f"x_{split}"), path)
    if images is None:
        raise DataError(f"{path}: holds {', '.join(arrays)}, no images; name them 'images'")
    stored = _stored(_channels_last(images, path), value_range, path)
    source = f"{path.name}: the user's archive"
    labels = _pick(arrays, (*LABEL_NAMES, f"y_{split}"), path)
    if labels is None:
        return Dataset(path.stem, stored, source=source)
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    labels = checked_labels(labels, len(stored), len(stored), path)
    return Dataset(path.stem, stored, labels, class_numbers(labels), source)
