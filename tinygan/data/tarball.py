"""Tar archives, plain or gzip, read in one pass and never unpacked to disk.

An archive is a row of headers of 512 bytes, each followed by its file in whole blocks of 512, and
at least one block of zeros (POSIX.1-2001, "ustar Interchange Format"). A header holds the name
(bytes 0 to 99), the size in octal (124 to 135), the sum of its own bytes (148 to 155) and the type
(156; ``0`` or NUL is a file). Only files that the caller names are kept, each with its last path
component for its name; everything else is read past, within a cap.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from ..errors import DataError

BLOCK = 512
MAX_TOTAL = 1 << 30  # bytes of the whole archive, unpacked
_CHUNK = 1 << 20


def is_tar(start: bytes) -> bool:
    """Tell whether 512 bytes are the first header of an archive."""
    return len(start) == BLOCK and start[257:262] == b"ustar"


def _octal(field: bytes) -> int:
    try:
        return int(field.strip(b" \0") or b"0", 8)
    except ValueError:
        raise DataError("damaged tar: a size is no octal number") from None


def _header(block: bytes) -> tuple[str, int, bool]:
    """Return name, size and whether it is a plain file."""
    blank = block[:148] + b" " * 8 + block[156:]
    if not is_tar(block) or _octal(block[148:156]) != sum(blank):
        raise DataError("damaged tar: the checksum of a header differs")
    name = block[:100].partition(b"\0")[0].decode("utf-8", "replace")
    return name.rstrip("/").rpartition("/")[2], _octal(block[124:136]), block[156:157] in b"0\0"


def _exactly(stream: BinaryIO, count: int) -> bytes:
    data = stream.read(count)
    if len(data) != count:
        raise DataError("tar ends inside a file")
    return data


def read_tar(stream: BinaryIO, wanted: Callable[[str], bool], max_kept: int) -> dict[str, bytes]:
    """Read the wanted files of an archive, by name without folders.

    Args:
        stream: the archive, unpacked; read to its end.
        wanted: tells by a file's name whether to keep it.
        max_kept: most bytes to keep in all.

    Raises:
        DataError: the archive is damaged, over a cap, or has two wanted files of one name.
    """
    kept: dict[str, bytes] = {}
    total = 0
    while any(block := _exactly(stream, BLOCK)):
        name, size, is_file = _header(block)
        padded = -(-size // BLOCK) * BLOCK
        total += BLOCK + padded
        if total > MAX_TOTAL:
            raise DataError("tar of more than 1 GiB")
        if is_file and wanted(name):
            if name in kept:
                raise DataError(f"tar with two files {name}")
            if size + sum(map(len, kept.values())) > max_kept:
                raise DataError(f"tar whose {name} is too large")
            kept[name] = _exactly(stream, size)
            padded -= size
        while padded:
            padded -= len(_exactly(stream, min(padded, _CHUNK)))
    while tail := stream.read(_CHUNK):  # to the end, where gzip checks its sum
        total += len(tail)
        if any(tail) or total > MAX_TOTAL:
            raise DataError("tar with something behind its end")
    return kept
