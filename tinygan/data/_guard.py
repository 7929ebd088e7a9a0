"""What every reader does at its door: bound the memory, and give a decoder's error in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import DataError

LIMIT_BYTES = 4 << 30  # of decoded data in memory; a larger set needs a smaller size


@contextmanager
def reading(path: Path, fits: str) -> Iterator[None]:
    """Turn whatever a decoder raises on a hostile file into a ``DataError`` naming the file.

    Args:
        path: the file being read.
        fits: what would be accepted, for the end of the message.
    """
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        text = getattr(error, "strerror", None) or str(error)
        detail = text.partition("\n")[0] or type(error).__name__
        raise DataError(f"{path}: {detail}; {fits}") from error


def bound(path: Path, size: int) -> None:
    """Raise ``DataError`` if ``size`` bytes are more than a data set may take in memory."""
    if size > LIMIT_BYTES:
        raise DataError(
            f"{path}: needs {size / 2**30:.1f} GiB in memory, at most {LIMIT_BYTES / 2**30:g} GiB "
            "fit; use fewer or smaller images"
        )
