"""What tests of kernels and ops share: odd memory layouts, thread counts, the error of a float."""

import contextlib
import itertools
from unittest import mock

import numpy as np
import pytest

from tinygan import kernels
from tinygan.autograd.op import watching
from tinygan.kernels.cuda import cusim
from tinygan.kernels.native import native
from tinygan.testing.bounds import bound_of, reference

LAYOUTS = ("c", "channels_last", "reversed", "strided", "broadcast", "unaligned")


def lay_out(x, layout):
    """Return the values of ``x`` in another memory layout (broadcast: of its first sample)."""
    if layout == "c" or (layout == "channels_last" and x.ndim < 3):
        return np.ascontiguousarray(x)
    if layout == "channels_last":
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    if layout == "reversed":
        flip = (slice(None, None, -1),) * x.ndim
        return np.ascontiguousarray(x[flip])[flip]
    if layout == "strided":
        gap = np.nan if x.dtype.kind == "f" else -1  # must never be read
        wide = np.full([2 * extent for extent in x.shape], gap, x.dtype)
        wide[(slice(None, None, 2),) * x.ndim] = x
        return wide[(slice(None, None, 2),) * x.ndim]
    if layout == "unaligned":
        raw = np.zeros(x.nbytes + 1, np.uint8)
        out = np.frombuffer(raw[1:].data, x.dtype).reshape(x.shape)
        out[...] = x
        return out
    return np.broadcast_to(x[:1], x.shape)


def normal(seed, shape, dtype):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def call_unmodified(op, *arrays, **params):
    """Call the op, and check that it left its inputs alone."""
    before = [None if a is None else a.copy() for a in arrays]
    out = kernels.call(op, *arrays, **params)
    for a, kept in zip(arrays, before, strict=True):
        if a is not None:
            np.testing.assert_array_equal(a, kept)
    return out


def assert_within(got, exact, bound):
    """Check |got - exact| <= bound element by element; where the bound is 0 they are equal."""
    error = np.abs(got.astype(np.longdouble) - exact)
    worst = np.max(error - bound, initial=-1)
    assert got.shape == exact.shape
    assert np.all(error <= bound), f"off by {worst} more than the bound allows"


@contextlib.contextmanager
def no_float64():
    """Check that no op makes float64 within the block, or the decorated test: NumPy 2 promotes."""
    wide = []
    with watching(lambda op, xs, ys: wide.extend(op.name for y in ys if y.dtype == np.float64)):
        yield
    assert not wide


@contextlib.contextmanager
def threads(n):
    before = native.num_threads()
    native.set_num_threads(n)
    try:
        yield
    finally:
        native.set_num_threads(before)


def assert_bit_equal_for_all_thread_counts(call):
    """Check that the C++ kernel gives the same bits on 1, 2 and 4 threads."""
    if native is None:
        pytest.skip("the C++ kernels are not built")
    results = []
    for n in (1, 2, 4):
        with threads(n), kernels.use_backend("cpp"):
            out = call()
            results.append([a.tobytes() for a in (out if isinstance(out, tuple) else (out,))])
    assert results[0] == results[1] == results[2]


def native_or_skip():
    if native is None:
        pytest.skip("the C++ kernels are not built")
    return native


def check_on_cusim(op, *arrays, backend="cusim", **params):
    """Run an op's CUDA kernel in every order of a block's threads; return what it gave.

    All orders must give the same bits, within the bound of the float64 reference.
    """
    found = []
    for order in (0, 1, 2):  # ascending, descending, random
        with (
            mock.patch.object(cusim, "_ORDERS", itertools.repeat(order)),
            kernels.use_backend(backend),
        ):
            found.append(_tuple(kernels.call(op, *arrays, **params)))
    assert len({b"".join(a.tobytes() for a in got) for got in found}) == 1
    wide = [a.astype(np.float64) if a.dtype == np.float32 else a for a in arrays]
    exact = _tuple(reference(op).fn(*wide, **params))
    kernel = next(k for k in kernels.kernels(op) if k.backend == "cusim")
    own = bound_of(kernel, np.float32, *wide, **params)
    its = bound_of(reference(op), np.float64, *wide, **params)
    for got, right, allowed, slack in zip(found[0], exact, own, its, strict=True):
        if allowed is None:  # a copy, or an index
            np.testing.assert_array_equal(got, right)
        else:
            assert_within(got, right, allowed + slack)
    return found[0]


def _tuple(out):
    return out if isinstance(out, tuple) else (out,)
