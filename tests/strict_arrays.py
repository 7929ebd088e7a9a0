"""An array type that behaves as CuPy's where CuPy is stricter than NumPy; it needs no GPU.

``to_strict(array)`` wraps a NumPy array. The wrapped one belongs to a module ``strictcupy``, which
``xp_of`` finds, and which has the functions that CuPy 14 has (tests/cupy_names.py) and no others.
Code that runs on it

- never turns an array into a NumPy array behind the author's back (``np.asarray``, NumPy functions
  and ufuncs raise; ``float``, ``int``, ``bool`` and ``item`` synchronise, and work as on CuPy);
- never mixes NumPy arrays into a call (Python and NumPy scalars are fine; ``asarray`` and ``array``
  are the explicit doors from the host, ``asnumpy`` and ``get`` those to it);
- calls only functions, methods and keywords that CuPy has: ufuncs take out, dtype and casting, no
  ``where=``; reductions neither ``where=`` nor ``initial=``; ``as_strided`` no ``writeable``;
- expects C order from ufuncs, and a 0-d array where NumPy would give a scalar;
- uses ``ufunc.at`` for add, subtract, maximum and minimum alone, of the dtypes with GPU atomics.

With the fixture ``emulated_gpu`` the CUDA kernels run on it, by the emulator.

What it can't show: rounding on a GPU, atomics in another order, indices out of bounds (NumPy raises
where CuPy wraps around).
"""

import importlib
import operator
import sys
from types import ModuleType, SimpleNamespace

import cupy_names
import numpy as np

NAME = "strictcupy"
tape = None  # what a stream that is being captured is to do; strict_cuda sets it

_DOORS = frozenset({"array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray"})
_KEEP_ORDER = _DOORS | {"copy", "empty_like", "zeros_like", "ones_like", "full_like", "astype"}
_NO_KEYWORDS = frozenset({"where", "initial", "subok", "like", "device", "signature", "extobj"})
_SCATTER = frozenset({"add", "subtract", "maximum", "minimum"})
_SCATTER_DTYPES = frozenset(
    {"int32", "uint32", "uint64", "float16", "float32", "float64", "complex64", "complex128"}
)
_IN_PLACE = frozenset({"copyto", "fill", "put", "sort"})  # and return nothing
_SCALARS = (bool, int, float, complex, np.generic, str, bytes, type, np.dtype, slice, type(None))


def _unwrap(value):
    """Return what NumPy takes; raise where CuPy would not take ``value``."""
    if isinstance(value, StrictArray):
        return value._array
    if isinstance(value, np.ndarray):
        raise TypeError("Unsupported type <class 'numpy.ndarray'>: a NumPy array among CuPy arrays")
    if isinstance(value, tuple | list):
        return type(value)(_unwrap(v) for v in value)
    if isinstance(value, _SCALARS) or value is Ellipsis or callable(value):
        return value
    if isinstance(value, range):
        return list(value)
    raise TypeError(f"Unsupported type {type(value)}")


def _wrap(value, order="K"):
    """Wrap arrays and NumPy scalars, also inside tuples; new arrays take C order if asked for."""
    if isinstance(value, np.ndarray):
        is_view = value.base is not None
        return StrictArray(value if order == "K" or is_view else np.array(value, order="C"))
    if isinstance(value, np.generic):
        return StrictArray(np.asarray(value))
    if isinstance(value, tuple | list):  # a named tuple, as linalg.svd returns, becomes plain
        return (list if isinstance(value, list) else tuple)(_wrap(v, order) for v in value)
    return value


def _check_keywords(name, kwargs, allowed=None):
    wrong = set(kwargs) - set(allowed) if allowed is not None else set(kwargs) & _NO_KEYWORDS
    if wrong:
        raise TypeError(f"Wrong arguments {sorted(wrong)}: cupy.{name} has none")


