"""Read PyTorch's ``.pth`` state dicts without PyTorch, and without running what is in them.

Both formats that ``torch.save`` has written are read. The zip format holds ``NAME/data.pkl`` and
the bytes of each storage in ``NAME/data/KEY``. The legacy format is a stream: a pickled magic
number, a protocol version, system facts, the object, the list of storage keys, and then for each
key a count (int64) and the bytes. In both a tensor is (storage, offset, size, stride).

The pickles are run by ``pickle_vm``, which can build data and nothing else; there is no fallback
to the ``pickle`` module. Every size in the file is compared with what is there before anything is
allocated, so memory stays under twice the size of the file plus 64 MB.

Source: ``torch/serialization.py`` and ``torch/_utils.py`` (``_rebuild_tensor_v2``).

Deviations: bfloat16 becomes float32, since NumPy has none; zip entries must be stored, as
``torch.save`` writes them; a tensor that shows more values than its storage holds (``expand``
without ``contiguous``) is refused.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import CheckpointError
from ..pickle_vm import MAX_BYTES, Constructor, PickleError, PickleMachine, checked_items
from .pth_zip import read_at, read_member, stored_members

Array: TypeAlias = npt.NDArray[Any]
Fetch: TypeAlias = "Callable[[_Storage], Array]"  # the bytes of a storage, uint8

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_MAX_TENSORS = 20_000
_MAX_VISITS = 500_000
_MAX_DEPTH = 16
_MAX_NAME = 1024
_MAX_NDIM = 32
_MAX_VOLUME = 1 << 48  # of a shape with its zeros left out: NumPy multiplies these in 64 bits

# name of the storage -> dtype in the file, dtype of the array (None: see _convert)
_STORAGES = {
    "FloatStorage": ("f4", "f4"),
    "DoubleStorage": ("f8", "f8"),
    "HalfStorage": ("f2", "f2"),
    "BFloat16Storage": ("u2", "f4"),
    "LongStorage": ("i8", "i8"),
    "IntStorage": ("i4", "i4"),
    "ShortStorage": ("i2", "i2"),
    "CharStorage": ("i1", "i1"),
    "ByteStorage": ("u1", "u1"),
    "BoolStorage": ("u1", "?"),
}


@dataclass(frozen=True)
class _StorageType:
    stored: str
    loaded: str

    @property
    def itemsize(self) -> int:
        """Bytes of a value in the file."""
        return np.dtype(self.stored).itemsize


@dataclass(frozen=True)
class _Storage:
    kind: _StorageType
    key: str
    numel: int
    root_numel: int  # of the whole storage; the legacy format has storages that are parts of one
    start: int = 0

    @property
    def nbytes(self) -> int:
        """Bytes of the whole storage in the file."""
        return self.root_numel * self.kind.itemsize


@dataclass(frozen=True)
class _TensorSpec:
    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


def load_pth(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Read the tensors of a PyTorch ``.pth``, ``.pt`` or ``.ckpt`` file.

    Nested dicts are joined with dots: ``{"g": {"0.weight": t}}`` gives ``"g.0.weight"``. Values
    that are no tensors (an epoch number, an optimizer's settings) are left out.

    Args:
        path: a file that ``torch.save`` wrote, in its zip or its legacy format.

    Returns:
        Arrays by name, in the file's order, in PyTorch's shapes and dtypes (bfloat16 as float32).
        They are writable; tensors that share a storage in PyTorch share memory here, and a tensor
        that is not contiguous keeps its strides.

    Raises:
        CheckpointError: the file is missing, damaged, of another kind, or asks for anything that
            a state dict has no need of; the message names the file.
    """
    try:
        if not os.path.isfile(path):
            raise CheckpointError("there is no such file")
        with open(path, "rb") as file:
            return _load(file, os.path.getsize(path))
    except OSError as error:
        raise CheckpointError(f"{os.fspath(path)}: {error.strerror or error}") from None
    except (CheckpointError, PickleError) as error:
        raise CheckpointError(f"{os.fspath(path)}: {error}") from None


def _load(file: io.BufferedReader, file_size: int) -> dict[str, Array]:
    start = file.read(4)
    file.seek(0)
    if start == b"PK\x03\x04":
        root, fetch, order = _open_zip(file)
    elif start[:1] == b"\x80":
        root, fetch, order = _open_legacy(file, file_size)
    else:
        raise CheckpointError("neither a zip nor a legacy file of torch.save")
    if isinstance(root, _TensorSpec):
        raise CheckpointError("holds a single tensor without a name: a state_dict fits")
    tensors = _unique(_walk(root))
    if not tensors:
        raise CheckpointError("holds no tensors: a state_dict fits")
    return _materialise(tensors, fetch, order, budget=2 * file_size + (16 << 20))


# -- what the pickle may name ------------------------------------------------------------------


