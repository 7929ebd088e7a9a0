"""Ops across positions and across samples: attention, recurrent nets, minibatch statistics."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import ops
from ...autograd import Tensor
from ...kernels.arrays import Array
from ..choices import Choices
from .table import Drawn, family

_GAP = 0.1  # least distance from a kink


class _Attention:
    """Queries, keys, leading axes that may broadcast, and one of four masks."""

    def __init__(self, c: Choices) -> None:
        lead = c.shape(c.integer(0, 2), 2, zero=True)
        self.lead = lead
        self.rows, self.columns, size = c.extent(3, zero=True), c.extent(4), c.extent(3)
        self.params: dict[str, Any] = {"scale": c.pick(None, 1.0, 0.3), "is_causal": c.chance(4)}
        narrow = tuple(1 if c.chance(3) else n for n in lead)
        self.args = [
            c.normal((*lead, self.rows, size)),
            c.normal((*(narrow if c.chance(3) else lead), self.columns, size)),
        ]
        self.mask = self._mask(c)

    def _mask(self, c: Choices) -> Array | None:
        kind = c.pick("none", "bool", "float", "float of each head")
        if kind == "none":
            return None
        shape = (self.rows if c.chance(2) else 1, self.columns)
        if kind == "bool":  # a query may find all keys hidden
            return c.integers(shape, 0, 2).astype(bool)
        return c.normal(shape if kind == "float" else (*self.lead, *shape))

    def drawn(self, op: Any, *more: Array) -> Drawn:
        """Return the op on these operands, ``more`` among them, and the mask, if any, last."""
        args, params = [*self.args, *more], self.params
        if self.mask is None:
            return Drawn(lambda *xs: op(*xs, **params), args)
        return Drawn(lambda *xs: op(*xs[:-1], attn_mask=xs[-1], **params), [*args, self.mask])


@family("attention_weights", kernels=("max", "sum", "softmax", "softmax_vjp"))
def _attention_weights(c: Choices) -> Drawn:
    return _Attention(c).drawn(ops.attention_weights)


@family(
    "scaled_dot_product_attention",
    kernels=("attention", "attention_vjp", "max", "sum", "softmax", "softmax_vjp"),
)
def _scaled_dot_product_attention(c: Choices) -> Drawn:
    drawn = _Attention(c)
    v = c.normal((*drawn.lead, drawn.columns, c.extent(3, zero=True)))
    return drawn.drawn(ops.scaled_dot_product_attention, v)


_GATES = ("bias_act", "bias_act_vjp")


def _recurrent(c: Choices, gates: int, states: int, steps: tuple[int, ...] = ()) -> list[Array]:
    """Draw x, the states, both weights, and both biases or none."""
    batch = (c.extent(2, zero=True),) if c.chance(2) else ()
    inputs, size = c.shape(2, 2, zero=True)
    args = [c.normal((*steps, *batch, inputs))]
    args += [c.normal((*batch, size)) for _ in range(states)]
    args += [c.normal((gates * size, inputs)), c.normal((gates * size, size))]
    return args + ([] if c.chance(3) else [c.normal((gates * size,)) for _ in range(2)])


@family("gru_cell", kernels=_GATES)
def _gru_cell(c: Choices) -> Drawn:
    return Drawn(ops.gru_cell, _recurrent(c, 3, 1))


@family("lstm_cell", kernels=_GATES)
def _lstm_cell(c: Choices) -> Drawn:
    return Drawn(lambda x, h, s, *w: ops.lstm_cell(x, (h, s), *w), _recurrent(c, 4, 2))


@family("gru", kernels=_GATES)
def _gru(c: Choices) -> Drawn:
    steps, reverse = (c.extent(2),), c.chance(2)
    return Drawn(lambda *xs: ops.gru(*xs, reverse=reverse), _recurrent(c, 3, 1, steps))


@family("lstm", kernels=_GATES)
def _lstm(c: Choices) -> Drawn:
    steps, reverse = (c.extent(2),), c.chance(2)

    def _fn(x: Tensor, h: Tensor, s: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
        y, last = ops.lstm(x, (h, s), *weights, reverse=reverse)
        return y, *last

    return Drawn(_fn, _recurrent(c, 4, 2, steps))


# equal samples agree in every entry: all distances would lie on their kink
@family("minibatch_discrimination", kernels=("sum",), broadcast=False)
def _minibatch_discrimination(c: Choices) -> Drawn:
    n, a, b, k = *c.shape(2, 3, zero=True), c.extent(2), c.extent(2)
    while True:
        f, weight = c.normal((n, a)), c.normal((a, b, k))
        m = np.tensordot(f, weight, 1)
        gaps = np.abs(m[:, None] - m)[~np.eye(n, dtype=bool)]
        if c.small_integers or not gaps.size * a or gaps.min() >= _GAP:
            return Drawn(ops.minibatch_discrimination, [f, weight])


# a group of equal samples has the deviation 0, where the root is steepest
@family("minibatch_std", kernels=("sum",), broadcast=False)
def _minibatch_std(c: Choices) -> Drawn:
    group, groups = c.integer(1, 3), c.integer(1, 2)
    parts, channels = c.integer(1, 2), c.integer(1, 2)
    shape = (group * groups, parts * channels, c.extent(2), c.extent(2))
    size = None if groups == 1 and c.chance(2) else group
    params: dict[str, Any] = {"num_channels": parts, "eps": c.pick(1e-8, 0.1)}
    while True:
        x = c.image(*shape)
        deviation = x.reshape(group, groups, *shape[1:]).std(0)
        if c.small_integers or group == 1 or deviation.min() >= _GAP:
            return Drawn(lambda x: ops.minibatch_std(x, group_size=size, **params), [x])