def _run(fn, name, args, kwargs, order, owner=None):
    """Call a NumPy function on unwrapped arguments; ``out`` comes back as the object it was."""
    out = kwargs.get("out")
    raw, named = _unwrap(args), {k: _unwrap(v) for k, v in kwargs.items()}

    def call():
        with np.errstate(all="ignore"):  # a GPU does not warn
            return fn(*raw, **named)

    if out is not None or name in _IN_PLACE:
        _later_or_now(call)
        return out
    return _recorded(call, _wrap(call(), order), [owner, *raw, *named.values()])


def _later_or_now(change):
    """Make a change to an array's values; while a stream is captured, put it on its tape."""
    if tape is None:
        change()
    else:
        tape.append(change)


def _recorded(call, result, operands):
    """Return a result; while a stream is captured, let a replay compute it anew in its memory."""
    made = result if isinstance(result, tuple | list) else [result]
    targets = [a._array for a in made if isinstance(a, StrictArray)]
    sources = [a for a in operands if isinstance(a, np.ndarray)]
    is_view = any(np.may_share_memory(t, s) for t in targets for s in sources)
    if tape is None or is_view or not targets:
        return result

    def again():
        values = call()
        for target, value in zip(
            targets, values if isinstance(values, tuple | list) else [values], strict=True
        ):
            target[...] = value

    tape.append(again)
    return result


def _safe(index):
    """Return an index whose arrays have values: while a stream is captured they have none yet."""
    if tape is None:
        return index
    parts = index if isinstance(index, tuple) else (index,)
    return tuple(
        np.zeros_like(p) if isinstance(p, np.ndarray) and p.dtype.kind in "iu" else p for p in parts
    )


def _forbid_capture(what):
    if tape is not None:
        raise RuntimeError(f"cudaErrorStreamCaptureUnsupported: {what}")


class StrictUfunc:
    """A ufunc with CuPy's keywords, C order results and CuPy's ``at``."""

    def __init__(self, name):
        self.__name__ = name
        self._fn = getattr(np, name)

    def __call__(self, *args, **kwargs):
        _check_keywords(self.__name__, kwargs, {"out", "dtype", "casting"})
        if any(isinstance(a, tuple | list) for a in args):
            raise TypeError(f"cupy.{self.__name__} takes arrays and scalars, got a sequence")
        return _run(self._fn, self.__name__, args, kwargs, "C")

    def at(self, a, indices, b=None):
        if self.__name__ not in _SCATTER:
            raise NotImplementedError(f"cupy.{self.__name__}.at is not supported")
        if a.dtype.name not in _SCATTER_DTYPES:
            raise TypeError(f"cupy.{self.__name__}.at has no atomics for {a.dtype}")
        args = _unwrap(a), _unwrap(indices), _unwrap(b)
        _later_or_now(lambda: self._fn.at(*args))


class Flags:
    """The flags that CuPy knows."""

    def __init__(self, flags):
        self.c_contiguous = flags.c_contiguous
        self.f_contiguous = flags.f_contiguous
        self.owndata = flags.owndata


def _forward_method(name):
    def method(self, *args, **kwargs):
        _check_keywords(name, kwargs)
        if name in ("item", "tolist", "tobytes"):
            _forbid_capture(f"{name} waits for the device")
            return getattr(self._array, name)(*args, **kwargs)
        order = "K" if name in _KEEP_ORDER else "C"
        return _run(getattr(self._array, name), name, args, kwargs, order, self._array)

    method.__name__ = name
    return method


def _forward_property(name):
    return property(lambda self: _wrap(getattr(self._array, name)))


def _binary(name):
    def method(self, other):
        if not isinstance(other, StrictArray | np.ndarray | np.generic | bool | int | float):
            return NotImplemented
        return StrictUfunc(name)(self, other)

    return method


def _reflected(name):
    def method(self, other):
        return StrictUfunc(name)(other, self)

    return method


def _in_place(name):
    def method(self, other):
        return StrictUfunc(name)(self, other, out=self)

    return method