def _ordered_dict(arguments: tuple[object, ...]) -> object:
    if not arguments:
        return {}
    pairs = arguments[0]
    if len(arguments) != 1 or not isinstance(pairs, list):
        raise CheckpointError("malformed pickle: OrderedDict of what is no list")
    items = checked_items(pairs)
    pairs.clear()  # one list makes one dict, or a small file could make many large ones
    return items


def _ints(value: object, what: str) -> tuple[int, ...]:
    """Check that ``value`` is a short tuple of whole numbers >= 0."""
    if not isinstance(value, tuple) or len(value) > _MAX_NDIM:
        raise CheckpointError(f"a tensor's {what} is no tuple of at most {_MAX_NDIM} numbers")
    for number in value:
        if type(number) is not int or number < 0:
            raise CheckpointError(f"a tensor's {what} holds what is no whole number >= 0")
    return value


def _rebuild_tensor(arguments: tuple[object, ...]) -> object:
    """Check (storage, offset, size, stride, requires_grad, hooks[, metadata]) and keep it."""
    if len(arguments) not in (6, 7) or not isinstance(arguments[0], _Storage):
        raise CheckpointError("malformed pickle: a tensor without a storage")
    storage = arguments[0]
    (offset,) = _ints(arguments[1:2], "offset")
    size, stride = _ints(arguments[2], "size"), _ints(arguments[3], "stride")
    if len(size) != len(stride) or prod(max(n, 1) for n in size) > _MAX_VOLUME:
        raise CheckpointError(f"a tensor's size {size} and stride {stride} do not fit")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    numel = prod(size)
    if numel and (last >= storage.numel or numel > storage.numel):
        raise CheckpointError(
            f"a tensor of size {size}, stride {stride} and offset {offset} does not fit its "
            f"storage of {storage.numel} values"
        )
    return _TensorSpec(storage, offset, size, stride)


def _rebuild_parameter(arguments: tuple[object, ...]) -> object:
    if len(arguments) != 3 or not isinstance(arguments[0], _TensorSpec):
        raise CheckpointError("malformed pickle: a parameter without a tensor")
    return arguments[0]


_KNOWN: dict[str, object] = {
    "collections.OrderedDict": Constructor(_ordered_dict),
    "torch._utils._rebuild_tensor_v2": Constructor(_rebuild_tensor),
    "torch._utils._rebuild_parameter": Constructor(_rebuild_parameter),
    **{f"torch.{name}": _StorageType(*dtypes) for name, dtypes in _STORAGES.items()},
}


class _Storages(dict[str, _Storage]):
    """The storages that a pickle has named, by key; called with a persistent id."""

    def __call__(self, pid: object) -> object:
        """Check ("storage", type, key, location, numel[, view]) and keep it."""
        if not isinstance(pid, tuple) or len(pid) not in (5, 6) or pid[0] != "storage":
            raise CheckpointError("a persistent id that is no storage: a state_dict fits")
        kind, key, _, numel = pid[1:5]
        if not isinstance(kind, _StorageType) or not isinstance(key, str):
            raise CheckpointError("a storage without a type or key")
        (numel,) = _ints((numel,), "storage size")
        first = self.setdefault(key, _Storage(kind, key, numel, numel))
        if (first.kind, first.root_numel) != (kind, numel):
            raise CheckpointError(f"storage {key[:40]!a} has two types or sizes")
        if len(pid) == 5 or pid[5] is None:
            return first
        if not isinstance(pid[5], tuple) or len(pid[5]) != 3:
            raise CheckpointError("a storage with a malformed view")
        start, length = _ints(pid[5][1:], "view")
        if start + length > numel:
            raise CheckpointError(f"a view of {length} values at {start} in a storage of {numel}")
        return _Storage(kind, key, length, numel, start)


# -- the two formats ---------------------------------------------------------------------------


def _open_legacy(file: io.BufferedReader, file_size: int) -> tuple[object, Fetch, str]:
    def pickled(persistent: Callable[[object], object] | None = None) -> object:
        """Run the next pickle of the stream."""
        return PickleMachine(file, _KNOWN, persistent).load()

    if pickled() != _MAGIC or pickled() != _PROTOCOL:
        raise CheckpointError("not a file of torch.save: no magic number or another protocol")
    if not isinstance(pickled(), dict):
        raise CheckpointError("malformed legacy file: no system facts")
    storages = _Storages()
    root, keys = pickled(storages), pickled()
    if not isinstance(keys, list):
        raise CheckpointError("malformed legacy file: no list of storages")
    found: dict[str, int] = {}  # key -> position of its bytes
    for key in keys:
        if not isinstance(key, str) or key not in storages or key in found:
            raise CheckpointError("malformed legacy file: a storage that nothing uses")
        count = int.from_bytes(file.read(8), "little", signed=True)
        found[key] = file.tell()
        if count != storages[key].root_numel:
            raise CheckpointError(f"storage {key[:40]!a} has two sizes")
        if storages[key].nbytes > file_size - file.tell():
            raise CheckpointError("file ends inside a storage")
        file.seek(storages[key].nbytes, os.SEEK_CUR)
    if file.tell() != file_size:
        raise CheckpointError(f"{file_size - file.tell()} bytes are left over at the end")

    def fetch(storage: _Storage) -> Array:
        """Read the bytes of a storage."""
        if storage.key not in found:
            raise CheckpointError(f"storage {storage.key[:40]!a} is missing")
        return read_at(file, found[storage.key], storage.nbytes)

    return root, fetch, "<"


