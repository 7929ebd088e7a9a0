"""The zip layer of ``.pth`` files: entries that are stored as they are, found and checked.

``zipfile`` reads the directory; the bytes are read here, straight into arrays. Entries that
overlap (zip bombs), that are compressed, encrypted or named twice are refused, and so is a
directory long enough to make ``zipfile`` allocate far more than the file holds.

Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT (sections 4.3 and 4.4).
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import CheckpointError

Bytes: TypeAlias = npt.NDArray[np.uint8]

_MAX_MEMBERS = 30_000


def read_at(file: io.BufferedReader, offset: int, nbytes: int) -> Bytes:
    """Read bytes, uint8, whose presence in the file has been checked."""
    data = np.empty(nbytes, np.uint8)
    file.seek(offset)
    if file.readinto(data.data) != nbytes:
        raise CheckpointError("file ends inside a storage")
    return data


def stored_members(file: io.BufferedReader) -> dict[str, zipfile.ZipInfo]:
    """List the entries of a zip by name, after checking that none could surprise a reader.

    Args:
        file: a zip file opened for reading.

    Returns:
        Entries that are stored as they are, with unique names, and that overlap neither each
        other nor the directory.

    Raises:
        CheckpointError: the zip is damaged or has an entry of another kind.
    """
    entries, tail = 0, b""
    while block := file.read(1 << 20):  # bounds what zipfile will allocate for its directory
        entries += (tail + block).count(b"PK\x01\x02")
        tail = block[-3:]
    if entries > _MAX_MEMBERS:
        raise CheckpointError(f"zip with more than {_MAX_MEMBERS} entries")
    try:
        with zipfile.ZipFile(file) as archive:
            infos, end = archive.infolist(), archive.start_dir
    except (zipfile.BadZipFile, ValueError, OverflowError, NotImplementedError, struct.error):
        raise CheckpointError("damaged zip: its directory can't be read") from None
    for info in sorted(infos, key=lambda info: info.header_offset, reverse=True):
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            raise CheckpointError(f"zip entry {info.filename[:80]!a} is compressed or encrypted")
        if info.file_size != info.compress_size or info.header_offset < 0:
            raise CheckpointError(f"zip entry {info.filename[:80]!a} has two sizes")
        if _data_offset(file, info) + info.file_size > end:
            raise CheckpointError(f"zip entry {info.filename[:80]!a} overlaps another")
        end = info.header_offset
    members = {info.filename: info for info in infos}
    if len(members) != len(infos):
        raise CheckpointError("zip with two entries of one name")
    return members


def _data_offset(file: io.BufferedReader, info: zipfile.ZipInfo) -> int:
    """Position of an entry's bytes: behind its local header of 30 bytes, name and extra field."""
    file.seek(info.header_offset)
    header = file.read(30)
    if len(header) != 30 or header[:4] != b"PK\x03\x04":
        raise CheckpointError(f"damaged zip: entry {info.filename[:80]!a} has no header")
    name_bytes, extra_bytes = struct.unpack("<HH", header[26:])
    return info.header_offset + 30 + int(name_bytes) + int(extra_bytes)


def read_member(file: io.BufferedReader, info: zipfile.ZipInfo) -> Bytes:
    """Read the bytes of an entry, uint8, and compare them with its checksum."""
    data = read_at(file, _data_offset(file, info), info.file_size)
    if zlib.crc32(data.data) != info.CRC:
        raise CheckpointError(f"damaged zip: checksum of {info.filename[:80]!a} differs")
    return data
