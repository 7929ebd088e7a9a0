"""Elementwise ops: 0 to 4 axes, broadcasting in both operands, numbers in place of tensors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ... import ops
from ...autograd import Tensor
from ...kernels.arrays import Array, Shape
from ..choices import Choices
from .table import Drawn, family

_Draw = Callable[[Choices, Shape], Array]

_UNARY: dict[str, _Draw] = {
    "abs": Choices.off_zero,
    "cos": Choices.normal,
    "exp": Choices.normal,
    "expm1": Choices.normal,
    "log": Choices.positive,
    "log1p": Choices.positive,
    "neg": Choices.normal,
    "rsqrt": Choices.positive,
    "sin": Choices.normal,
    "sqrt": Choices.positive,
    "square": Choices.normal,
}

_BINARY: dict[str, tuple[_Draw, _Draw]] = {
    "add": (Choices.normal, Choices.normal),
    "sub": (Choices.normal, Choices.normal),
    "mul": (Choices.normal, Choices.normal),
    "div": (Choices.normal, Choices.positive),
    # one on even multiples of a step, the other on odd ones: no ties, however they broadcast
    "maximum": (lambda c, s: on_grid(c, s, 0), lambda c, s: on_grid(c, s, 1)),
    "minimum": (lambda c, s: on_grid(c, s, 0), lambda c, s: on_grid(c, s, 1)),
}


def on_grid(c: Choices, shape: Shape, odd: int, step: float = 0.3) -> Array:
    """Draw even (``odd`` = 0) or odd (1) multiples of ``step``; integers where those are asked."""
    return (2 * c.integers(shape, -3, 3) + odd) * (1.0 if c.small_integers else step)


def any_shape(c: Choices, *, least: int = 0, most: int = 4) -> Shape:
    """Choose the shape of an operand; an axis may be empty."""
    return c.shape(c.integer(least, most), 3, zero=True)


def stretchable(c: Choices, shape: Shape) -> Shape:
    """Choose a shape that broadcasts to ``shape``: leading axes dropped, others of length 1."""
    lead = c.integer(0, len(shape)) if c.chance(3) else 0
    return tuple(1 if c.chance(4) else n for n in shape[lead:])


def _enter_unary(name: str, draw: _Draw) -> None:
    op = getattr(ops, name)
    family(name)(lambda c: Drawn(op, [draw(c, any_shape(c))]))


def _enter_binary(name: str, draw_a: _Draw, draw_b: _Draw) -> None:
    op = getattr(ops, name)

    @family(name)
    def _draw(c: Choices) -> Drawn:
        shape = any_shape(c)
        form = c.pick("tensors", "tensors", "tensors", "twice", "number first", "number last")
        if form == "number first":
            number = float(draw_a(c, ()))
            return Drawn(lambda x: op(number, x), [draw_b(c, shape)])
        if form == "number last":
            number = float(draw_b(c, ()))
            return Drawn(lambda x: op(x, number), [draw_a(c, shape)])
        a, b = draw_a(c, stretchable(c, shape)), draw_b(c, stretchable(c, shape))
        if form == "twice":  # one tensor on both sides collects both cotangents
            return Drawn(lambda x, y: op(x, y) + op(x, y) * x, [a, b])
        return Drawn(op, [a, b])


for _name, _one in _UNARY.items():
    _enter_unary(_name, _one)
for _name, _two in _BINARY.items():
    _enter_binary(_name, *_two)


@family("pow")
def _pow(c: Choices) -> Drawn:
    shape = any_shape(c)
    form = c.pick("whole", "real", "tensors", "base")
    if form == "whole":
        n = c.integer(0, 4)  # its derivatives end, also at and below 0
        return Drawn(lambda x: x**n, [c.normal(shape)])
    if form == "real":
        exponent = c.pick(-2, -1, -0.5, 0.5, 1.7, 2.0)
        return Drawn(lambda x: ops.pow(x, exponent), [c.positive(shape)])
    if form == "base":
        base = c.pick(0.5, 1.0, 3.0)
        return Drawn(lambda x: ops.pow(base, x), [c.normal(shape)])
    return Drawn(ops.pow, [c.positive(stretchable(c, shape)), c.normal(stretchable(c, shape))])


@family("clip")
def _clip(c: Choices) -> Drawn:
    x, step = on_grid(c, any_shape(c), 0), 1.0 if c.small_integers else 0.3
    low = 2 * c.integer(-3, 2) + 1  # the bounds on odd multiples: no entry of x is near
    high = low + 2 * c.integer(0, 3)
    return Drawn(lambda x: ops.clip(x, low * step, high * step) * x, [x])


@family("where")
def _where(c: Choices) -> Drawn:
    shape = any_shape(c)
    a, b = c.off_zero(stretchable(c, shape)), c.off_zero(stretchable(c, shape))
    form = c.pick("operand", "operand", "compared", "number")
    if form == "compared":
        return Drawn(lambda a, b: ops.where(a > 0, a * b, b), [a, b])
    chosen = c.integers(stretchable(c, shape), 0, 2)
    condition = chosen.astype(np.bool_) if c.chance(2) else chosen
    if form == "number":
        return Drawn(lambda k, a: ops.where(k, a, 0.5) * _where_not(k, a), [condition, a])
    return Drawn(ops.where, [condition, a, b])


def _where_not(condition: Tensor, a: Tensor) -> Tensor:
    return ops.where(condition, -2.0, a)
