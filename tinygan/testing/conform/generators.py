"""Calls of kernels that no family makes: of ops without a derivative, and on large operands.

Families draw small operands, since finite differences walk through every entry. Kernels cut large
ones into blocks, vectors and tails; so some ops have a generator of operands that reach them all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...kernels.arrays import Array, Shape
from ...kernels.bias_act.spec import ACTS
from ...kernels.conv2d.spec import ConvSpec
from ...kernels.elementwise.spec import BINARY, FUNCTIONS
from ...kernels.gan_loss.spec import KINDS
from ..choices import Choices

Operands = tuple[list["Array | None"], dict[str, Any]]
Draw = Callable[[Choices], Operands]

_WIDTHS = (1, 3, 8, 15, 16, 33, 64, 70)  # about the widths of vectors and of blocks, and beside
_BLOCK = 32768  # elements that csrc/reduce/columns.hpp cuts arrays to


@dataclass(frozen=True)
class Generator:
    """Makes operands, of float64, and parameters for a kernel op.

    Attributes:
        op: the kernel op.
        draw: makes them from choices.
        large: they add to what families draw, and don't replace it.
        wide: operands that are float64 whatever the others are.
    """

    op: str
    draw: Draw
    large: bool
    wide: tuple[int, ...]


GENERATORS: dict[str, Generator] = {}


def generator(
    op: str, *, large: bool = False, wide: tuple[int, ...] = ()
) -> Callable[[Draw], Draw]:
    """Return a decorator that makes the function below it a generator of a kernel op's calls."""

    def _enter(draw: Draw) -> Draw:
        GENERATORS[f"large_{op}" if large else op] = Generator(op, draw, large, wide)
        return draw

    return _enter


# --- ops that no differentiable op reaches ---


@generator("batch_norm_stats")
def _batch_norm_stats(c: Choices) -> Operands:
    channels, rest, segments = c.pick(*_WIDTHS), c.shape(c.integer(0, 2), 9), c.pick(1, 1, 2, 3)
    return [c.normal((segments * c.integer(1, 9), channels, *rest))], {"segments": segments}


@generator("power_iteration")
def _power_iteration(c: Choices) -> Operands:
    shape = (c.pick(*_WIDTHS), *c.shape(c.integer(1, 3), 9))
    return [c.normal(shape), c.off_zero(shape[:1])], {"steps": c.integer(1, 3), "eps": 1e-12}


def _parameters(c: Choices) -> list[Shape]:
    """Choose the shapes of one to three parameters; two parts of a parallel region at times."""
    shapes = [c.shape(c.integer(0, 4), c.pick(5, 5, 11), zero=True) for _ in range(c.integer(1, 3))]
    return [*shapes, (c.pick(16400, 129),)] if c.chance(4) else shapes


@generator("adam")
def _adam(c: Choices) -> Operands:
    params = {
        "lr": c.pick(1e-3, 0.01, 0.5),
        "beta1": c.pick(0.0, 0.5, 0.9),
        "beta2": c.pick(0.9, 0.99, 0.999),
        "eps": c.pick(1e-8, 1e-3),
        "weight_decay": c.pick(0.0, 0.01, 0.1),
        "decoupled": c.chance(2),
        "step": c.integer(1, 20),
    }
    arrays: list[Array | None] = []
    for shape in _parameters(c):
        arrays += [c.normal(shape), c.normal(shape), c.normal(shape), c.positive(shape)]
    return arrays, params


@generator("sgd")
def _sgd(c: Choices) -> Operands:
    momentum = c.pick(0.0, 0.9)
    params = {
        "lr": c.pick(0.01, 0.5),
        "momentum": momentum,
        "dampening": c.pick(0.0, 0.25),
        "weight_decay": c.pick(0.0, 0.1),
        "nesterov": bool(momentum) and c.chance(2),
        "first": c.chance(3),
    }
    width = 3 if momentum else 2
    return [c.normal(shape) for shape in _parameters(c) for _ in range(width)], params


