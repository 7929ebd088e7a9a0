"""Kernel registry: which implementations of an op exist, and which one runs.

A *kernel* is a plain function on arrays. It knows nothing about tensors, gradients or modules.
Every op has one reference kernel, written for reading in the functions that NumPy and CuPy share,
and any number of fast ones. A fast kernel declares what it can do with ``supports``, a predicate
that returns ``None`` for yes and a short reason for no; ``explain`` prints those reasons.

The type of the arrays picks the backend family: NumPy arrays run on ``cpp``, ``numba`` or
``numpy``, CuPy arrays on ``cuda`` or ``cupy`` (the reference again); ``cusim``, which runs the
kernels of ``cuda`` on NumPy arrays, must be asked for by name. Within a family the first kernel
that accepts the call runs, unless it predicts that another one is faster: an algorithm that pays
for some shapes only declares ``predict``, a measured cost model. ``use_backend`` narrows the choice
and is strict: a backend that the user named never falls back to another, and a variant that the
user named runs whether it pays or not.

Asking every kernel at every call would cost more than a small kernel does. So a choice is kept for
calls of the same *signature*: types, dtypes, shapes and strides of the arrays, the parameters, the
backends in force, and the modes that a kernel names (``setting``). ``supports`` and ``predict``
must be functions of these alone; a kernel that looks at more says so (``by_signature=False``).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from ..errors import NoKernelError, OptionError
from .arrays import is_numpy
from .native import check_environment
from .variables import variable

Supports = Callable[..., "str | None"]
Predict = Callable[..., "Prediction"]
Accumulate = Literal["input", "float32", "float64"]
Function = TypeVar("Function", bound=Callable[..., Any])
Trace = Callable[["Kernel", "tuple[Any, ...]", "dict[str, Any]"], None]
Setting = Callable[[], str]

HOST_BACKENDS = ("cpp", "numba", "numpy", "cusim")
DEVICE_BACKENDS = ("cuda", "cupy")
BACKENDS = HOST_BACKENDS + DEVICE_BACKENDS
UNASKED = (
    "cpp",
    "numba",
    "numpy",
    "cuda",
    "cupy",
)  # cusim runs where it is named, and nowhere else


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a kernel predicts of a call that it accepts.

    Attributes:
        pays: it expects to be faster than the kernels after it.
        text: the figure, or why it should not run; ``explain`` prints it.
    """

    pays: bool
    text: str


@dataclass(frozen=True, slots=True)
class Kernel:
    """One implementation of one op.

    Attributes:
        op: op name, e.g. ``"conv2d"``.
        backend: one of ``BACKENDS``.
        variant: the algorithm, e.g. ``"implicit_gemm"``; unique within (op, backend).
        fn: ``fn(*arrays, **params) -> array | tuple[array, ...]``; never modifies its inputs,
            except for the optimizer kernels, which are documented as in place.
        supports: ``None`` if the call can run here, else the reason why it can't.
        accumulate: the type in which sums are carried; ``"input"`` is the dtype of the inputs.
        deterministic: the same inputs give the same bits, whatever the number of threads.
        exact: every output is a plain sum of products, so small integers come out exactly.
        predict: says, of a call that it supports, whether it pays; None: it always does.
        by_signature: ``supports`` and ``predict`` look at types, dtypes, shapes, strides and
            parameters alone (and at ``setting``), so that a choice is kept for the next call.
        setting: returns a mode in force that ``supports`` or ``predict`` depend on.
    """

    op: str
    backend: str
    variant: str
    fn: Callable[..., Any]
    supports: Supports
    accumulate: Accumulate = "input"
    deterministic: bool = True
    exact: bool = False
    predict: Predict | None = None
    by_signature: bool = True
    setting: Setting | None = None

    @property
    def key(self) -> str:
        """Name the kernel as ``op/backend/variant``."""
        return f"{self.op}/{self.backend}/{self.variant}"

    def refusal(self, *arrays: Any, **params: Any) -> str | None:
        """Return ``None`` if this kernel can run the call, else the reason why it can't."""
        for first in arrays:
            if first is not None:
                on_host = self.backend in HOST_BACKENDS
                if is_numpy(first) != on_host:
                    library = "NumPy" if on_host else "CuPy"
                    return f"takes {library} arrays, got {type(first).__name__}"
                break
        return self.supports(*arrays, **params)


_KERNELS: dict[str, list[Kernel]] = {}
_STRICT: ContextVar[tuple[str, ...] | None] = ContextVar("strict_backends", default=None)
_TRACE: ContextVar[Trace | None] = ContextVar("trace", default=None)
_CHOSEN: dict[tuple[Any, ...], Kernel] = {}  # by signature
_named_by_environment = variable("TINYGAN_BACKEND")
_MOST_CHOSEN = 8192  # then it begins anew: shapes may be without end


