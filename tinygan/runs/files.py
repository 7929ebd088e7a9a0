"""Files that are whole or absent: atomic writes, and tensors that prove their own integrity.

``save_tensors`` writes the safetensors format (an 8-byte header length, a JSON header, the bytes
of each tensor), which any other reader of that format can open. Two things are added in its
free-text metadata: the memory order of arrays that are not in C order, because sums over a
channels-last array change bits when its strides change; and the SHA-256 of the whole file with
that one field zeroed, because the format itself loads a flipped bit without a word.

Format: https://huggingface.co/docs/safetensors (safetensors 0.8).

Deviations from ``safetensors.numpy.save_file``: arrays of any memory order are written right (it
silently writes the wrong values), the file has the mode that the umask asks for (it: 0600), and it
is on the disk, under its name, when the call returns (it does not call fsync).
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
from collections.abc import Iterable, Mapping
from math import prod
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import CheckpointError, DtypeError, SaveError

Array: TypeAlias = npt.NDArray[Any]
PathLike: TypeAlias = str | os.PathLike[str]

_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1",
}  # fmt: skip
_NAMES = {np.dtype(text): name for name, text in _DTYPES.items()}
_ORDERS = "tinygan.orders"  # metadata: {name: axes from slowest to fastest}
_DIGEST = "tinygan.sha256"
_ZEROS = "0" * 64
_MAX_HEADER = 100_000_000  # as in safetensors


# -- atomic writes -----------------------------------------------------------------------------


def write_atomic(path: PathLike, chunks: Iterable[bytes | memoryview]) -> str:
    """Write a file so that at every moment it is the old one or the new one, and return its hash.

    The bytes go to ``.NAME.tmp`` in the same folder, which is flushed to the disk and renamed; the
    folder is flushed too. The mode is 0666 less the umask.

    Args:
        path: the file to write.
        chunks: its bytes, in pieces.

    Returns:
        The SHA-256 of the file, in hexadecimal.

    Raises:
        SaveError: it could not be written; the old file, if there was one, is untouched.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        digest = write_synced(temporary, chunks)
        os.replace(temporary, path)
        sync_directory(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise SaveError(f"{path}: cannot be written: {error.strerror or error}") from None
    return digest


def write_npz(path: PathLike, arrays: Mapping[str, Any]) -> None:
    """Write a compressed ``.npz`` at once or not at all; raises ``SaveError``."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_atomic(path, [buffer.getvalue()])


def write_synced(path: PathLike, chunks: Iterable[bytes | memoryview]) -> str:
    """Write a file in place, flush it to the disk and return its SHA-256; may raise OSError."""
    digest = hashlib.sha256()
    with open(path, "wb") as file:
        for chunk in chunks:
            file.write(chunk)
            digest.update(chunk)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def sync_directory(path: PathLike) -> None:
    """Flush the names in a folder to the disk, where the system can; may raise OSError."""
    if os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: PathLike, text: str) -> str:
    """Write text (UTF-8) atomically; see ``write_atomic``."""
    return write_atomic(path, [text.encode()])


def write_json(path: PathLike, value: object) -> str:
    """Write a value as indented JSON atomically; see ``write_atomic``.

    Raises:
        SaveError: it could not be written, or JSON has no form for the value.
    """
    return write_text(path, json_text(value, path))


def json_text(value: object, path: PathLike) -> str:
    """Return indented JSON; NumPy scalars become numbers, floats keep every bit."""
    try:
        return json.dumps(value, indent=2, default=_plain) + "\n"
    except (TypeError, ValueError, RecursionError) as error:
        raise SaveError(f"{os.fspath(path)}: not a value that JSON can hold: {error}") from None


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"a {type(value).__name__}; numbers, strings, lists and dicts fit")


def read_json(path: PathLike) -> Any:
    """Read a JSON file.

    Raises:
        CheckpointError: it is missing or is no JSON.
    """
    return parse_json(read_bytes(path), path)


def parse_json(data: bytes, path: PathLike) -> Any:
    """Parse JSON that came from ``path``, for its name in the error."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{os.fspath(path)}: damaged: {error}") from None