def _open_zip(file: io.BufferedReader) -> tuple[object, Fetch, str]:
    members = stored_members(file)
    folders = [name[: -len("data.pkl")] for name in members if name.endswith("/data.pkl")]
    if len(folders) != 1:
        raise CheckpointError("zip without one data.pkl: a file of torch.save fits")

    def member(name: str, limit: int) -> bytes:
        """Read a small entry."""
        if members[folders[0] + name].file_size > limit:
            raise CheckpointError(f"{name} is longer than {limit} bytes")
        return read_member(file, members[folders[0] + name]).tobytes()

    stream = io.BytesIO(member("data.pkl", MAX_BYTES))
    root = PickleMachine(stream, _KNOWN, _Storages()).load()
    order = member("byteorder", 16) if folders[0] + "byteorder" in members else b"little"
    if order not in (b"little", b"big"):
        raise CheckpointError(f"byte order {order!r} is unknown: little and big fit")

    def fetch(storage: _Storage) -> Array:
        """Read the bytes of a storage."""
        info = members.get(f"{folders[0]}data/{storage.key}")
        if info is None or info.file_size != storage.nbytes:
            raise CheckpointError(f"no storage {storage.key[:40]!a} of {storage.nbytes} bytes")
        return read_member(file, info)

    return root, fetch, "<" if order == b"little" else ">"


# -- from the pickled object to arrays ---------------------------------------------------------


def _walk(root: object) -> Iterator[tuple[str, _TensorSpec]]:
    """Yield the tensors of nested dicts with their dotted names, in order, within the caps."""
    visits = 0

    def visit(value: object, name: str, depth: int) -> Iterator[tuple[str, _TensorSpec]]:
        """Yield the tensors below a value."""
        nonlocal visits
        visits += 1  # a dict may be shared by many others, so that paths grow exponentially
        if visits > _MAX_VISITS or depth > _MAX_DEPTH or len(name) > _MAX_NAME:
            raise CheckpointError("its dicts are nested too deeply, or too large")
        if isinstance(value, _TensorSpec):
            yield name, value
        elif isinstance(value, dict):
            for key, item in value.items():
                yield from visit(item, f"{name}.{key}" if depth else str(key), depth + 1)

    return visit(root, "", 0)


def _unique(pairs: Iterator[tuple[str, _TensorSpec]]) -> dict[str, _TensorSpec]:
    tensors: dict[str, _TensorSpec] = {}
    for name, spec in pairs:
        if name in tensors or len(tensors) >= _MAX_TENSORS:
            raise CheckpointError(f"too many tensors, or two of the name {name!a}")
        tensors[name] = spec
    return tensors


def _convert(raw: Array, kind: _StorageType, order: str) -> Array:
    """View bytes as the storage's dtype, in the machine's byte order."""
    values = raw.view(np.dtype(kind.stored).newbyteorder(order))  # type: ignore[arg-type]
    if (kind.stored, kind.loaded) == ("u2", "f4"):  # bfloat16 is the upper half of a float32
        wide: Array = values.astype(np.uint32)
        wide <<= 16
        return wide.view(np.float32)
    converted: Array = values.astype(kind.loaded, copy=False)  # bool: any byte but 0 is True
    return converted


def _materialise(
    tensors: dict[str, _TensorSpec], fetch: Fetch, order: str, *, budget: int
) -> dict[str, Array]:
    """Read every storage once and show the tensors in it."""
    flats: dict[str, Array] = {}
    arrays: dict[str, Array] = {}
    for name, spec in tensors.items():
        storage = spec.storage
        budget -= prod(spec.size) * np.dtype(storage.kind.loaded).itemsize
        if budget < 0:
            raise CheckpointError("its tensors are much larger than the file: save them contiguous")
        if storage.key not in flats:
            flats[storage.key] = _convert(fetch(storage), storage.kind, order)
        arrays[name] = _show(flats[storage.key], spec)
    return arrays


def _show(flat: Array, spec: _TensorSpec) -> Array:
    """View a checked tensor in its storage; plainly where it lies in C order."""
    start, numel = spec.storage.start + spec.offset, prod(spec.size)
    expected, contiguous = 1, True
    for n, step in zip(reversed(spec.size), reversed(spec.stride), strict=True):
        contiguous &= n == 1 or step == expected
        expected *= n
    if numel == 0:
        return np.empty(spec.size, flat.dtype)
    if contiguous:
        return flat[start : start + numel].reshape(spec.size)
    item = flat.itemsize
    strides = [
        step * item if n > 1 else item for n, step in zip(spec.size, spec.stride, strict=True)
    ]
    return np.lib.stride_tricks.as_strided(flat[start:], spec.size, strides)
