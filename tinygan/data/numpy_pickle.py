"""Pickles of NumPy arrays, lists and dicts, read by an allow-list: nothing in them is ever run.

An array is pickled in one of two ways (``numpy/_core/src/multiarray/methods.c``,
``array_reduce_ex``): up to protocol 4 as ``_reconstruct(ndarray, (0,), b"b")`` and then the state
(version, shape, dtype, is_fortran, bytes); at protocol 5 as ``_frombuffer(bytes, dtype, shape,
order)``. A dtype is ``dtype("u1", False, True)`` with a state whose second item is the byte order.
Here the bytes must be exactly those of the shape, and the array is a read-only view of them.

Python 2 wrote strings as bytes, so keys of its dicts become text here.
"""

from __future__ import annotations

from math import prod
from typing import BinaryIO

import numpy as np

from ..kernels.arrays import Array
from ..pickle_vm import DATA_OPCODES, Constructor, PickleError, PickleMachine, Stateful

FITS = "a pickle of a dict of lists and plain NumPy arrays"
_CODES = frozenset(f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)) | {"f4", "f8", "b1"}
_MODULES = ("numpy.core", "numpy._core")  # until NumPy 1 and since NumPy 2
_NDARRAY = object()  # the class: handed to _reconstruct, never called
_MAX_NDIM = 8
_MAX_EXTENT = 1 << 31  # of a dimension, since another may be 0


def _text(value: object) -> object:
    return value.decode("latin1") if isinstance(value, bytes) else value


class _Dtype(Stateful):
    """A dtype of plain numbers."""

    def __init__(self, code: object) -> None:
        code = _text(code)
        if not isinstance(code, str) or code not in _CODES:
            raise PickleError("pickle holds an array of what are no plain numbers: refused")
        self.dtype = np.dtype(code)

    def set_state(self, state: object) -> None:
        """Take the byte order from (version, order, subarray, names, fields, ...)."""
        order = _text(state[1]) if isinstance(state, tuple) and len(state) > 4 else None
        if not isinstance(state, tuple) or order not in ("<", ">", "|", "="):
            raise PickleError("malformed pickle: the state of a dtype")
        if any(part is not None for part in state[2:5]):
            raise PickleError("pickle holds an array of structures: refused")
        self.dtype = self.dtype.newbyteorder("<" if order == "=" else order)


class _Array(Stateful):
    """An array; empty until its state comes."""

    values: Array | None = None

    def set_state(self, state: object) -> None:
        """Take (version, shape, dtype, is_fortran, bytes)."""
        if not isinstance(state, tuple) or len(state) != 5 or self.values is not None:
            raise PickleError("malformed pickle: the state of an array")
        self.values = _view(state[4], state[2], state[1], "F" if state[3] else "C")


def _view(data: object, dtype: object, shape: object, order: object) -> Array:
    """Show bytes as an array, once its shape has accounted for all of them."""
    if not isinstance(data, bytes) or not isinstance(dtype, _Dtype):
        raise PickleError("malformed pickle: an array without bytes or dtype")
    if not isinstance(shape, tuple) or len(shape) > _MAX_NDIM:
        raise PickleError("malformed pickle: the shape of an array")
    sizes_fit = all(type(n) is int and 0 <= n <= _MAX_EXTENT for n in shape)
    if not sizes_fit or prod(shape) * dtype.dtype.itemsize != len(data):
        raise PickleError(f"an array of {len(data)} bytes has not the shape {str(shape)[:60]}")
    flat: Array = np.frombuffer(data, dtype.dtype)
    return flat.reshape(shape, order="F" if order == "F" else "C")


def _reconstruct(arguments: tuple[object, ...]) -> object:
    if len(arguments) != 3 or arguments[0] is not _NDARRAY:
        raise PickleError("malformed pickle: an array of another class")
    return _Array()


def _dtype(arguments: tuple[object, ...]) -> object:
    if not 1 <= len(arguments) <= 3:
        raise PickleError("malformed pickle: a dtype")
    return _Dtype(arguments[0])


def _frombuffer(arguments: tuple[object, ...]) -> object:
    if len(arguments) != 4:
        raise PickleError("malformed pickle: an array")
    array = _Array()
    array.values = _view(*arguments[:3], _text(arguments[3]))
    return array


class _Encoder:
    """``_codecs.encode``, by which Python 3 writes bytes at protocol 2; bounded in all it makes."""

    def __init__(self, budget: int) -> None:
        self.budget = budget

    def __call__(self, arguments: tuple[object, ...]) -> object:
        """Turn (text, "latin1") into bytes."""
        match arguments:
            case (str(text), str(coding)) if coding in ("latin1", "latin-1"):
                self.budget -= len(text)  # one text can be encoded many times over
            case _:
                raise PickleError("malformed pickle: bytes")
        if self.budget < 0:
            raise PickleError("pickle makes more bytes than it holds: refused")
        try:
            return text.encode("latin1")
        except UnicodeEncodeError:
            raise PickleError("malformed pickle: bytes") from None


def _known(max_bytes: int) -> dict[str, object]:
    return {
        "numpy.ndarray": _NDARRAY,
        "numpy.dtype": Constructor(_dtype),
        "_codecs.encode": Constructor(_Encoder(max_bytes)),
        **{f"{m}.multiarray._reconstruct": Constructor(_reconstruct) for m in _MODULES},
        **{f"{m}.numeric._frombuffer": Constructor(_frombuffer) for m in _MODULES},
    }


def read_dict(stream: BinaryIO, max_bytes: int) -> dict[str, object]:
    """Read a pickled dict; arrays in it are NumPy's, its keys text.

    Args:
        stream: the pickle, and nothing behind it.
        max_bytes: most bytes that the stream can hold.

    Raises:
        PickleError: it is damaged, is no dict, or asks for anything but plain data.
    """
    machine = PickleMachine(
        stream, _known(max_bytes), opcodes=DATA_OPCODES, max_bytes=max_bytes, fits=FITS
    )
    root = machine.load()
    if not isinstance(root, dict):
        raise PickleError(f"pickle holds no dict: {FITS} fits")
    if stream.read(1):
        raise PickleError("bytes are left over behind the pickle")
    found = {str(_text(k)): v.values if isinstance(v, _Array) else v for k, v in root.items()}
    if len(found) != len(root):
        raise PickleError("two keys of one name")
    return found
