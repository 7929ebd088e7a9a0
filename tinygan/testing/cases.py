"""One case table: conformance, gradient checks and benchmarks all draw from it.

A case is a public op with operands that reach what is special in it: broadcasting, odd sizes,
stride beyond the kernel, groups, a batch of one. Operands are random but fixed, and kept away from
kinks, where a difference quotient means nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import ops
from ..autograd import Tensor
from ..kernels.arrays import Array
from ..random import Stream

Draw = Callable[[Stream], Sequence[Array]]


@dataclass(frozen=True)
class Case:
    """One op on one kind of operands.

    Attributes:
        name: unique; the op's public name, then what is special.
        fn: takes tensors, returns a tensor or a tuple of tensors.
        draw: makes the operands, float64, from a random stream.
        kernels: the kernel ops that the forward pass and the first vjp must reach.
        seed: of the stream.
    """

    name: str
    fn: Callable[..., Any]
    draw: Draw
    kernels: tuple[str, ...] = ()
    seed: int = field(default=0, kw_only=True)

    def args(self, dtype: Any = np.float64) -> list[Array]:
        """Return the operands, the same at each call; integers keep their dtype."""
        drawn = self.draw(Stream(self.seed, self.name))
        return [a.astype(dtype) if a.dtype.kind == "f" else a for a in drawn]


def _normal(*shapes: tuple[int, ...]) -> Draw:
    return lambda s: [s.normal(shape, dtype=np.float64) for shape in shapes]


def _positive(*shapes: tuple[int, ...]) -> Draw:
    return lambda s: [s.uniform(shape, 0.5, 2.0, dtype=np.float64) for shape in shapes]


def _off_zero(*shapes: tuple[int, ...]) -> Draw:
    """Draw magnitudes of 0.2 to 1.2 with random signs: no entry near the kink at 0."""

    def _draw(s: Stream) -> list[Array]:
        return [
            s.uniform(shape, 0.2, 1.2, dtype=np.float64) * np.where(s.bernoulli(shape, 0.5), 1, -1)
            for shape in shapes
        ]

    return _draw


def _distinct(shape: tuple[int, ...]) -> Draw:
    """Draw a shuffled, evenly spaced range: no two entries tie or nearly tie."""
    size = int(np.prod(shape))
    return lambda s: [(s.permutation(size) * (3.0 / size) - 1.4).reshape(shape)]


def _elementwise() -> list[Case]:
    unary = {
        "exp": _normal((2, 3)),
        "expm1": _normal((2, 3)),
        "log": _positive((2, 3)),
        "log1p": _positive((2, 3)),
        "sqrt": _positive((2, 3)),
        "rsqrt": _positive((2, 3)),
        "square": _normal((2, 3)),
        "sin": _normal((2, 3)),
        "cos": _normal((2, 3)),
        "neg": _normal((2, 3)),
        "abs": _off_zero((2, 3)),
    }
    binary = {
        "add": _normal((2, 3), (3,)),
        "sub": _normal((2, 1), (2, 3)),
        "mul": _normal((2, 3), (3,)),
        "div": lambda s: [*_normal((2, 3))(s), *_positive((2, 1))(s)],
        "maximum": lambda s: [a := _normal((2, 3))(s)[0], a + _off_zero((2, 3))(s)[0]],
        "minimum": lambda s: [a := _normal((2, 3))(s)[0], a + _off_zero((2, 3))(s)[0]],
        "pow": lambda s: [*_positive((2, 3))(s), *_normal((3,))(s)],
    }
    named = {**unary, **binary}
    found = [Case(name, getattr(ops, name), draw) for name, draw in named.items()]
    return [
        *found,
        Case("pow number", lambda x: x**3 + x**2 + x**-0.5, _positive((2, 3))),
        Case("add nhwc", ops.add, _channels_last((2, 3, 2, 2), (1, 3, 1, 1))),
        Case("clip", lambda x: ops.clip(x, -0.7, 0.7), _distinct((3, 5))),
        Case("where", lambda a, b: ops.where(a > 0, a * b, b), _off_zero((2, 3), (3,))),
    ]


def _channels_last(*shapes: tuple[int, ...]) -> Draw:
    def _draw(s: Stream) -> list[Array]:
        return [
            s.normal((n, h, w, c), dtype=np.float64).transpose(0, 3, 1, 2) for n, c, h, w in shapes
        ]

    return _draw


def _reductions() -> list[Case]:
    x = _normal((3, 2, 4))
    return [
        Case("sum", lambda x: ops.sum(x, axis=1), x, ("sum",)),
        Case("sum nhwc", lambda x: ops.sum(x, (0, 2, 3)), _channels_last((2, 3, 2, 2)), ("sum",)),
        Case("sum all", ops.sum, x, ("sum",)),
        Case("mean", lambda x: ops.mean(x, axis=(0, -1), keepdims=True), x, ("sum",)),
        Case("var", lambda x: ops.var(x, axis=0), x, ("sum",)),
        Case("max", lambda x: ops.max(x, axis=1), _distinct((3, 4)), ("max",)),
        Case("min", lambda x: ops.min(x, axis=(0, 1)), _distinct((3, 4)), ("min",)),
        Case("softmax", lambda x: ops.softmax(x, axis=1), x),
        Case("log_softmax", lambda x: ops.log_softmax(x, axis=-1), x),
        Case("logsumexp", lambda x: ops.logsumexp(x, axis=0), x),
        Case(
            "cross_entropy",
            ops.cross_entropy,
            lambda s: [s.normal((4, 3), dtype=np.float64), s.integers((4,), 0, 3)],
        ),
    ]


def _shapes() -> list[Case]:
    x = _normal((2, 3, 4))
    rows = np.array([2, 0, 2])
    return [
        Case("reshape", lambda x: ops.reshape(x, 4, -1), x),
        Case("flatten", lambda x: ops.flatten(x, 1), x),
        Case("squeeze", ops.squeeze, _normal((1, 3, 1))),
        Case("expand_dims", lambda x: ops.expand_dims(x, -1), x),
        Case("transpose", lambda x: ops.transpose(x, 1, 2, 0), x),
        Case("broadcast_to", lambda x: ops.broadcast_to(x, (2, 3, 4)), _normal((3, 1))),
        Case("getitem slices", lambda x: x[1, ::-2, None, 1:], x),
        Case("getitem array", lambda x: x[:, rows], x),
        Case("getitem mask", lambda x: x[np.array([True, False])], x),
        Case("take", lambda x: ops.take(x, rows, axis=1), x),
        Case(
            "gather",
            lambda x: ops.gather(x, 1, np.array([[0, 0], [2, 1]])),
            _normal((2, 3)),
        ),
        Case("flip", lambda x: ops.flip(x, (0, 2)), x),
        Case("pad", lambda x: ops.pad(x, [(0, 1), (2, 0), (1, 1)], value=0.5), x),
        Case("concatenate", lambda a, b: ops.concatenate([a, b, a], 1), _normal((2, 3), (2, 1))),
        Case("stack", lambda a, b: ops.stack([a, b], 1), _normal((2, 3), (2, 3))),
        Case("split", lambda x: ops.split(x, 2, axis=2), x),
        Case("astype", lambda x: ops.astype(x, np.float64), x),
        Case("matmul", ops.matmul, _normal((2, 3), (3, 4))),
        Case("matmul batched", ops.matmul, _normal((2, 1, 2, 3), (3, 3, 2))),
        Case("matmul vectors", lambda a, b: (a @ b, b @ a.T), _normal((2, 3), (3,))),
        Case(
            "embedding",
            lambda w: ops.embedding(np.array([[1, 1], [3, 0]]), w),
            _normal((4, 2)),
        ),
    ]


def _conv(
    name: str, x: tuple[int, ...], w: tuple[int, ...], *, transposed: bool = False, **params: Any
) -> Case:
    op = ops.conv_transpose2d if transposed else ops.conv2d
    channels = w[1] * params.get("groups", 1) if transposed else w[0]

    def _draw(s: Stream) -> list[Array]:
        scale = 1 / np.sqrt(w[1] * w[2] * w[3])
        filters, bias = s.normal(w, dtype=np.float64), s.normal((channels,), dtype=np.float64)
        return [*_channels_last(x)(s), filters * scale, bias]

    return Case(
        f"{op.__name__} {name}",
        lambda x, w, b: op(x, w, b, **params),
        _draw,
        ("conv2d", "conv2d_dgrad", "conv2d_wgrad", "bias_act", "bias_act_vjp"),
    )


def _convolutions() -> list[Case]:
    return [
        _conv("k4 s2 p1", (2, 3, 6, 6), (4, 3, 4, 4), stride=2, padding=1),
        _conv("k3 s1 p1", (1, 2, 4, 5), (3, 2, 3, 3), padding=1),
        _conv("k4 s1 p0", (2, 3, 4, 4), (1, 3, 4, 4)),
        _conv("k1", (2, 3, 3, 2), (2, 3, 1, 1)),
        _conv("odd", (1, 2, 7, 6), (2, 2, 3, 2), stride=(2, 3), padding=(0, 1)),
        _conv("stride over kernel", (1, 2, 7, 7), (2, 2, 2, 2), stride=3),
        _conv("dilated", (1, 2, 6, 7), (2, 2, 3, 2), dilation=(2, 3), padding=2),
        _conv("groups", (2, 4, 4, 4), (6, 2, 3, 3), groups=2, padding=1),
        _conv("depthwise", (1, 3, 4, 4), (3, 1, 3, 3), groups=3, padding=1),
        _conv("k4 s2 p1", (2, 3, 3, 3), (3, 2, 4, 4), transposed=True, stride=2, padding=1),
        _conv("k4 s1 p0", (2, 3, 1, 1), (3, 2, 4, 4), transposed=True),
        _conv(
            "output padding",
            (1, 2, 3, 4),
            (2, 3, 3, 3),
            transposed=True,
            stride=(2, 3),
            padding=1,
            output_padding=(1, 2),
        ),
        _conv(
            "groups dilated",
            (1, 4, 3, 3),
            (4, 2, 2, 3),
            transposed=True,
            groups=2,
            dilation=2,
            stride=2,
        ),
    ]


def _norms() -> list[Case]:
    names = ("batch_norm", "batch_norm_vjp")
    return [
        Case("batch_norm nc", ops.batch_norm, _normal((5, 3), (3,), (3,)), names),
        Case(
            "batch_norm nchw",
            ops.batch_norm,
            lambda s: [*_channels_last((2, 3, 2, 3))(s), *_normal((3,), (3,))(s)],
            names,
        ),
        Case("batch_norm ncl", ops.batch_norm, _normal((3, 2, 4), (2,), (2,)), names),
        Case(
            "batch_norm_eval",
            ops.batch_norm_eval,
            lambda s: [
                *_normal((3, 2, 2, 2), (2,))(s),
                *_positive((2,))(s),
                *_normal((2,), (2,))(s),
            ],
        ),
        Case(
            "spectral_norm",
            lambda w, u, v: ops.spectral_norm(w, u + 1.0, v + 1.0),
            lambda s: [
                1.0 + 0.3 * s.normal((3, 2, 2, 1), dtype=np.float64),
                *_normal((3,), (4,))(s),
            ],
            ("spectral_norm", "spectral_norm_vjp"),
        ),
    ]


def _activations() -> list[Case]:
    names = ("bias_act", "bias_act_vjp")
    found = [
        Case(name, getattr(ops, name), _off_zero((2, 3, 2)), names)
        for name in ("relu", "elu", "tanh", "sigmoid", "softplus", "swish")
    ]

    def _forced(act: str, **params: Any) -> Case:
        def _fn(x: Tensor, b: Tensor) -> Tensor:
            return ops.bias_act(x, b, act=act, gain=1.4, **params)

        def _draw(s: Stream) -> list[Array]:
            b = s.normal((3,), dtype=np.float64)
            return [_off_zero((2, 3, 2, 2))(s)[0] - b.reshape(1, 3, 1, 1), b]

        return Case(f"bias_act {act}{' clamp' * ('clamp' in params)}", _fn, _draw, names)

    acts = ("linear", "relu", "leaky_relu", "elu", "tanh", "sigmoid", "softplus", "swish")
    return [
        *found,
        Case("leaky_relu", lambda x: ops.leaky_relu(x, negative_slope=0.3), _off_zero((4,)), names),
        Case("prelu", ops.prelu, lambda s: [*_off_zero((2, 3, 2))(s), *_normal((3,))(s)], names),
        Case(
            "prelu shared", ops.prelu, lambda s: [*_off_zero((4, 3))(s), *_normal((1,))(s)], names
        ),
        *(_forced(act) for act in acts),
        _forced("leaky_relu", alpha=0.1, clamp=0.9),
        Case(
            "dropout",
            lambda x: ops.dropout(x, 0.4, mask_stream=Stream(3, "dropout")),
            _normal((4, 5)),
        ),
    ]


def _losses() -> list[Case]:
    names = ("gan_loss", "gan_loss_vjp")
    two = _off_zero((5, 1), (4, 1))

    def _inside(s: Stream) -> list[Array]:
        return [0.8 * a for a in two(s)]  # |l| < 1: off the hinge's kinks at 1 and -1

    pairs = ("logistic_d_loss", "wasserstein_d_loss", "least_squares_d_loss")
    singles = (
        "nonsaturating_g_loss",
        "saturating_g_loss",
        "hinge_g_loss",
        "wasserstein_g_loss",
        "least_squares_g_loss",
    )
    return [
        *(Case(name, getattr(ops, name), two, names) for name in pairs),
        *(Case(name, getattr(ops, name), _normal((5, 1)), names) for name in singles),
        Case("hinge_d_loss", ops.hinge_d_loss, _inside, names),
        Case("logistic smooth", lambda r, f: ops.logistic_d_loss(r, f, smooth=0.1), two, names),
        Case(
            "least_squares smooth",
            lambda r, f: ops.least_squares_d_loss(r, f, smooth=0.1),
            two,
            names,
        ),
    ]


def _resampling() -> list[Case]:
    image = _channels_last((2, 3, 4, 6))
    avg = ("avg_pool2d", "avg_pool2d_adjoint")
    gathered = ("max_pool2d_index", "gather2d", "scatter2d")
    return [
        Case("avg_pool2d", lambda x: ops.avg_pool2d(x, 2), image, avg),
        Case(
            "avg_pool2d overlapping",
            lambda x: ops.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
            image,
            avg,
        ),
        Case("max_pool2d", lambda x: ops.max_pool2d(x, 2), _distinct((1, 2, 4, 4)), gathered),
        Case(
            "max_pool2d overlapping",
            lambda x: ops.max_pool2d(x, 3, 2, 1),
            _distinct((1, 2, 5, 4)),
            gathered,
        ),
        Case("upsample_nearest", lambda x: ops.upsample_nearest(x, (2, 3)), image, avg),
        Case("pixel_shuffle", lambda x: ops.pixel_shuffle(x, 2), _channels_last((1, 8, 2, 3))),
        Case("pixel_unshuffle", lambda x: ops.pixel_unshuffle(x, 2), image),
    ]


CASES: dict[str, Case] = {
    case.name: case
    for family in (
        _elementwise,
        _reductions,
        _shapes,
        _convolutions,
        _norms,
        _activations,
        _losses,
        _resampling,
    )
    for case in family()
}
