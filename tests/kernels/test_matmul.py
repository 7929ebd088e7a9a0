"""The matrix product: the C++ tiles against exact integers, bounds, layouts and threads."""

import itertools

import numpy as np
import pytest
from kernel_checks import native_or_skip

from tinygan import Tensor, grad, kernels
from tinygan.errors import ShapeError
from tinygan.testing.bounds import bound_of

TILES = next(k for k in kernels.kernels("matmul") if k.backend == "cpp")
LAYER = next(k for k in kernels.kernels("linear") if k.backend == "cpp")
EXTENTS = (1, 2, 13, 14, 15, 16, 17, 31, 32, 33, 64, 70, 141)


def turned(a, how):
    """Return the values of a at other strides: row by row, column by column, sliced, reversed."""
    if how == "columns":
        return np.asfortranarray(a)
    if how == "sliced":
        wide = np.full((2 * a.shape[0], 3 * a.shape[1]), 7, a.dtype)
        wide[::2, ::3] = a
        return wide[::2, ::3]
    return a[:, ::-1].copy()[:, ::-1] if how == "reversed" else a


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_small_integers_come_out_exactly_at_any_strides(dtype):
    native_or_skip()
    rng, layouts = np.random.default_rng(0), ("rows", "columns", "sliced", "reversed")
    for m, n, k in itertools.product(EXTENTS, EXTENTS, (1, 5, 257)):
        a, b = (rng.integers(-3, 4, shape).astype(dtype) for shape in ((m, k), (k, n)))
        expected = a.astype(np.int64) @ b.astype(np.int64)
        out = TILES.fn(turned(a, rng.choice(layouts)), turned(b, rng.choice(layouts)))
        np.testing.assert_array_equal(out, expected)
        assert out.dtype == dtype
        assert out.flags.c_contiguous
        bias = rng.integers(-3, 4, n).astype(dtype)
        out = LAYER.fn(turned(a, rng.choice(layouts)), turned(b, rng.choice(layouts)).T, bias)
        np.testing.assert_array_equal(out, expected + bias.astype(np.int64))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("m", "n", "k"),  # batches that turn the product, rows a page apart, tails of all kinds
    [
        (64, 512, 784),
        (20, 300, 1024),
        (9, 150, 512),
        (128, 257, 300),
        (15, 784, 31),
        (200, 90, 1024),
    ],
)
def test_a_layer_and_its_gradients_come_out_exactly(m, n, k, dtype):
    native_or_skip()
    rng = np.random.default_rng(2)
    x, w, gy = (rng.integers(-3, 4, shape).astype(dtype) for shape in ((m, k), (n, k), (m, n)))
    bias = rng.integers(-3, 4, n).astype(dtype)
    exact = [a.astype(np.int64) for a in (x, w, gy, bias)]
    np.testing.assert_array_equal(LAYER.fn(x, w, bias), exact[0] @ exact[1].T + exact[3])
    np.testing.assert_array_equal(TILES.fn(x, w.T), exact[0] @ exact[1].T)
    np.testing.assert_array_equal(TILES.fn(gy, w), exact[2] @ exact[1])
    np.testing.assert_array_equal(TILES.fn(gy.T, x), exact[2].T @ exact[0])


@pytest.mark.parametrize(
    ("m", "n", "k"),
    [(300, 700, 600), (64, 512, 784), (40, 1024, 1024), (1, 1000, 30), (700, 1, 90)],
)
def test_large_products_stay_within_the_bound_on_any_number_of_threads(m, n, k):
    native, outs = native_or_skip(), []
    rng, count = np.random.default_rng(1), native.num_threads()
    a, b = (rng.standard_normal(shape).astype(np.float32) for shape in ((m, k), (k, n)))
    wide = a.astype(np.float64), b.astype(np.float64)
    (limit,) = bound_of(TILES, np.float32, *wide)
    try:
        for threads, *turns in itertools.product((1, 2, 3, 8), *[("rows", "columns")] * 2):
            native.set_num_threads(threads)
            outs.append(TILES.fn(turned(a, turns[0]), turned(b, turns[1])))
    finally:
        native.set_num_threads(count)
    assert np.all(abs(outs[0] - wide[0] @ wide[1]) <= limit)
    for out in outs[1:]:  # neither threads nor strides change a bit
        np.testing.assert_array_equal(out, outs[0])


@pytest.mark.parametrize(("m", "n", "k"), [(0, 3, 4), (3, 0, 4), (3, 4, 0), (0, 0, 0)])
def test_an_empty_sum_is_zero_and_an_empty_product_empty(m, n, k):
    native_or_skip()
    out = TILES.fn(np.ones((m, k), np.float32), np.ones((k, n), np.float32))
    assert out.shape == (m, n)
    assert not out.any()
    bias = np.arange(n, dtype=np.float32)
    out = LAYER.fn(np.ones((m, k), np.float32), np.ones((n, k), np.float32), bias)
    np.testing.assert_array_equal(out, np.tile(bias, (m, 1)))


def test_what_the_tiles_do_not_take_goes_to_blas():
    native_or_skip()
    square = np.ones((3, 3))
    for a, b, words in (
        (np.ones((2, 3, 3)), square, "2 axes"),
        (square, square.astype(np.float32), "float32"),
        (square.astype(int), square.astype(int), "int64"),
    ):
        assert words in TILES.refusal(a, b)
        assert kernels.choose("matmul", a, b).backend == "numpy"
    assert kernels.choose("matmul", square, square) is TILES


@pytest.mark.parametrize("backend", ["cpp", "numpy"])
def test_the_gradient_of_a_turned_weight_lies_as_the_weight_does(backend):
    if backend == "cpp":
        native_or_skip()
    x = Tensor(np.ones((5, 3), np.float32))
    w = Tensor(np.ones((4, 3), np.float32), requires_grad=True)
    with kernels.use_backend(backend):
        gw = grad((x @ w.T).sum(), w)
    assert gw.data.flags.c_contiguous  # the optimizer reads it with the weight, entry by entry
    np.testing.assert_array_equal(gw.data, np.full((4, 3), 5))


@pytest.mark.parametrize("backend", ["cpp", "numpy"])
def test_a_layer_checks_that_its_operands_fit(backend):
    if backend == "cpp":
        native_or_skip()
    x, w, b = np.ones((4, 3)), np.ones((5, 3)), np.ones(5)
    with kernels.use_backend(backend):
        kernels.call("linear", x, w, b)
        for wrong in ((x, w.T, b), (x, w, b[:4]), (x, w, np.ones((1, 5)))):
            with pytest.raises(ShapeError, match="fit, got"):
                kernels.call("linear", *wrong)