def _unary(name):
    return lambda self: StrictUfunc(name)(self)


class StrictArray:
    """A NumPy array that refuses what a CuPy array refuses."""

    __slots__ = ("_array",)
    __array_ufunc__ = None  # NumPy's own operators give up, and ours check the operand
    __array_priority__ = 100
    __hash__ = None

    def __init__(self, array):
        if not isinstance(array, np.ndarray):
            raise TypeError(f"wraps NumPy arrays, got {type(array)}")
        self._array = array

    def __array__(self, *_, **__):
        raise TypeError("Implicit conversion to a NumPy array is not allowed: use .get()")

    def __array_function__(self, func, *_, **__):
        raise TypeError(f"numpy.{func.__name__} on a CuPy array: use the functions of xp_of(x)")

    shape, dtype = property(lambda s: s._array.shape), property(lambda s: s._array.dtype)
    ndim, size = property(lambda s: s._array.ndim), property(lambda s: s._array.size)
    strides, nbytes = property(lambda s: s._array.strides), property(lambda s: s._array.nbytes)
    itemsize = property(lambda s: s._array.itemsize)
    flags = property(lambda s: Flags(s._array.flags))
    device = property(lambda s: SimpleNamespace(id=0))
    base = property(lambda s: None if s._array.base is None else StrictArray(s._array.base))
    T, mT = _forward_property("T"), _forward_property("mT")

    @property
    def data(self):
        """Where the array begins in the pretended device's memory, as CuPy's MemoryPointer says."""
        return SimpleNamespace(ptr=self._array.__array_interface__["data"][0])

    real, imag = _forward_property("real"), _forward_property("imag")

    def get(self):
        """Copy to the host: the explicit door."""
        _forbid_capture("get waits for the device")
        return np.array(self._array)

    def __getitem__(self, index):
        array, at = self._array, self._index(index)
        return _recorded(lambda: array[at], _wrap(array[_safe(at)]), [array])

    def __setitem__(self, index, value):
        array, at, value = self._array, self._index(index), _unwrap(value)

        def assign():
            with np.errstate(all="ignore"):
                array[at] = value

        _later_or_now(assign)

    def _index(self, index):
        """Unwrap an index; integers alone get an Ellipsis, so that they give a 0-d view."""
        index = _unwrap(index)
        parts = index if isinstance(index, tuple) else (index,)
        if all(isinstance(i, int | np.integer) and not isinstance(i, bool) for i in parts):
            return (*parts, Ellipsis)
        return index

    def __len__(self):
        return len(self._array)

    def __iter__(self):
        return (self[i] for i in range(len(self._array)))

    def __repr__(self):
        return f"strict({self._array!r})"

    def __format__(self, spec):
        return format(self._array, spec)

    def __bool__(self):
        _forbid_capture("its value is on the device")
        return bool(self._array)

    def __int__(self):
        _forbid_capture("its value is on the device")
        return int(self._array)

    def __float__(self):
        _forbid_capture("its value is on the device")
        return float(self._array)

    def __index__(self):
        _forbid_capture("its value is on the device")
        return operator.index(self._array)

    def __matmul__(self, other):
        return strictcupy.matmul(self, other)

    def __rmatmul__(self, other):
        return strictcupy.matmul(other, self)

    __neg__, __pos__ = _unary("negative"), _unary("positive")
    __abs__, __invert__ = _unary("absolute"), _unary("invert")