@generator("rmsprop")
def _rmsprop(c: Choices) -> Operands:
    params = {
        "lr": c.pick(0.01, 0.5),
        "alpha": c.pick(0.5, 0.99),
        "eps": c.pick(1e-8, 1e-3),
        "weight_decay": c.pick(0.0, 0.1),
        "momentum": c.pick(0.0, 0.9),
        "centered": c.chance(2),
    }
    arrays: list[Array | None] = []
    for shape in _parameters(c):
        arrays += [c.normal(shape), c.normal(shape), c.positive(shape)]
        arrays += [c.normal(shape)] * bool(params["momentum"])
        # a mean whose square lies well below the mean square, as means of one gradient do
        arrays += [0.25 * c.normal(shape)] * bool(params["centered"])
    return arrays, params


@generator("state_copy")
def _state_copy(c: Choices) -> Operands:
    return [c.normal(shape) for shape in _parameters(c) for _ in range(2)], {}


@generator("state_average")
def _state_average(c: Choices) -> Operands:
    return _state_copy(c)[0], {"beta": c.pick(0.0, 0.5, 0.999)}


@generator("state_finite")
def _state_finite(c: Choices) -> Operands:
    return [c.normal(shape) for shape in _parameters(c)], {}


# --- large operands ---


@generator("elementwise")
def _elementwise(c: Choices) -> Operands:
    fn, shape = c.pick(*FUNCTIONS), c.shape(c.integer(0, 4), 6)
    if c.chance(4):  # more than a block, and a tail behind its groups of four
        shape = (c.pick(3, 4), c.pick(257, 1025))
    a = c.positive(shape) if fn in ("power", "sqrt", "log", "log1p") else c.normal(shape)
    if fn not in BINARY:
        return [a], {"fn": fn}
    stretched = tuple(1 if c.chance(3) else extent for extent in shape[c.integer(0, 1) :])
    b = c.off_zero(stretched) if fn == "true_divide" else c.normal(stretched)
    return ([a, b] if fn == "power" or c.chance(2) or fn == "true_divide" else [b, a]), {"fn": fn}


