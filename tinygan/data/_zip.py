"""The door to zip files: a directory that is whole and tells of no impossible entry.

``zipfile`` reads the directory and checks each entry's local header and CRC-32; what it lets pass
is refused here: a count that differs from the one the archive ends with (a damaged directory would
lose entries unseen), entries that share bytes or claim to unpack to more than DEFLATE can (zip
bombs), encryption, odd compression, two entries of one name, names with control characters.

Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT (sections 4.3 and 4.4).
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ..errors import DataError
from ._guard import DEFLATE_RATIO

MAX_DIRECTORY = 128 << 20  # bytes: over a million entries
_END = struct.Struct("<4s4H2LH")  # signature, disks, entries here and in all, size, offset, comment
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")
_MAX_COMMENT = 0xFFFF
_LOCAL_HEADER = 30


def _end_record(file: BinaryIO, path: Path) -> tuple[int, int]:
    """Return the number of entries and the size of the directory, as the archive ends with them."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _MAX_COMMENT - _END.size))
    tail = file.read()
    at = tail.rfind(b"PK\5\6", 0, len(tail) - _END.size + 4)
    if at < 0 or at + _END.size + _END.unpack_from(tail, at)[7] != len(tail):
        raise DataError(f"{path}: the zip has no end record: it is cut short or damaged")
    total, directory = _END.unpack_from(tail, at)[4:6]
    if total == 0xFFFF or directory == 0xFFFFFFFF:
        start = size - len(tail) + at - _LOCATOR_64.size
        file.seek(max(0, start))
        signature, _, position, _ = _LOCATOR_64.unpack(file.read(_LOCATOR_64.size))
        if signature == b"PK\6\7":
            file.seek(min(position, size))
            total, directory = _END_64.unpack(file.read(_END_64.size))[7:9]
    return total, directory


def _check(infos: list[zipfile.ZipInfo], size: int, path: Path) -> None:
    packed = 0
    for info in infos:
        name = f"{info.filename[:80]!a}"
        if info.flag_bits & 1 or info.compress_type not in (
            zipfile.ZIP_STORED,
            zipfile.ZIP_DEFLATED,
        ):
            raise DataError(f"{path}: entry {name} is encrypted or oddly compressed; DEFLATE fits")
        if info.file_size > DEFLATE_RATIO * max(1, info.compress_size):
            raise DataError(f"{path}: entry {name} claims an impossible size")
        if not info.filename.isprintable():
            raise DataError(f"{path}: entry {name} has a name with control characters")
        packed += _LOCAL_HEADER + info.compress_size
    if packed > size:
        raise DataError(f"{path}: entries of the zip share their bytes: refused")
    if len({info.filename for info in infos}) != len(infos):
        raise DataError(f"{path}: the zip has two entries of one name")


@contextmanager
def opened_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip whose directory has been checked.

    Raises:
        DataError: the directory is damaged or tells of an entry that is refused.
    """
    with path.open("rb") as file:
        total, directory = _end_record(file, path)
        if directory > MAX_DIRECTORY:
            raise DataError(f"{path}: the zip's directory is over {MAX_DIRECTORY >> 20} MiB")
        with zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
            if total != len(infos):
                raise DataError(f"{path}: the zip's directory is damaged")
            _check(infos, file.seek(0, 2), path)
            yield archive