def _always(*_: Any, **__: Any) -> None:
    return None


def register(
    op: str,
    backend: str,
    variant: str,
    *,
    supports: Supports = _always,
    accumulate: Accumulate = "input",
    deterministic: bool = True,
    exact: bool = False,
    predict: Predict | None = None,
    by_signature: bool = True,
    setting: Setting | None = None,
) -> Callable[[Function], Function]:
    """Return a decorator that adds the function below it as a kernel of ``op``.

    Within a backend the kernel that was registered first is asked first.

    Args:
        op: the op's name.
        backend: one of ``BACKENDS``.
        variant: the algorithm.
        supports: ``supports(*arrays, **params)`` returns None, or why the call can't run here.
        accumulate: see ``Kernel``; error bounds follow from it.
        deterministic: see ``Kernel``.
        exact: see ``Kernel``.
        predict: ``predict(*arrays, **params)`` returns a ``Prediction``.
        by_signature: see ``Kernel``; False where ``supports`` or ``predict`` look at more.
        setting: see ``Kernel``.

    Raises:
        OptionError: no such backend, or there is a kernel of that key already.
    """
    if backend not in BACKENDS:
        raise OptionError(f"register: no backend {backend!r}: use one of {', '.join(BACKENDS)}")

    def _add(fn: Function) -> Function:
        declared = (accumulate, deterministic, exact, predict, by_signature, setting)
        kernel = Kernel(op, backend, variant, fn, supports, *declared)
        if any(k.key == kernel.key for k in _KERNELS.get(op, ())):
            raise OptionError(f"register: {kernel.key} exists already: unregister() it first")
        _KERNELS.setdefault(op, []).append(kernel)
        _forget()
        return fn

    return _add


def unregister(key: str) -> None:
    """Take the kernel of a key ``op/backend/variant`` out again, and its op with its last kernel.

    Raises:
        OptionError: there is none.
    """
    op = key.partition("/")[0]
    left = [k for k in _KERNELS.get(op, ()) if k.key != key]
    if len(left) == len(_KERNELS.get(op, ())):
        raise OptionError(f"unregister: no kernel {key!r}: explain(op) lists those of an op")
    _KERNELS[op] = left
    if not left:
        del _KERNELS[op]
    _forget()


def register_reference(
    op: str,
    *,
    accumulate: Accumulate = "input",
    exact: bool = False,
    deterministic: bool = True,
) -> Callable[[Function], Function]:
    """Return a decorator that adds a function as the reference of ``op`` on both libraries."""
    declared: dict[str, Any] = {
        "accumulate": accumulate,
        "exact": exact,
        "deterministic": deterministic,
    }

    def _add(fn: Function) -> Function:
        for backend in ("numpy", "cupy"):
            register(op, backend, "reference", **declared)(fn)
        return fn

    return _add


def kernels(op: str | None = None) -> list[Kernel]:
    """List the registered kernels of one op, or of all."""
    return [k for name, found in _KERNELS.items() if op in (None, name) for k in found]


def op_names() -> list[str]:
    """List the ops that have at least one kernel."""
    return sorted(_KERNELS)


def _check_backends(names: tuple[str, ...]) -> tuple[str, ...]:
    variants = {f"{k.backend}/{k.variant}" for k in kernels()}
    for name in names:
        if name not in BACKENDS and name not in variants:
            raise OptionError(
                f"no backend {name!r}: use one of {', '.join(BACKENDS)}, or backend/variant"
            )
    return names


@contextmanager
def use_backend(*names: str) -> Iterator[None]:
    """Run only on these backends, in this order of preference, until the ``with`` block ends.

    Strict: a call that none of them accepts raises ``NoKernelError`` with the reasons. A name such
    as ``"cpp/direct"`` takes that variant alone.

    Raises:
        OptionError: a name is neither one of ``BACKENDS`` nor a variant of one.
    """
    token = _STRICT.set(_check_backends(names))
    try:
        yield
    finally:
        _STRICT.reset(token)


def backend_order() -> tuple[str, ...]:
    """Return the backends in force: ``use_backend``, ``TINYGAN_BACKEND``, or all but cusim."""
    strict = _STRICT.get()
    if strict is not None:
        return strict
    named = _named_by_environment()
    return _check_backends(tuple(named.split(","))) if named else UNASKED


def in_order(op: str) -> tuple[Kernel, ...]:
    """Return every kernel of ``op`` on the backends in force, in order of preference.

    Raises:
        OptionError: no such op, or a variable of the environment that does not fit.
    """
    if op not in _KERNELS:
        raise OptionError(f"no op {op!r}: the registry has {', '.join(op_names())}")
    return _in_order(op, backend_order())


