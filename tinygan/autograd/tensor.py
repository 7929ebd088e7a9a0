"""``Tensor``: an array, plus the node of the graph that made it.

A tensor's data is a NumPy or a CuPy array. Ops never change it in place; ``assign_`` is the only
way to change it, and it moves the tensor's *version* on. A node records the versions of what it
saved, so a reverse pass through a tensor that changed since then raises instead of answering wrong.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DtypeError, ShapeError
from ..kernels.arrays import Array, Shape
from ..kernels.cuda.graph import active, refuse

if TYPE_CHECKING:
    from .op import Op

_RECORD: ContextVar[bool] = ContextVar("record", default=True)

Axis = int | Sequence[int] | None


class Node:
    """One application of one op: the edges of the graph from its outputs to its inputs."""

    __slots__ = (
        "inputs", "op", "out_versions", "outputs", "params", "released", "saved", "versions",
    )  # fmt: skip

    def __init__(
        self,
        op: Op,
        inputs: tuple[Tensor, ...],
        params: dict[str, Any],
        outputs: tuple[Tensor, ...],
    ) -> None:
        """Become the node of ``outputs``; hold them weakly, their shapes and dtypes for good."""
        self.op, self.inputs, self.params, self.released = op, inputs, params, False
        self.versions = [t._version[0] for t in inputs]
        self.saved: tuple[Array, ...] = ()  # arrays of the outputs, where the rule reads them
        self.out_versions = [t._version[0] for t in outputs]
        self.outputs: list[tuple[weakref.ref[Tensor], Shape, Any]] = []
        for i, t in enumerate(outputs):
            shape, dtype = t._data.shape, t._data.dtype
            self.outputs.append((weakref.ref(t), shape, dtype))
            if dtype.kind == "f":  # integers have no derivative
                t.node, t.index, t.requires_grad = self, i, True

    def release(self) -> None:
        """Drop what was saved; a later reverse pass through this node raises."""
        self.inputs, self.saved, self.released = (), (), True


class Tensor:
    """An n-dimensional array that remembers how it was computed.

    Args:
        data: an array (its dtype is kept), or Python numbers (floats become float32).
        requires_grad: make this a leaf with respect to which ``grad`` can differentiate.

    Raises:
        DtypeError: ``requires_grad`` on data that is not floating point.
    """

    __slots__ = ("__weakref__", "_data", "_version", "grad", "index", "node", "requires_grad")
    __array_priority__ = 1000  # NumPy defers: array * tensor is a tensor

    def __init__(self, data: Any, requires_grad: bool = False) -> None:
        self._data: Array = data if type(data) is np.ndarray else _as_array(data)
        if requires_grad and self._data.dtype.kind != "f":
            raise DtypeError(f"requires_grad needs floating-point data, got {self._data.dtype}")
        self.requires_grad = requires_grad
        self.node: Node | None = None
        self.index = 0
        self.grad: Tensor | None = None
        self._version = [0]

    # --- what it is ---

    @property
    def data(self) -> Array:
        """The array itself, shared and not copied; change it by ``assign_`` alone."""
        return self._data

    @property
    def version(self) -> int:
        """How often ``assign_`` changed this tensor, or one that shares its memory."""
        return self._version[0]

    @property
    def shape(self) -> Shape:
        """Extents of the axes."""
        return self._data.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._data.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(self._data.size)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Element type."""
        return self._data.dtype

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded op made this tensor."""
        return self.node is None

    def __repr__(self) -> str:
        made = f", made by {self.node.op.name}" if self.node else ""
        leaf = ", requires_grad=True" if self.requires_grad and self.is_leaf else ""
        return f"Tensor({self._data!r}{leaf}{made})"

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __float__(self) -> float:
        recording = active()
        return float(self._data.item()) if recording is None else recording.promise(self._data)

    def __int__(self) -> int:
        return int(self.item())

    def __bool__(self) -> bool:
        return bool(self.item())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self._data, dtype=dtype, copy=copy)

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self._data.__dlpack__(**kwargs)

    def __dlpack_device__(self) -> Any:
        return self._data.__dlpack_device__()

    def item(self) -> Any:
        """Return the only element as a Python number."""
        refuse("it reads the value of a tensor, and does more with it than to report it")
        return self._data.item()

    def numpy(self) -> Array:
        """Return the data as a NumPy array: shared if it is one, else copied from the device."""
        data: Any = self._data
        return data if isinstance(data, np.ndarray) else data.get()

    # --- graph ---

    def detach(self) -> Tensor:
        """Return the same data outside the graph: a constant."""
        out = Tensor(self._data)
        out._version = self._version
        return out

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Turn differentiation with respect to this leaf on or off, and return it."""
        if requires_grad and self.dtype.kind != "f":
            raise DtypeError(f"requires_grad needs floating-point data, got {self.dtype}")
        self.requires_grad = requires_grad
        return self

    def assign_(self, array: Any) -> Tensor:
        """Replace the data, move the version on, and return this tensor.

        ``array`` is taken as it is, not copied; it may be ``self.data`` after a kernel wrote to it.

        Raises:
            ShapeError: the shape differs.
            DtypeError: the dtype differs.
        """
        if array is self._data:  # a kernel wrote to it
            self._version[0] += 1
            return self
        array = _as_array(array)
        if array.shape != self.shape:
            raise ShapeError(f"assign_ to a tensor of shape {self.shape} got {array.shape}")
        if array.dtype != self.dtype:
            raise DtypeError(f"assign_ to a tensor of dtype {self.dtype} got {array.dtype}")
        self._data = array
        self._version[0] += 1
        return self

    def backward(self, gradient: Tensor | None = None, *, retain_graph: bool = False) -> None:
        """Add the gradient of this scalar to ``.grad`` of every leaf that it depends on."""
        vjp.backward(self, gradient, retain_graph=retain_graph)

    # --- arithmetic: every operator is an op of autograd/basic.py or autograd/linear.py ---

    def __add__(self, other: Any) -> Tensor:
        return basic.add(self, other)

    def __radd__(self, other: Any) -> Tensor:
        return basic.add(other, self)

    def __sub__(self, other: Any) -> Tensor:
        return basic.sub(self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return basic.sub(other, self)

    def __mul__(self, other: Any) -> Tensor:
        return basic.mul(self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return basic.mul(other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return basic.div(self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return basic.div(other, self)

    def __pow__(self, other: Any) -> Tensor:
        return basic.pow(self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return basic.pow(other, self)

    def __neg__(self) -> Tensor:
        return basic.neg(self)

    def __abs__(self) -> Tensor:
        return basic.abs(self)

    def __matmul__(self, other: Any) -> Tensor:
        return linear.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return linear.matmul(other, self)

    def __getitem__(self, index: Any) -> Tensor:
        return linear.getitem(self, index)

    def __gt__(self, other: Any) -> Tensor:
        return basic.greater(self, other)

    def __ge__(self, other: Any) -> Tensor:
        return basic.greater_equal(self, other)

    def __lt__(self, other: Any) -> Tensor:
        return basic.less(self, other)

    def __le__(self, other: Any) -> Tensor:
        return basic.less_equal(self, other)

    def __eq__(self, other: object) -> Any:
        return basic.equal(self, other)

    def __ne__(self, other: object) -> Any:
        return basic.not_equal(self, other)

    __hash__ = object.__hash__  # identity: a tensor may be a key of a dict

    # --- methods, as PyTorch and NumPy users type them ---

    def sum(self, axis: Axis = None, keepdims: bool = False, **torch_names: Any) -> Tensor:
        """Add up over ``axis`` (``dim``), all axes if None."""
        return linear.sum(self, axis, keepdims, **torch_names)

    def mean(self, axis: Axis = None, keepdims: bool = False, **torch_names: Any) -> Tensor:
        """Average over ``axis`` (``dim``), all axes if None."""
        return basic.mean(self, axis, keepdims, **torch_names)

    def var(
        self, axis: Axis = None, keepdims: bool = False, *, correction: int = 1, **torch_names: Any
    ) -> Tensor:
        """Variance over ``axis`` (``dim``), divided by n - ``correction``."""
        return basic.var(self, axis, keepdims, correction=correction, **torch_names)

    def max(self, axis: Axis = None, keepdims: bool = False, **torch_names: Any) -> Tensor:
        """Largest entry over ``axis`` (``dim``), all axes if None."""
        return basic.max(self, axis, keepdims, **torch_names)

    def min(self, axis: Axis = None, keepdims: bool = False, **torch_names: Any) -> Tensor:
        """Smallest entry over ``axis`` (``dim``), all axes if None."""
        return basic.min(self, axis, keepdims, **torch_names)

    def reshape(self, *shape: Any) -> Tensor:
        """Return the same entries in another shape; one extent may be -1."""
        return linear.reshape(self, *shape)

    def flatten(self, start_axis: int = 0, end_axis: int = -1) -> Tensor:
        """Merge the axes from ``start_axis`` to ``end_axis`` into one."""
        return linear.flatten(self, start_axis, end_axis)

    def transpose(self, *axes: Any) -> Tensor:
        """Permute the axes; without arguments, reverse them."""
        return linear.transpose(self, *axes)

    @property
    def T(self) -> Tensor:
        """The tensor with its axes reversed."""
        return linear.transpose(self)

    def astype(self, dtype: Any) -> Tensor:
        """Convert to another dtype."""
        return linear.astype(self, dtype)

    def exp(self) -> Tensor:
        """Return e to the power of each entry."""
        return basic.exp(self)

    def log(self) -> Tensor:
        """Natural logarithm."""
        return basic.log(self)

    def sqrt(self) -> Tensor:
        """Square root."""
        return basic.sqrt(self)

    def tanh(self) -> Tensor:
        """Hyperbolic tangent."""
        return basic.tanh(self)

    def sigmoid(self) -> Tensor:
        """Logistic function 1 / (1 + exp(-x))."""
        return basic.sigmoid(self)


def _as_array(data: Any) -> Array:
    if isinstance(data, Tensor):
        return data._data
    if isinstance(data, np.ndarray):
        return data
    if isinstance(data, np.generic):  # first: a NumPy float64 is a Python float too
        return np.asarray(data)
    if isinstance(data, float | int | list | tuple):
        numbers = np.asarray(data)
        return numbers.astype(np.float32) if numbers.dtype == np.float64 else numbers
    if not hasattr(data, "dtype"):
        raise DtypeError(f"a tensor takes an array or numbers, got {type(data).__name__}")
    array: Array = data  # CuPy's: it stays on its device
    return array


@contextmanager
def recording(on: bool) -> Iterator[None]:
    """Record the graph, or don't, until the ``with`` block ends. Per thread."""
    token = _RECORD.set(on)
    try:
        yield
    finally:
        _RECORD.reset(token)


def no_grad() -> Any:
    """Return a context in which nothing is recorded: results are constants."""
    return recording(False)


def enable_grad() -> Any:
    """Return a context in which the graph is recorded, also inside ``no_grad``."""
    return recording(True)


def is_recording() -> bool:
    """Tell whether ops record the graph at this place."""
    return _RECORD.get()


# Last, because these modules need the class above; operators look them up when they are called.
from . import basic, linear, vjp  # noqa: E402
