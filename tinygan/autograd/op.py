"""``Op``: a forward rule on arrays and a vjp rule on tensors.

The one invariant of the engine: **a vjp rule is written in differentiable ops.** It records its
own graph when asked to, so derivatives of every order follow with no further code.

A rule is a function ``rule(g, y, xs, needs, **params) -> (cotangent or None, ...)``:

    g      cotangents of the outputs, a tuple of tensors, never None
    y      the outputs, a tuple of tensors
    xs     the inputs, a tuple of tensors
    needs  per input, whether it lies on a path to an asked input; others may be answered by None
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal

from .. import kernels
from .outline import outlined
from .tensor import _RECORD, Node, Tensor

Tensors = tuple[Tensor, ...]
Cotangents = tuple["Tensor | None", ...]
Needs = tuple[bool, ...]
Rule = Callable[..., Cotangents]
Watcher = Callable[["Op", Tensors, Tensors], None]
Reads = Literal["values", "inputs", "outputs", "shapes"] | slice

# Which inputs a rule reads the values of, and whether it reads the outputs'.
_ALL = slice(None)
_READ: dict[str, tuple[slice, bool]] = {
    "values": (_ALL, True),
    "inputs": (_ALL, False),
    "outputs": (slice(0), True),
    "shapes": (slice(0), False),
}

_WATCHER: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


class Op:
    """A primitive: called with tensors, it runs ``forward`` on their arrays and records a node.

    Args:
        name: the name in error messages.
        forward: ``forward(*arrays, **params) -> array | tuple[array, ...]``.
        reads: what the vjp rule reads the values of: inputs and outputs (``"values"``), one of
            the two, some of the inputs (a slice of them), or nothing but ``"shapes"``. The graph
            keeps no other values alive, and changing others later is harmless.
        view: the output shares memory with the first input.
        constant: the output is piecewise constant in the inputs (a comparison, a sign): it is
            never recorded, its derivative being 0 wherever it exists.
    """

    def __init__(
        self,
        name: str,
        forward: Callable[..., Any],
        *,
        reads: Reads = "values",
        view: bool = False,
        constant: bool = False,
    ) -> None:
        self.name, self.forward = name, forward
        self.reads, self.view, self.constant = reads, view, constant
        self.inputs_read, self.outputs_read = (
            (reads, False) if isinstance(reads, slice) else _READ[reads]
        )
        self.rule: Rule | None = None

    def __repr__(self) -> str:
        return f"Op({self.name!r})"

    def defvjp(self, rule: Rule) -> Rule:
        """Set the vjp rule; a decorator."""
        self.rule = rule
        return rule

    def __call__(self, *inputs: Any, **params: Any) -> Tensor:
        """Run an op that has one output."""
        (y,) = self.outputs(*inputs, **params)
        return y

    def outputs(self, *inputs: Any, **params: Any) -> Tensors:
        """Run an op that may have several outputs; plain calling is for those with one."""
        xs: Tensors = inputs
        for x in inputs:
            if not isinstance(x, Tensor):
                xs = tuple([x if isinstance(x, Tensor) else Tensor(x) for x in inputs])
                break
        raw = self.forward(*[x._data for x in xs], **params)
        ys = tuple(map(Tensor, raw)) if isinstance(raw, tuple) else (Tensor(raw),)
        if self.view:
            ys[0]._version = xs[0]._version
        if not self.constant and _RECORD.get():
            for x in xs:
                if x.requires_grad:
                    kept = xs if self.inputs_read is _ALL else outlined(xs, self.inputs_read)
                    node = Node(self, kept, params, ys)
                    if self.outputs_read:
                        node.saved = tuple([y._data for y in ys])
                    break
        watcher = _WATCHER.get()
        if watcher is not None:
            watcher(self, xs, ys)
        return ys


def kernel_op(name: str, *, reads: Reads = "values") -> Op:
    """Make an op whose forward rule is whatever kernel of that name the registry picks."""
    return Op(name, functools.partial(kernels.call, name), reads=reads)


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Call ``watcher(op, inputs, outputs)`` after every op, until the ``with`` block ends.

    Per thread. Ops of the reverse pass count, as rules are made of ops; for debugging and tests.
    """
    token = _WATCHER.set(watcher)
    try:
        yield
    finally:
        _WATCHER.reset(token)