@functools.cache
def _in_order(op: str, backends: tuple[str, ...]) -> tuple[Kernel, ...]:
    check_environment()
    return tuple(
        kernel
        for backend in backends
        for kernel in _KERNELS[op]
        if backend in (kernel.backend, f"{kernel.backend}/{kernel.variant}")
    )


@functools.cache
def _settings(op: str) -> tuple[Setting, ...] | None:
    """Return what a choice for ``op`` depends on beside its signature; None: on who knows what."""
    found = _KERNELS.get(op, ())
    if not all(kernel.by_signature for kernel in found):
        return None
    return tuple({kernel.setting for kernel in found if kernel.setting is not None})


def _forget() -> None:
    """Forget what was derived from the list of kernels."""
    _in_order.cache_clear()
    _settings.cache_clear()
    _CHOSEN.clear()


_ALWAYS_PAYS = Prediction(True, "")


def _prediction(kernel: Kernel, arrays: tuple[Any, ...], params: dict[str, Any]) -> Prediction:
    """Say of a call that a kernel accepts whether it should run; one that the user named should."""
    if kernel.predict is None:
        return _ALWAYS_PAYS
    found = kernel.predict(*arrays, **params)
    named = f"{kernel.backend}/{kernel.variant}" in backend_order()
    return Prediction(found.pays or named, found.text)


def candidates(op: str, *arrays: Any, **params: Any) -> Iterator[tuple[Kernel, str | None]]:
    """Yield every kernel of ``op`` in order of preference, each with its refusal or ``None``."""
    return ((kernel, kernel.refusal(*arrays, **params)) for kernel in in_order(op))


def explain(op: str, *arrays: Any, **params: Any) -> str:
    """Say, one line a kernel, which would run this call (the first ``ok``) and why others don't.

    Without arrays it lists what is registered.
    """
    if not arrays and not params:
        return "\n".join(_describe(kernel) for kernel in in_order(op))
    lines = []
    for kernel, reason in candidates(op, *arrays, **params):
        if reason is None:
            prediction = _prediction(kernel, arrays, params)
            verdict = ["ok"] * prediction.pays + [prediction.text] * bool(prediction.text)
            reason = ", ".join(verdict)
        lines.append(f"{kernel.key:40s} {reason}")
    return "\n".join(lines)


def _describe(kernel: Kernel) -> str:
    facts = [f"accumulates in {kernel.accumulate}"]
    facts += ["exact"] * kernel.exact + ["not deterministic"] * (not kernel.deterministic)
    return f"{kernel.key:40s} {', '.join(facts)}"


def choose(op: str, *arrays: Any, **params: Any) -> Kernel:
    """Return the kernel that would run this call.

    Raises:
        NoKernelError: none of the backends in force accepts it; the message has every reason.
    """
    settings = _settings(op)
    if settings is None:
        return _ask(op, arrays, params)
    try:
        signature = (
            op,
            backend_order(),
            *[setting() for setting in settings],
            *[None if a is None else (type(a), a.dtype, a.shape, a.strides) for a in arrays],
            *params.items(),
        )
        found = _CHOSEN.get(signature)
    except (AttributeError, TypeError):  # no array, or a parameter that can't be hashed
        return _ask(op, arrays, params)
    if found is None:
        found = _ask(op, arrays, params)
        if len(_CHOSEN) >= _MOST_CHOSEN:
            _CHOSEN.clear()
        _CHOSEN[signature] = found
    return found


def _ask(op: str, arrays: tuple[Any, ...], params: dict[str, Any]) -> Kernel:
    """Ask the kernels in order of preference for one that takes the call, and for which it pays."""
    spare = None
    for kernel in in_order(op):
        if kernel.refusal(*arrays, **params) is None:
            if _prediction(kernel, arrays, params).pays:
                return kernel
            spare = spare or kernel  # it does not pay, but perhaps nothing else runs at all
    if spare is not None:
        return spare
    reasons = [f"{kernel.key}: {why}" for kernel, why in candidates(op, *arrays, **params)]
    listed = "; ".join(reasons) or f"none registered for {', '.join(backend_order())}"
    raise NoKernelError(f"no kernel runs this {op} call: {listed}")


def call(op: str, *arrays: Any, **params: Any) -> Any:
    """Run ``op`` on the first kernel that accepts the call."""
    kernel = choose(op, *arrays, **params)
    trace = _TRACE.get()
    if trace is not None:
        trace(kernel, arrays, params)
    return kernel.fn(*arrays, **params)


@contextmanager
def tracing(trace: Trace) -> Iterator[None]:
    """Call ``trace(kernel, arrays, params)`` before every kernel, until the ``with`` block ends.

    Per thread; for tests, and to see what a model is made of.
    """
    token = _TRACE.set(trace)
    try:
        yield
    finally:
        _TRACE.reset(token)
