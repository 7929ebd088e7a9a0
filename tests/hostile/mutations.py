"""Ways to make a right call wrong, drawn at random.

A mutation changes the arguments of a ``Call`` in place and returns True if the reference can still
say what an accepted call must give (a strided or read-only operand, a smaller extent), False if not
(NaN, a huge integer).
"""

from collections.abc import Callable

import numpy as np

from .memory import Memory

HUGE = (2**31 - 1, 2**31, 2**32, 2**46, 2**62, 2**63 - 1, 2**63, 2**64, 2**200)
INTS = (-(2**63), -(2**31), -7, -1, 0, 1, 2, 3, 17, *HUGE)
FLOATS = (float("nan"), float("inf"), float("-inf"), 0.0, -0.0, -1.0, 5e-324, 1e-45, 1e308, 3.4e38)
DTYPES = ("f2", "g", "i1", "i4", "i8", "u8", "?", "c8", "c16", "O", "S4", "U2", "V0", "V4", "M8[s]",
          ">f4", ">f8", "f4", "f8")  # fmt: skip


class Raising:
    """Raises whenever somebody looks at it."""

    def __index__(self):
        raise ValueError("no index")

    def __float__(self):
        raise ValueError("no float")

    def __len__(self):
        raise ValueError("no length")

    def __iter__(self):
        raise ValueError("no items")


class Claiming:
    """Claims to be an array that lies at address 8."""

    __array_interface__ = {"data": (8, False), "shape": (3,), "typestr": "<f4", "version": 3}  # noqa: RUF012 - the protocol wants a plain dict

    def __array__(self, *_args, **_kwargs):
        raise ValueError("no array after all")


class Ndarray(np.ndarray):
    """A subclass."""


def _pick(rng, options):
    return options[int(rng.integers(len(options)))]


def _stranger(rng):
    """Return something that is no array."""
    makers: list[Callable[[], object]] = [
        lambda: None, lambda: 3, lambda: 2.5, lambda: True, lambda: 1j, lambda: "x", lambda: b"xx",
        list, lambda: [1.0, 2.0], lambda: [[1.0], [2.0, 3.0]], dict, object, Raising, Claiming,
        lambda: Ndarray, lambda: memoryview(bytearray(64)), lambda: np.float32(2), lambda: print,
        lambda: np.dtype("f4"), lambda: range(5), lambda: (i for i in range(3)),
    ]  # fmt: skip
    return _pick(rng, makers)()


def _slices(rng, a):
    """Return a view of the array along one axis: shorter, strided, reversed, a far stride."""
    step = _pick(rng, (slice(None, -1), slice(1, None), slice(None, None, 2), slice(0, 0),
                       slice(None, None, -1), slice(0, 1), slice(None, None, 2**57),
                       slice(None, None, -(2**57))))  # fmt: skip
    at = int(rng.integers(a.ndim))
    return a[tuple(step if axis == at else slice(None) for axis in range(a.ndim))]


def _extents(rng, a):
    """Return an array of other extents: repeated, broadcast, another number of dimensions."""
    if a.size > 1 << 12:  # lengthened before: a second time, and the harness itself lacks memory
        return a.reshape(-1)
    at = int(rng.integers(a.ndim))
    longer = [int(_pick(rng, (2, 3, 40, 1000))) if i == at else n for i, n in enumerate(a.shape)]
    one = a[tuple(slice(0, 1) if i == at else slice(None) for i in range(a.ndim))]
    makers = [
        lambda: np.ones(longer, a.dtype),
        lambda: np.broadcast_to(one, longer) if one.size else a,
        lambda: np.broadcast_to(a.reshape(-1)[:1].reshape((1,) * a.ndim),
                                [2**20 if i == at else 1 for i in range(a.ndim)]) if a.size else a,
        lambda: a[None],
        lambda: a[..., None],
        lambda: a.reshape(-1),
        lambda: a[(0,) * a.ndim] if a.size else a,
        lambda: a.reshape(a.shape + (1,) * (60 - a.ndim)),
        lambda: a.swapaxes(at, -1),
        lambda: np.asfortranarray(a),
        lambda: np.ascontiguousarray(a),
        lambda: np.zeros((0,) * a.ndim, a.dtype),
    ]  # fmt: skip
    return _pick(rng, makers)()


def _subclass(rng, a):
    """Return the same array as a subclass."""
    kinds = [Ndarray, np.ma.MaskedArray, np.recarray]
    return a.view(_pick(rng, kinds))


def _read_only(_rng, a):
    view = a.view()
    view.flags.writeable = False
    return view


