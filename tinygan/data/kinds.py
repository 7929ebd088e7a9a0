"""Tell from its first bytes, and the names of what is in it, what kind of data set a path holds."""

from __future__ import annotations

from pathlib import Path

from ..errors import DataError
from . import cifar, idx, parquet, zip_images
from ._guard import reading, unpacked
from .tarball import BLOCK, is_tar
from .toys import TOYS

FITS = "IDX, .npz, CIFAR batches or their tar.gz, parquet, a zip or folder of images fit"


def _kind_of_folder(path: Path) -> str:
    if idx.is_idx_folder(path):
        return "idx folder"
    if cifar.splits(path):
        return "cifar folder"
    return "parquet folder" if parquet.splits(path) else "image folder"


def kind_of(path: Path) -> str:
    """Tell what a path holds.

    Returns:
        ``"idx"``, ``"npz"``, ``"cifar"`` (one batch), ``"cifar archive"`` (a tar), ``"image zip"``,
        ``"parquet"``; or of a folder ``"idx folder"``, ``"cifar folder"``, ``"parquet folder"``,
        ``"image folder"``.

    Raises:
        DataError: nothing is there, or nothing that fits.
    """
    if path.is_dir():
        return _kind_of_folder(path)
    if not path.exists():
        names = " ".join(("digits", "fashion-mnist", *TOYS))
        raise DataError(f"{path}: no such file, folder or data set; built in are {names}")
    with reading(path, FITS), unpacked(path) as (stream, _):
        start = stream.read(BLOCK)
    if start.startswith(b"PK"):
        with reading(path, FITS):
            return "npz" if zip_images.is_npz(path) else "image zip"
    if start.startswith(b"PAR1"):
        return "parquet"
    if is_tar(start):
        return "cifar archive"
    if start[:1] == b"\x80" and start[1:2] in b"\1\2\3\4\5":
        return "cifar"
    # A binary CIFAR batch has no mark but its name.
    if path.suffix == ".bin" and not idx.is_idx(start):
        return "cifar"
    if start.startswith(b"\0\0"):
        return "idx"
    raise DataError(f"{path}: of no known kind ({start[:4].hex() or 'empty'}); {FITS}")