def _convolution(c: Choices) -> tuple[ConvSpec, Shape, Shape, Shape]:
    """Choose a convolution, and the shapes of x, w and y."""
    kernel, stride = (c.pick(1, 3, 4), c.pick(1, 3, 5)), c.integer(1, 2)
    if c.chance(2):  # what Winograd's algorithms take
        side, stride = c.pick((2, 1), (3, 1), (3, 2), (4, 2), (4, 2), (5, 2), (6, 2))
        kernel = (side, side)
    spec = ConvSpec.of(stride=stride, padding=(kernel[0] // 2, kernel[1] // 2))
    x = (c.integer(1, 3), c.pick(*_WIDTHS), c.integer(4, 13), c.integer(5, 18))
    w = (c.pick(*_WIDTHS), x[1], *kernel)
    return spec, x, w, spec.out_shape(x, w)


@generator("conv2d", large=True)
def _conv2d(c: Choices) -> Operands:
    spec, x, w, _ = _convolution(c)
    return [c.normal(x), c.normal(w)], {"spec": spec}


@generator("conv2d_dgrad", large=True)
def _conv2d_dgrad(c: Choices) -> Operands:
    spec, x, w, y = _convolution(c)
    return [c.normal(y), c.normal(w)], {"spec": spec, "x_shape": x}


@generator("conv2d_wgrad", large=True)
def _conv2d_wgrad(c: Choices) -> Operands:
    spec, x, w, y = _convolution(c)
    if c.chance(2):  # few weights and many pixels, or long rows: they are added up in parts
        x, w = (2, 3, *c.pick((48, 55), (7, 600))), (c.pick(1, 5), 3, *w[2:])
        y = spec.out_shape(x, w)
    return [c.normal(x), c.normal(y)], {"spec": spec, "w_shape": w}


@generator("matmul", large=True)
def _matmul(c: Choices) -> Operands:
    m, n, k = (c.integer(1, 80) for _ in range(3))
    if c.chance(4):  # more than one block of rows, panel of columns or chunk of the sum
        m, n, k = c.pick((300, 70, 3), (3, 600, 5), (17, 33, 600), (150, 150, 150))
    a, b = c.normal((m, k)), c.normal((k, n))
    if c.chance(2):
        a = np.ascontiguousarray(a.T).T
    if c.chance(2):
        b = np.ascontiguousarray(b.T).T
    return [a, b], {}


@generator("linear", large=True)
def _linear(c: Choices) -> Operands:
    (a, b), _ = _matmul(c)
    assert b is not None  # none of a product's operands may be left out
    return [a, b.T, c.normal(b.shape[1:])], {}


def image_shape(c: Choices) -> Shape:
    """Choose (N, C, H, W)."""
    return c.integer(1, 5), c.pick(*_WIDTHS), c.integer(1, 13), c.integer(1, 18)


def _activation(c: Choices) -> tuple[list[Array], dict[str, Any]]:
    shape, act = image_shape(c), c.pick(*ACTS)
    arrays = [c.normal(shape), c.normal(shape[1:2])]
    if act == "prelu":
        arrays.append(c.positive(shape[1:2]))
    bounds = {"gain": c.pick(1.0, 1.5), "clamp": c.pick(None, None, 1.25)}
    return arrays, {"act": act, "alpha": c.pick(0.2, 1.0), **bounds}


@generator("bias_act", large=True)
def _bias_act(c: Choices) -> Operands:
    arrays, params = _activation(c)
    return [*arrays], params


@generator("bias_act_vjp", large=True)
def _bias_act_vjp(c: Choices) -> Operands:
    arrays, params = _activation(c)
    return [*arrays, c.normal(arrays[0].shape)], params


def _normalised(c: Choices, shape: Shape, weight: Shape) -> list[Array | None]:
    return [c.normal(shape), c.positive(weight), c.normal(weight)]


def _batch_normalised(c: Choices) -> tuple[list[Array | None], list[Array], dict[str, Any]]:
    """Draw x, weight and bias; mean and var, which need not be those of x; parameters."""
    shape = image_shape(c)
    segments = c.pick(1, 1, 2) if shape[0] % 2 == 0 else 1
    statistics = [c.normal((segments, shape[1])), c.positive((segments, shape[1]))]
    params = {"eps": c.pick(1e-5, 0.1), "negative_slope": c.pick(1.0, 1.0, 0.0, 0.2)}
    return _normalised(c, shape, shape[1:2]), statistics, params


@generator("batch_norm", large=True, wide=(3, 4))
def _batch_norm(c: Choices) -> Operands:
    operands, statistics, params = _batch_normalised(c)
    return [*operands, *statistics], params


@generator("batch_norm_vjp", large=True, wide=(4, 5))
def _batch_norm_vjp(c: Choices) -> Operands:
    operands, statistics, params = _batch_normalised(c)
    gy = c.normal(() if operands[0] is None else operands[0].shape)
    return [*operands, gy, *statistics], params


@generator("layer_norm", large=True)
def _layer_norm(c: Choices) -> Operands:
    shape, axes = (c.pick(*_WIDTHS), c.integer(1, 5), c.pick(*_WIDTHS)), c.integer(1, 2)
    if c.chance(2):  # several tiles below each other, or side by side
        shape, axes = c.pick(((700, 1, 65), 1), ((3, 1, 2500), 2))
    return _normalised(c, shape, shape[3 - axes :]), {"eps": c.pick(1e-5, 0.1)}


@generator("layer_norm_vjp", large=True)
def _layer_norm_vjp(c: Choices) -> Operands:
    arrays, params = _layer_norm(c)
    x = arrays[0]
    return [*arrays, c.normal(() if x is None else x.shape)], params


@generator("group_norm", large=True)
def _group_norm(c: Choices) -> Operands:
    groups = c.integer(1, 5)
    shape = (c.integer(1, 4), groups * c.pick(1, 3, 8, 17), c.integer(1, 13), c.integer(1, 18))
    if c.chance(2):  # a sample of several blocks
        shape = (c.integer(1, 2), shape[1], _BLOCK // (17 * shape[1]) + shape[2], 17)
    params = {"num_groups": groups, "eps": c.pick(1e-5, 0.1)}
    return _normalised(c, shape, shape[1:2]), params


@generator("group_norm_vjp", large=True)
def _group_norm_vjp(c: Choices) -> Operands:
    arrays, params = _group_norm(c)
    x = arrays[0]
    return [*arrays, c.normal(() if x is None else x.shape)], params


def _reduction(c: Choices) -> Operands:
    shape = (c.pick(1, 7, 300), c.pick(*_WIDTHS), c.pick(1, 5, 21))
    axes = tuple(a for a in range(3) if c.chance(2))
    if c.chance(2):  # several blocks
        shape, axes = (300, c.integer(60, 70), 5), c.pick((0, 1), (0, 1, 2))
    return [c.normal(shape)], {"axis": axes, "keepdims": c.chance(2)}


for _op in ("sum", "max", "min"):
    generator(_op, large=True)(_reduction)


def _along(c: Choices) -> Operands:
    """Choose rows of several vectors and a tail, and more rows than one task has."""
    shape = (c.pick(1, 7, 300), c.pick(*_WIDTHS, 129, 300), c.pick(1, 5, 21))
    return [3 * c.normal(shape)], {"axis": c.integer(-3, 2)}


for _op in ("softmax", "logsumexp"):
    generator(_op, large=True)(_along)


@generator("softmax_vjp", large=True)
def _softmax_vjp(c: Choices) -> Operands:
    arrays, params = _along(c)
    x = arrays[0]
    return [*arrays, c.normal(() if x is None else x.shape)], params


@generator("attention", large=True)
def _attention(c: Choices) -> Operands:
    batch, inner, outer = c.integer(1, 3), c.pick(1, 5, 16, 33), c.pick(1, 4, 17)
    rows, columns = c.pick((3, 70), (90, 16), (40, 1), (1, 129))
    if c.chance(4):  # several blocks of queries, the last one short
        batch, rows, columns, inner, outer = 1, 140, 1000, 3, 2
    shapes = (rows, inner), (columns, inner), (columns, outer)
    return [c.normal((batch, *shape)) for shape in shapes], {"scale": c.pick(0.3, 1.0)}


@generator("attention_vjp", large=True)
def _attention_vjp(c: Choices) -> Operands:
    arrays, params = _attention(c)
    q, _, v = (np.shape(a) if a is not None else () for a in arrays)
    return [*arrays, c.normal((*q[:-1], v[-1]))], params


def _logits(c: Choices) -> Operands:
    params = {"kind": c.pick(*KINDS), "target": c.pick(-1.0, 0.0, 0.9, 1.0)}
    return [c.normal((c.integer(100, 3000), c.integer(1, 3)))], params


@generator("gan_loss", large=True)
def _gan_loss(c: Choices) -> Operands:
    return _logits(c)


@generator("gan_loss_vjp", large=True)
def _gan_loss_vjp(c: Choices) -> Operands:
    arrays, params = _logits(c)
    return [*arrays, np.asarray(c.off_zero(()))], params


@generator("spectral_norm", large=True)
def _spectral_norm(c: Choices) -> Operands:
    shape = (c.pick(*_WIDTHS), c.pick(*_WIDTHS), c.integer(1, 9))
    columns = (shape[1] * shape[2],)
    return [c.normal(shape), c.off_zero(shape[:1]), c.off_zero(columns)], {}


@generator("spectral_norm_vjp", large=True)
def _spectral_norm_vjp(c: Choices) -> Operands:
    arrays, params = _spectral_norm(c)
    w = arrays[0]
    return [*arrays, c.normal(() if w is None else w.shape)], params