def _transplanted(rng, a, others, memory):
    """Return an array of the same shape that shares memory with another argument."""
    other = _pick(rng, others)
    if other.nbytes < a.nbytes or other.dtype != a.dtype or not other.flags.c_contiguous:
        return other
    start = int(rng.integers(other.nbytes - a.nbytes + 1)) // a.itemsize * a.itemsize
    return np.ndarray(a.shape, a.dtype, other.reshape(-1).view(np.uint8), start)


def _values(rng, a):
    """Put values at the edge of the type, or none, into the array itself."""
    if a.size and a.flags.writeable:
        if a.dtype.kind == "f":
            top = float(np.finfo(a.dtype).max)
            edge = _pick(rng, (np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, top, -top))
        else:
            edge = _pick(rng, (-1, 0, 1, 7, 2**31, 2**62, 2**63 - 1, -(2**63)))
        a[rng.random(a.shape) < _pick(rng, (0.1, 1.0))] = edge
    return a


def _other_dtype(rng, a, memory):
    dtype = np.dtype(_pick(rng, DTYPES))
    if dtype.kind in "OVM" or a.dtype.kind not in "fi":
        return np.zeros(a.shape, dtype)
    with np.errstate(all="ignore"):
        return memory.place(a.astype(dtype))


def _mutate_array(rng, call, at, memory):
    """Replace an array; tell whether the reference still knows the answer."""
    others = [b for i, b in enumerate(call.args) if isinstance(b, np.ndarray) and i != at]
    call.args[at], known = _mutant(rng, call.args[at], others, memory)
    return known


def _mutant(rng, a, others, memory):
    """Return another array for ``a``, and whether the reference still knows the answer."""
    kind = int(rng.integers(10))
    if kind == 0:
        return _stranger(rng), True
    if kind == 1:
        return _other_dtype(rng, a, memory), True
    if kind == 2 and a.ndim:
        return _slices(rng, a), True
    if kind <= 4 and a.ndim:
        return _extents(rng, a), True
    if kind == 5:
        return _subclass(rng, a), True
    if kind == 6:
        return _read_only(rng, a), True
    if kind == 7 and others:
        return _transplanted(rng, a, others, memory), True
    if kind == 8 and a.dtype.kind == "f":
        return memory.place(a, shift=int(rng.integers(1, a.itemsize))), True
    if a.dtype in (np.float32, np.float64, np.int64):
        return _values(rng, a), False
    return a, True


def _scalar(rng, value):
    """Return something else for a number."""
    kind = int(rng.integers(6))
    if kind == 0:
        return _stranger(rng)
    if kind == 1:
        return _pick(rng, FLOATS)
    if kind == 2:
        return _pick(
            rng, (np.int64(3), np.int8(-1), np.uint64(2**63), np.float32(0.5), np.array(2))
        )
    if kind == 3 and isinstance(value, float):
        return value * float(rng.uniform(-2, 2))
    return _pick(rng, INTS)


def _mutate_tuple(rng, value, memory):
    """Change an item of a tuple, or its length, or its type."""
    kind = int(rng.integers(8))
    if kind == 0:
        return _stranger(rng)
    if kind == 1:
        return value[: int(rng.integers(len(value) + 1))]
    if kind == 2 or not value:
        return (*value, 1)
    if kind == 3:
        return list(value)
    items = list(value)
    at = int(rng.integers(len(items)))
    if isinstance(items[at], np.ndarray):
        others = [b for i, b in enumerate(items) if isinstance(b, np.ndarray) and i != at]
        items[at], _ = _mutant(rng, items[at], others, memory)
    else:
        items[at] = _scalar(rng, 1)
    return tuple(items)


def mutate(rng, call, memory: Memory) -> bool:
    """Break one argument of the call; tell whether the reference still knows the answer."""
    if not call.args:
        call.args.append(_stranger(rng))
        return False
    at = int(rng.integers(len(call.args)))
    value = call.args[at]
    kind = int(rng.integers(20))
    if kind == 0:
        del call.args[at]
    elif kind == 1:
        call.args.insert(at, _stranger(rng))
    elif isinstance(value, np.ndarray):
        return _mutate_array(rng, call, at, memory)
    elif isinstance(value, tuple):
        call.args[at] = _mutate_tuple(rng, value, memory)
    elif value is None:
        call.args[at] = _pick(rng, (_stranger(rng), *FLOATS, np.ones(3, np.float32)))
    else:
        call.args[at] = _scalar(rng, value)
    return False
