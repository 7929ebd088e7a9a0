"""Right calls of products, softmax, and what takes numbers and fills an array; see calls.py."""

import numpy as np

from tinygan import random
from tinygan.kernels.attention import reference as attention_reference
from tinygan.kernels.philox import words
from tinygan.kernels.softmax import reference as softmax_reference

from .calls import Call, binding, drawer, matrix_shape


@binding("matmul")
def _matmul(rng):
    a, (m, k, n) = drawer(rng), (int(v) for v in rng.choice([1, 2, 3, 15, 16, 17, 33, 70, 300], 3))
    left = a(k, m).T if rng.integers(2) else a(m, k)
    right = a(n, k).T if rng.integers(2) else a(k, n)
    bias = a(n) if rng.integers(2) else None

    def result(x, y, b, _c):
        return (x @ y if b is None else x @ y + b,)

    return Call([left, right, bias, a(m, n)], (3,), result)


@binding("philox")
def _philox(rng):
    draw, seed, stream, step, start = (int(v) for v in rng.integers(0, (2, 1 << 62, 9, 9, 1 << 40)))

    def expected(_draw, _seed, _stream, _step, _start, out):
        w = words(np, seed=seed, stream=stream, step=step, start=start, count=out.nbytes // 4)
        convert = (random._uniform, random._normal)[draw]
        return (convert(w.reshape(-1, out.itemsize // 4)).reshape(out.shape),)

    out = drawer(rng)(int(rng.integers(1, 40)), int(rng.choice([1, 3, 64, 257])))
    return Call([draw, seed, stream, step, start, out], (5,), expected)


@binding("softmax")
def _softmax(rng):
    a, (n, c) = drawer(rng), matrix_shape(rng)
    return Call([a(n, c), a(n, c)], (1,), lambda x, _y: (softmax_reference.softmax(x, axis=1),))


@binding("softmax_vjp")
def _softmax_vjp(rng):
    a, (n, c) = drawer(rng), matrix_shape(rng)
    return Call([a(n, c), a(n, c), a(n, c)], (2,),
                lambda y, gy, _gx: (softmax_reference.softmax_vjp(y, gy, axis=1),))  # fmt: skip


@binding("logsumexp")
def _logsumexp(rng):
    a, (n, c) = drawer(rng), matrix_shape(rng)
    return Call(
        [a(n, c), a(n)], (1,), lambda x, _y: (softmax_reference.logsumexp(x, axis=1)[:, 0],)
    )


def _heads(rng):
    """Draw q (B, L, E), k (B, S, E), v (B, S, F) and y (B, L, F)."""
    a, (b, rows, columns) = drawer(rng), (int(v) for v in rng.integers(1, [4, 30, 40]))
    e, f = (int(v) for v in rng.choice([1, 2, 5, 16, 17], 2))
    return a(b, rows, e), a(b, columns, e), a(b, columns, f), a(b, rows, f)


@binding("attention")
def _attention(rng):
    def expected(q, k, v, scale, _y):
        return (attention_reference.attention(q, k, v, scale=scale),)

    *operands, y = _heads(rng)
    return Call([*operands, 0.5, y], (4,), expected)


@binding("attention_vjp")
def _attention_vjp(rng):
    def expected(q, k, v, gy, scale, *_outputs):
        return attention_reference.attention_vjp(q, k, v, gy, scale=scale)

    *operands, gy = _heads(rng)
    outputs = [a.copy() for a in operands]
    return Call([*operands, gy, 0.5, *outputs], (5, 6, 7), expected)
