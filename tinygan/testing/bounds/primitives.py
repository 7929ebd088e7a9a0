"""The ops of autograd that are no kernels: how far a result may be from the exact one.

A function here takes the machine, the op's forward function, its operands in float64 and its
parameters, and returns the result in running error arithmetic, or None where it is exact: ops that
move entries, choose between them or change their sign.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import OptionError
from ...kernels.arrays import Array, elementwise
from .running import Machine, Running, errors, select
from .table import Errors, bound

Forward = Callable[..., Any]
Primitive = Callable[..., "Running | None"]

PRIMITIVES: dict[str, Primitive] = {}


def primitive(*names: str) -> Callable[[Primitive], Primitive]:
    """Return a decorator that makes the function below it the bound of these primitive ops."""

    def _enter(fn: Primitive) -> Primitive:
        PRIMITIVES.update(dict.fromkeys(names, fn))
        return fn

    return _enter


def primitive_of(name: str) -> Primitive:
    """Return the bound of a primitive op.

    Raises:
        OptionError: it has none.
    """
    if name not in PRIMITIVES:
        raise OptionError(
            f"primitive op {name!r} has no error bound: write one with @primitive({name!r}) in "
            "tinygan/testing/bounds/primitives.py"
        )
    return PRIMITIVES[name]


_MOVES = """alias astype broadcast_to concatenate getitem lay_out pad_border reshape
    split transpose"""
_CHOOSES = "absolute floor maximum minimum negative relu round where"
_CONSTANT = """equal greater greater_equal inside isfinite less less_equal not_equal sign step
    wins"""


@primitive(*_MOVES.split(), *_CHOOSES.split(), *_CONSTANT.split())
def _exact(m: Machine, forward: Forward, *xs: Array, **_: Any) -> Running | None:
    return None


@primitive("clip", "pad")
def _constants(m: Machine, forward: Forward, x: Array, **params: Any) -> Running | None:
    """Entries are moved, or replaced by a number that the op rounds to the dtype."""
    named = [v for name, v in params.items() if name in ("low", "high", "value")]
    error = max(float(m.constant(v).error) for v in named if np.isfinite(v)) if named else 0.0
    y = forward(x, **params)
    return Running(m, y, np.where(np.isin(y, named), error, 0.0))


# --- arithmetic, which IEEE 754 rounds correctly ---


@primitive("add", "accumulate")
def _add(m: Machine, forward: Forward, a: Array, b: Array) -> Running:
    return m.given(a) + m.given(b)


@primitive("subtract")
def _subtract(m: Machine, forward: Forward, a: Array, b: Array) -> Running:
    return m.given(a) - m.given(b)


@primitive("multiply")
def _multiply(m: Machine, forward: Forward, a: Array, b: Array) -> Running:
    return m.given(a) * m.given(b)


@primitive("true_divide")
def _divide(m: Machine, forward: Forward, a: Array, b: Array) -> Running:
    return m.given(a) / m.given(b)


@primitive("square")
def _square(m: Machine, forward: Forward, x: Array) -> Running:
    return m.given(x) * m.given(x)


@primitive("sqrt")
def _sqrt(m: Machine, forward: Forward, x: Array) -> Running:
    return m.given(x).sqrt()


@primitive("rsqrt")
def _rsqrt(m: Machine, forward: Forward, x: Array) -> Running:
    return 1.0 / m.given(x).sqrt()


# --- functions of the mathematics library ---


@primitive("cos", "exp", "expm1", "log", "log1p", "sin", "tanh")
def _function(m: Machine, forward: Forward, x: Array) -> Running:
    return m.given(x).apply(forward)


@primitive("power")
def _power(m: Machine, forward: Forward, x: Array, *ys: Array, **params: Any) -> Running:
    """An exponent that is rounded to the dtype moves x^p by |x^p ln x| |dp|."""
    value = forward(x, *ys, **params)
    if not params:
        return Running(m, x, 0 * x).apply(lambda _: value)
    shift = m.constant(params["exponent"]).error
    return m.rounded(value, abs(value * np.log(abs(x))) * shift if shift else 0 * value, ulps=4)


@primitive("sigmoid")
def _sigmoid(m: Machine, forward: Forward, x: Array) -> Running:
    return 0.5 * (1.0 + (m.given(x) * 0.5).apply(np.tanh))


@primitive("softplus")
def _softplus(m: Machine, forward: Forward, x: Array) -> Running:
    t = m.given(x)
    return t.at_least(0.0) + (-abs(t)).apply(np.exp).apply(np.log1p)


@primitive("elu")
def _elu(m: Machine, forward: Forward, x: Array, *, alpha: float) -> Running:
    t = m.given(x)
    return select(t, t, t.at_most(0.0).apply(np.expm1) * alpha)


# --- sums ---


@primitive("matmul")
def _matmul(m: Machine, forward: Forward, a: Array, b: Array) -> Running:
    return _sums(m, a.shape[-1], forward(a, b), forward(abs(a), abs(b)))


@primitive("linear_product", "linear_xgrad")
def _rows_of_a_layer(m: Machine, forward: Forward, a: Array, b: Array) -> Running:
    return _sums(m, a.shape[1], forward(a, b), forward(abs(a), abs(b)))


@primitive("linear_wgrad")
def _weights_of_a_layer(m: Machine, forward: Forward, x: Array, g: Array) -> Running:
    return _sums(m, len(x), forward(x, g), forward(abs(x), abs(g)))


@primitive("put", "pad_border_adjoint")
def _collects(m: Machine, forward: Forward, g: Array, **params: Any) -> Running:
    return _sums(m, g.size, forward(g, **params), forward(abs(g), **params))


def _sums(m: Machine, terms: int, value: Array, size: Array) -> Running:
    """Bound sums of at most so many products, whose absolute values add up to ``size``."""
    return Running(m, value, m.gamma(terms + 1) * size + m.unit * abs(value) + terms * m.tiny)


@bound("elementwise")
def _elementwise(m: Machine, *xs: Array, fn: str) -> Errors:
    """A kernel op of the same functions, for arrays on a GPU."""
    forward = functools.partial(elementwise, fn)
    found = primitive_of(fn)(m, forward, *xs)
    return (None,) if found is None else errors(found)