def read_bytes(path: PathLike) -> bytes:
    """Read a whole file, or raise ``CheckpointError`` with the reason."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise CheckpointError(f"{os.fspath(path)}: {error.strerror or error}") from None


# -- tensors -----------------------------------------------------------------------------------


def save_tensors(
    path: PathLike, tensors: Mapping[str, Array], metadata: Mapping[str, str] | None = None
) -> str:
    """Write arrays as a safetensors file, atomically.

    Args:
        path: the file to write.
        tensors: arrays by name, of any shape and memory order; float16/32/64, integers, bool.
            CuPy arrays are copied to the host.
        metadata: text by name, returned by ``read_metadata``.

    Returns:
        The SHA-256 of the file, in hexadecimal.

    Raises:
        DtypeError: an array has a dtype that the format lacks.
        SaveError: the file could not be written; an old one is untouched.
    """
    return write_atomic(path, encode_tensors(tensors, metadata))


def load_tensors(
    path: PathLike, *, sha256: str | None = None, unchecked: bool = False
) -> dict[str, Array]:
    """Read a file of ``save_tensors``; the arrays are writable and have their old memory order.

    Args:
        path: the file.
        sha256: the hash that ``save_tensors`` returned, if it is at hand.
        unchecked: also accept a safetensors file of another program, which has no hash in it.

    Raises:
        CheckpointError: the file is missing, damaged or of another kind; the message names it.
    """
    return decode_tensors(read_bytes(path), path, sha256=sha256, unchecked=unchecked)[0]


def read_metadata(path: PathLike) -> dict[str, str]:
    """Return the metadata that was given to ``save_tensors``, after checking the whole file."""
    return decode_tensors(read_bytes(path), path, sha256=None, unchecked=False)[1]


def encode_tensors(
    tensors: Mapping[str, Array], metadata: Mapping[str, str] | None = None
) -> list[bytes | memoryview]:
    """Return the pieces of a safetensors file; only arrays that are not in C order are copied."""
    orders = {name: order for name, x in tensors.items() if (order := memory_order(x)) is not None}
    arrays = {name: _in_c_order(name, x) for name, x in tensors.items()}
    offsets, end = {}, 0
    # the widest dtypes first, so that every tensor is aligned in the file, as the format asks for
    for name in sorted(arrays, key=lambda name: -arrays[name].itemsize):
        offsets[name] = [end, end + arrays[name].nbytes]
        end += arrays[name].nbytes
    entries = {
        name: {
            "dtype": _NAMES[array.dtype], "shape": list(array.shape), "data_offsets": offsets[name]
        }
        for name, array in arrays.items()
    }  # fmt: skip
    extra = {**(metadata or {}), _ORDERS: json.dumps(orders), _DIGEST: _ZEROS}
    header = json.dumps({"__metadata__": extra, **entries}, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    chunks: list[bytes | memoryview] = [len(header).to_bytes(8, "little") + header]
    chunks += [arrays[name].reshape(-1).view(np.uint8).data for name in offsets]
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    chunks[0] = bytes(chunks[0]).replace(_field(_ZEROS), _field(digest.hexdigest()), 1)
    return chunks


def decode_tensors(
    data: bytes, path: PathLike, *, sha256: str | None = None, unchecked: bool = False
) -> tuple[dict[str, Array], dict[str, str]]:
    """Check and parse the bytes of a safetensors file: (tensors, metadata)."""
    where = os.fspath(path)
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        raise CheckpointError(f"{where}: damaged: its SHA-256 is not {sha256[:12]}...")
    start = 8 + int.from_bytes(data[:8], "little")
    if len(data) < 8 or start > min(len(data), _MAX_HEADER):
        raise CheckpointError(f"{where}: not a safetensors file, or cut short")
    header = parse_json(data[8:start], path)
    extra = header.pop("__metadata__", {}) if isinstance(header, dict) else None
    if not isinstance(extra, dict) or not all(isinstance(text, str) for text in extra.values()):
        raise CheckpointError(f"{where}: damaged: its header is no table")
    stored = extra.pop(_DIGEST, None)
    if stored is None and not (unchecked or sha256):
        raise CheckpointError(f"{where}: has no SHA-256 in it: a file that tinygan wrote fits")
    if stored is not None and stored != _zeroed_digest(data, start, stored):
        raise CheckpointError(f"{where}: damaged: its SHA-256 differs from the one in its header")
    orders = parse_json(extra.pop(_ORDERS, "{}").encode(), path)
    try:
        return _arrays(memoryview(data)[start:], header, orders), extra
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{where}: damaged: {error}") from None


def _arrays(data: memoryview, header: dict[str, Any], orders: dict[str, Any]) -> dict[str, Array]:
    """Cut the data into tensors, which must fill it without gap or overlap."""
    arrays, position = {}, 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = entry["data_offsets"]
        dtype, shape = np.dtype(_DTYPES[entry["dtype"]]), tuple(entry["shape"])
        if begin != position or end < begin or end - begin != prod(shape) * dtype.itemsize:
            raise ValueError(f"the bytes of {name!a} do not fit its shape {shape}")
        flat = np.frombuffer(data[begin:end], dtype)
        arrays[name] = _restored(flat.reshape(shape), orders.get(name))
        position = end
    if position != len(data):
        raise ValueError(f"{len(data)} bytes of data, of which {position} are used")
    return {name: arrays[name] for name in header}


def memory_order(x: Array) -> list[int] | None:
    """Return the axes of an array from slowest to fastest, or None where that is C order.

    For a channels-last (N, C, H, W) array this is [0, 2, 3, 1].
    """
    if x.flags.c_contiguous:
        return None
    order = sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis]))
    return None if order == list(range(x.ndim)) else order


def _restored(x: Array, order: list[int] | None) -> Array:
    """Copy ``x`` to memory of its own in which the axes lie in ``order``."""
    if order is None:
        return x.copy()
    if sorted(order) != list(range(x.ndim)):
        raise ValueError(f"{order} is no order of {x.ndim} axes")
    dense: Array = x.transpose(order).copy().transpose(np.argsort(order))
    return dense


def _in_c_order(name: str, x: Array) -> Array:
    host = x.get() if hasattr(x, "get") else x  # CuPy arrays copy themselves to the host by get()
    array = np.asarray(host)
    array = np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")
    if array.dtype not in _NAMES:
        fitting = " ".join(np.dtype(text).name for text in _DTYPES.values())
        raise DtypeError(f"save_tensors: {name!r} is {array.dtype}; these fit: {fitting}")
    return array


def _field(digest: str) -> bytes:
    return f'"{_DIGEST}":"{digest}"'.encode()


def _zeroed_digest(data: bytes, start: int, stored: str) -> str:
    """Hash the file as it was before its own hash was put into the header, which ends at start."""
    digest = hashlib.sha256(data[:start].replace(_field(stored), _field(_ZEROS), 1))
    digest.update(memoryview(data)[start:])
    return digest.hexdigest()
