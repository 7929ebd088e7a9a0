"""Kernel calls worth timing: the layers of DCGAN-64 and of the SNGAN ResNet, and what lies between.

A case names an op of the registry, makes its operands, and says what it must at least compute and
move: operations, and bytes of operands and results, each once. An operation is an addition, a
multiplication, a comparison or a function such as exp; a multiply-add is two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygan import kernels
from tinygan.kernels.conv2d import ConvSpec

Array = np.ndarray


@dataclass(frozen=True)
class Case:
    """One kernel call.

    Attributes:
        name: for the table.
        op: of the registry.
        arrays: operands.
        params: parameters.
        flops: operations that it takes, by the definition.
        out_bytes: of the results.
        first: an op that runs on the first operand before; its results are the last operands.
    """

    name: str
    op: str
    arrays: tuple[Array | None, ...]
    params: dict[str, Any]
    flops: float
    out_bytes: float
    first: str = ""

    def operands(self) -> tuple[Any, ...]:
        """Run ``first``, if there is one; return all operands."""
        found = kernels.call(self.first, self.arrays[0]) if self.first else ()
        return (*self.arrays, *found)

    @property
    def moved(self) -> float:
        """Bytes of operands and results."""
        return self.out_bytes + sum(a.nbytes for a in self.arrays if a is not None)


RNG = np.random.default_rng(0)


def normal(*shape: int) -> Array:
    """Draw an array; images lie channels last."""
    if len(shape) != 4:
        return RNG.standard_normal(shape, dtype=np.float32)
    n, c, h, w = shape
    return RNG.standard_normal((n, h, w, c), dtype=np.float32).transpose(0, 3, 1, 2)


# name, C, O, input side, kernel, stride, padding. T: a transposed layer, whose forward is the dgrad
# of the convolution listed, and whose dgrad is its forward.
LAYERS = (
    ("D1 3->64 @64", 3, 64, 64, 4, 2, 1),
    ("D2 64->128 @32", 64, 128, 32, 4, 2, 1),
    ("D3 128->256 @16", 128, 256, 16, 4, 2, 1),
    ("D4 256->512 @8", 256, 512, 8, 4, 2, 1),
    ("D5 512->1 @4", 512, 1, 4, 4, 1, 0),
    ("T1 100->512 @1", 512, 100, 4, 4, 1, 0),
    ("T2 512->256 @4", 256, 512, 8, 4, 2, 1),
    ("T3 256->128 @8", 128, 256, 16, 4, 2, 1),
    ("T4 128->64 @16", 64, 128, 32, 4, 2, 1),
    ("T5 64->3 @32", 3, 64, 64, 4, 2, 1),
    ("digits 32->64 @14", 32, 64, 14, 4, 2, 1),
    ("digits 64->128 @7", 64, 128, 7, 4, 2, 1),
    ("3x3 128 @32", 128, 128, 32, 3, 1, 1),
    ("3x3 128 @16", 128, 128, 16, 3, 1, 1),
    ("3x3 128 @8", 128, 128, 8, 3, 1, 1),
    ("3x3 256 @16", 256, 256, 16, 3, 1, 1),
    ("3x3 256 @8", 256, 256, 8, 3, 1, 1),
)


def convolutions(batch: int) -> Iterator[Case]:
    """Yield the three passes of each layer; the last word of a name is the pass."""
    for name, c, o, side, kernel, stride, padding in LAYERS:
        spec = ConvSpec.of(stride=stride, padding=padding)
        x, w = normal(batch, c, side, side), normal(o, c, 1, kernel * kernel)
        w = np.ascontiguousarray(w).reshape(o, c, kernel, kernel)
        gy = normal(*spec.out_shape(x.shape, w.shape))
        flops = 2.0 * gy.size * c * kernel * kernel
        passes = [
            ("conv2d", (x, w), {}, gy.nbytes),
            ("conv2d_dgrad", (gy, w), {"x_shape": x.shape}, x.nbytes),
        ]
        if name.startswith("T"):
            passes.reverse()
        passes.append(("conv2d_wgrad", (x, gy), {"w_shape": w.shape}, w.nbytes))
        for which, (op, arrays, shapes, out) in zip(("fwd", "dX", "dW"), passes, strict=True):
            yield Case(f"{name} {which}", op, arrays, {"spec": spec, **shapes}, flops, out)


def products(batch: int) -> Iterator[Case]:
    """Yield the products of a dense layer, and large ones."""
    sizes = [(batch, 512, 784, "x W^T"), (batch, 784, 512, "gy W"), (512, 784, batch, "gy^T x")]
    for m, n, k, name in [*sizes, (512, 512, 512, "square"), (2048, 2048, 2048, "square")]:
        a, b = normal(m, k), normal(k, n)
        a = normal(k, m).T if name == "gy^T x" else a
        b = normal(n, k).T if name == "x W^T" else b
        yield Case(
            f"matmul {m} x {n} x {k} {name}", "matmul", (a, b), {}, 2.0 * m * n * k, 4.0 * m * n
        )


def passes_over_memory(batch: int) -> Iterator[Case]:
    """Yield what is bound by memory: norms, activations, losses, sums, the optimizer."""
    x = normal(batch, 64, 32, 32)
    gy, size = normal(*x.shape), x.nbytes
    weight, bias = np.abs(normal(64)) + 1, normal(64)
    eps = {"eps": 1e-5}
    # mean 1, centre 1, variance 2, scale and shift 2, activation 2; the vjp: t and the slope 5,
    # sums of gy and of gy d 3, gx = (gy - a) c + b d 4
    norm, norm_vjp = 8.0 * x.size, 12.0 * x.size
    operands, statistics = (x, weight, bias), kernels.call("batch_norm_stats", x)
    for slope, name in ((1.0, "batch_norm 64 @32"), (0.2, "batch_norm, leaky_relu 64 @32")):
        act = {**eps, "negative_slope": slope}
        yield Case(name, "batch_norm", operands, act, norm, size, first="batch_norm_stats")
        all_of = (*operands, gy, *statistics)
        yield Case(f"{name} vjp", "batch_norm_vjp", all_of, act, norm_vjp, size)
    leaky = {"act": "leaky_relu", "alpha": 0.2, "gain": 1.0, "clamp": None}
    yield Case("leaky_relu 64 @32", "bias_act", (x, None), leaky, 2.0 * x.size, size)
    operands = (x, None, gy)
    yield Case("leaky_relu 64 @32 vjp", "bias_act_vjp", operands, leaky, 2.0 * x.size, size)
    image = normal(batch, 3, 64, 64)
    tanh = {"act": "tanh", "alpha": 0.0, "gain": 1.0, "clamp": None}
    yield Case("tanh 3 @64", "bias_act", (image, None), tanh, 1.0 * image.size, image.nbytes)
    axes = {"axis": (0, 2, 3), "keepdims": False}
    yield Case("sum over n, h, w", "sum", (x,), axes, 1.0 * x.size, 256.0)
    yield from poolings(batch)
    yield from shuffles(batch)
    logit = normal(batch)
    kind = {"kind": "logistic", "target": 1.0}  # max(l, 0) - target l + log1p(exp(-|l|)), summed
    yield Case("logistic loss", "gan_loss", (logit,), kind, 9.0 * batch, 4.0)
    w = normal(512, 256 * 9)
    u, v = normal(512), normal(256 * 9)
    yield Case("spectral_norm 512 x 2304", "spectral_norm", (w, u, v), {}, 3.0 * w.size, w.nbytes)
    rows = normal(batch * 64, 256)
    affine = (np.abs(normal(256)) + 1, normal(256))
    yield Case("layer_norm 256", "layer_norm", (rows, *affine), eps, 7.0 * rows.size, rows.nbytes)
    scores = normal(batch * 1024, 256)  # of SAGAN's attention over 32 x 32 pixels
    last = {"axis": -1}
    yield Case("softmax 256", "softmax", (scores,), last, 5.0 * scores.size, scores.nbytes)
    weights = scores / scores.shape[-1]
    yield Case(
        "softmax 256 vjp", "softmax_vjp", (weights, scores), last, 4.0 * scores.size, scores.nbytes
    )
    yield Case("logsumexp 256", "logsumexp", (scores,), last, 4.0 * scores.size, 4.0 * len(scores))
    yield from attentions(batch)


def attentions(batch: int) -> Iterator[Case]:
    """Yield SAGAN's attention over 32 x 32 pixels with pooled keys, and one over 16 x 16."""
    for rows, columns, size in ((1024, 256, 32), (256, 256, 64)):
        q, k, v = (normal(batch, n, size) for n in (rows, columns, columns))
        name, scale = f"attention {rows} x {columns}, {size}", {"scale": size**-0.5}
        flops = 2.0 * batch * rows * columns * size
        yield Case(name, "attention", (q, k, v), scale, 2 * flops, q.nbytes)
        operands = (q, k, v, normal(*q.shape))
        moved = q.nbytes + k.nbytes + v.nbytes
        yield Case(f"{name} vjp", "attention_vjp", operands, scale, 5 * flops, moved)


