"""The fused attention: every kernel against loops, its vjp against differences, blocks, threads."""

import numpy as np
import pytest
from kernel_checks import (
    LAYOUTS,
    assert_bit_equal_for_all_thread_counts,
    assert_within,
    call_unmodified,
    lay_out,
    native_or_skip,
    normal,
)

from tinygan import kernels
from tinygan.errors import DtypeError, ShapeError
from tinygan.testing.bounds import bound_of

# B, L, S, E, F; the last has several blocks of queries, of which the last is short
SHAPES = [(1, 1, 1, 1, 1), (2, 5, 7, 3, 4), (3, 17, 33, 16, 20), (1, 300, 500, 2, 3)]


@pytest.fixture(params=["numpy", "cpp"], autouse=True)
def backend(request):
    """Run every test on the reference and on the C++ kernels."""
    if request.param == "cpp":
        native_or_skip()
    with kernels.use_backend(request.param):
        yield request.param


def heads(shape, dtype):
    b, rows, columns, e, f = shape
    shapes = (b, rows, e), (b, columns, e), (b, columns, f), (b, rows, f)
    return [normal(i, s, dtype) for i, s in enumerate(shapes)]


def definition(q, k, v, scale):
    """Return the mean of the values for each query, in extended precision."""
    q, k, v = (a.astype(np.longdouble) for a in (q, k, v))
    y = np.empty((*q.shape[:2], v.shape[2]), np.longdouble)
    for b, i in np.ndindex(*q.shape[:2]):
        p = np.exp(scale * (k[b] @ q[b, i]))
        y[b, i] = (p / p.sum()) @ v[b]
    return y


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_query_takes_the_weighted_mean(shape, dtype, layout):
    arrays = [lay_out(a, layout) for a in heads(shape, dtype)[:3]]
    y = call_unmodified("attention", *arrays, scale=0.25)
    wide = [a.astype(np.float64) for a in arrays]
    limit = bound_of(kernels.choose("attention", *arrays, scale=0.25), dtype, *wide, scale=0.25)
    assert y.dtype == dtype
    assert_within(y, definition(*arrays, 0.25), limit[0])


@pytest.mark.parametrize("shape", SHAPES)
def test_the_vjp_agrees_with_finite_differences(shape):
    *arrays, gy = heads(shape, np.float64)
    found = call_unmodified("attention_vjp", *arrays, gy, scale=0.7)
    for i, (a, g) in enumerate(zip(arrays, found, strict=True)):
        direction, step = normal(10 + i, a.shape, np.float64), 1e-4
        ends = []
        for sign in (1, -1):
            moved = [x + sign * step * direction if j == i else x for j, x in enumerate(arrays)]
            ends.append((definition(*moved, 0.7) * gy).sum())
        slope = float(ends[0] - ends[1]) / (2 * step)
        scale = np.linalg.norm(g) * np.linalg.norm(direction)
        assert g.shape == a.shape
        assert abs((g * direction).sum() - slope) <= 1e-7 * scale + 1e-12


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_vjp_stays_within_its_bound(shape, dtype):
    arrays = heads(shape, dtype)
    wide = [a.astype(np.float64) for a in arrays]
    kernel = kernels.choose("attention_vjp", *arrays, scale=0.7)
    limits = bound_of(kernel, dtype, *wide, scale=0.7)
    q, k, v, gy = (a.astype(np.longdouble) for a in arrays)
    p = np.exp(np.longdouble(0.7) * np.einsum("ble,bse->bls", q, k))
    p /= p.sum(-1, keepdims=True)
    gp = np.einsum("blf,bsf->bls", gy, v)
    gs = np.longdouble(0.7) * p * (gp - (gp * p).sum(-1, keepdims=True))
    exact = (np.einsum("bls,bse->ble", gs, k), np.einsum("bls,ble->bse", gs, q),
             np.einsum("bls,blf->bsf", p, gy))  # fmt: skip
    for got, want, limit in zip(kernel.fn(*arrays, scale=0.7), exact, limits, strict=True):
        assert_within(got, want, limit)


def test_leading_axes_are_one_batch():
    q, k, v, gy = heads((6, 4, 5, 3, 2), np.float32)
    y = kernels.call("attention", q, k, v, scale=1.0)
    grads = kernels.call("attention_vjp", q, k, v, gy, scale=1.0)
    deep = [a.reshape(2, 3, *a.shape[1:]) for a in (q, k, v, gy)]
    np.testing.assert_array_equal(
        kernels.call("attention", *deep[:3], scale=1.0).reshape(y.shape), y
    )
    for a, b in zip(kernels.call("attention_vjp", *deep, scale=1.0), grads, strict=True):
        np.testing.assert_array_equal(a.reshape(b.shape), b)


def test_nan_stays_in_its_item_and_row():
    q, k, v, _ = heads((2, 4, 5, 3, 2), np.float32)
    q[0, 1, 0] = np.nan
    wrong = np.isnan(kernels.call("attention", q, k, v, scale=1.0))
    assert wrong[0, 1].all()
    assert wrong.sum() == wrong[0, 1].size


def test_misfits_are_named():
    q, k, v, gy = heads((2, 4, 5, 3, 2), np.float32)
    with pytest.raises(ShapeError, match="do not fit"):
        kernels.call("attention", q, k[:, :, :2], v, scale=1.0)
    with pytest.raises(ShapeError, match="do not fit"):
        kernels.call("attention", q, k[:1], v, scale=1.0)
    with pytest.raises(ShapeError, match="gy must have the shape"):
        kernels.call("attention_vjp", q, k, v, gy[:, :3], scale=1.0)


def test_dtypes_that_differ_are_named(backend):
    q, k, v, _ = heads((2, 4, 5, 3, 2), np.float32)
    if backend == "numpy":  # the C++ kernels refuse them in supports()
        with pytest.raises(DtypeError, match="float32, float64, float32 differ"):
            kernels.call("attention", q, k.astype(np.float64), v, scale=1.0)


@pytest.mark.parametrize("shape", [SHAPES[2], SHAPES[3], (1, 3, 5, 2, 2)])
def test_threads_give_the_same_bits(backend, shape):
    if backend != "cpp":
        pytest.skip("the reference has one thread")
    q, k, v, gy = heads(shape, np.float32)
    assert_bit_equal_for_all_thread_counts(lambda: kernels.call("attention", q, k, v, scale=0.5))
    assert_bit_equal_for_all_thread_counts(
        lambda: kernels.call("attention_vjp", q, k, v, gy, scale=0.5)
    )
