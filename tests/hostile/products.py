"""Right calls of the bindings of products and of softmax; see calls.py."""

from tinygan.kernels.softmax import reference as softmax_reference

from .calls import Call, binding, drawer, matrix_shape


@binding("matmul")
def _matmul(rng):
    a, (m, k, n) = drawer(rng), (int(v) for v in rng.choice([1, 2, 3, 15, 16, 17, 33, 70, 300], 3))
    left = a(k, m).T if rng.integers(2) else a(m, k)
    right = a(n, k).T if rng.integers(2) else a(k, n)
    return Call([left, right, a(m, n)], (2,), lambda x, y, _c: (x @ y,))


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