def poolings(batch: int) -> Iterator[Case]:
    """Yield the poolings of a ResNet critic and of SAGAN's attention, and their adjoints."""
    x = normal(batch, 128, 32, 32)
    for k, s, p in ((2, 2, 0), (3, 2, 1)):
        window = {"kernel": (k, k), "stride": (s, s), "padding": (p, p)}
        side = (32 + 2 * p - k) // s + 1
        y, name = normal(batch, 128, side, side), f"128 @32, {k} x {k}"
        sums = float(k * k * y.size)
        yield Case(f"avg_pool2d {name}", "avg_pool2d", (x,), window, sums, y.nbytes)
        shape = {**window, "x_shape": x.shape}
        yield Case(f"avg_pool2d {name} vjp", "avg_pool2d_adjoint", (y,), shape, sums, x.nbytes)
        yield Case(f"max_pool2d {name}", "max_pool2d", (x,), window, sums, 3.0 * y.nbytes)


def shuffles(batch: int) -> Iterator[Case]:
    """Yield a pixel shuffle and its inverse."""
    x, y = normal(batch, 256, 16, 16), normal(batch, 64, 32, 32)
    yield Case("pixel_shuffle 256 @16", "pixel_shuffle", (x,), {"factor": 2}, 0.0, x.nbytes)
    yield Case("pixel_unshuffle 64 @32", "pixel_unshuffle", (y,), {"factor": 2}, 0.0, y.nbytes)


def all_cases(batch: int) -> list[Case]:
    """Return every case."""
    return [*convolutions(batch), *products(batch), *passes_over_memory(batch)]


def rate(case: Case, seconds: float) -> tuple[float, float]:
    """Return GFLOP/s and GB/s."""
    return case.flops / seconds / 1e9, case.moved / seconds / 1e9