_OPERATORS = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "true_divide",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "pow": "power",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "lshift": "left_shift",
    "rshift": "right_shift",
}
_COMPARISONS = {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal"}
_COMPARISONS |= {"eq": "equal", "ne": "not_equal"}

for _op, _name in _OPERATORS.items():
    setattr(StrictArray, f"__{_op}__", _binary(_name))
    setattr(StrictArray, f"__r{_op}__", _reflected(_name))
    setattr(StrictArray, f"__i{_op}__", _in_place(_name))
for _op, _name in _COMPARISONS.items():
    setattr(StrictArray, f"__{_op}__", _binary(_name))
for _name in cupy_names.METHODS:
    setattr(StrictArray, _name, _forward_method(_name))


def _function(name, fn):
    """Give a NumPy function CuPy's manners."""

    def call(*args, **kwargs):
        if name in _DOORS:  # from the host, explicitly
            if not all(isinstance(a, StrictArray) for a in args[:1]):
                _forbid_capture(f"{name} copies from pageable memory of the host")
            args = [_wrap(a) if isinstance(a, np.ndarray) else a for a in args]
        elif name != "copyto":  # the one function that has where=
            _check_keywords(name, kwargs)
        if name == "take":
            _check_keywords(name, kwargs, {"axis", "out", "a", "indices"})
        order = "K" if name in _KEEP_ORDER else "C"
        result = _run(fn, name, args, kwargs, order)
        # allclose and array_equal do not synchronise: they give 0-d arrays
        return StrictArray(np.asarray(result)) if name in ("allclose", "array_equal") else result

    call.__name__ = name
    return call


def _as_strided(x, shape=None, strides=None):
    return StrictArray(np.lib.stride_tricks.as_strided(x._array, shape, strides))


def _sliding_window_view(x, window_shape, axis=None, *, subok=False, writeable=False):
    fn = np.lib.stride_tricks.sliding_window_view
    return StrictArray(fn(x._array, window_shape, axis, subok=subok, writeable=writeable))


class StrictModule(ModuleType):
    """The namespace: names of CuPy, made on first use."""

    ndarray = StrictArray

    def __getattr__(self, name):
        if name not in cupy_names.NAMES:
            raise AttributeError(f"module 'cupy' has no attribute {name!r}")
        value = self._make(name)
        setattr(self, name, value)
        return value

    @staticmethod
    def _make(name):
        if name in cupy_names.UFUNCS:
            return StrictUfunc(name)
        if name == "asnumpy":
            return lambda x: x.get() if isinstance(x, StrictArray) else np.asarray(x)
        if name == "cuda":
            return importlib.import_module("strict_cuda")
        if name == "get_array_module":
            return lambda *xs: strictcupy if any(isinstance(x, StrictArray) for x in xs) else np
        if name == "linalg":
            functions = {
                n: _function(f"linalg.{n}", getattr(np.linalg, n)) for n in cupy_names.LINALG
            }
            return SimpleNamespace(**functions)
        if name == "lib":
            tricks = {"as_strided": _as_strided, "sliding_window_view": _sliding_window_view}
            return SimpleNamespace(stride_tricks=SimpleNamespace(**tricks))
        found = getattr(np, name)  # CuPy takes constants and dtypes from NumPy
        is_plain = isinstance(found, type | float) or found is None
        return found if is_plain or not callable(found) else _function(name, found)


strictcupy = StrictModule(NAME)
sys.modules.setdefault(NAME, strictcupy)
strictcupy = sys.modules[NAME]
StrictArray.__module__ = NAME


def to_strict(value):
    """Wrap every NumPy array in ``value``: an array, or a tuple, list or dict of them."""
    if isinstance(value, np.ndarray):
        return StrictArray(value)
    if isinstance(value, tuple | list):
        return type(value)(to_strict(v) for v in value)
    return {k: to_strict(v) for k, v in value.items()} if isinstance(value, dict) else value


def to_numpy(value):
    """Unwrap every strict array in ``value``; a NumPy array should not be there, and raises."""
    if isinstance(value, StrictArray):
        return value._array
    if isinstance(value, np.ndarray | np.generic):
        raise TypeError("a NumPy array or scalar came back where a CuPy array was due")
    if isinstance(value, tuple | list):
        return type(value)(to_numpy(v) for v in value)
    return {k: to_numpy(v) for k, v in value.items()} if isinstance(value, dict) else value
