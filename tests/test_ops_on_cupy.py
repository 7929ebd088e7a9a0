"""Every op, its gradient and its gradient's gradient run on CuPy, and agree with NumPy.

Shown on an array type with CuPy's restrictions (strict_arrays), so it needs no GPU: a NumPy call
that slips into the engine or an op raises here.
"""

import numpy as np
import pytest
from strict_arrays import to_numpy, to_strict

from tinygan import Tensor, grad, ops
from tinygan import kernels as tgk
from tinygan.random import Stream
from tinygan.testing import FAMILIES, Choices

SEEDS = 6  # cases of each op, in the layouts that the table draws


def derivatives(case, place):
    """Return outputs, first and second derivatives, as NumPy arrays."""
    xs = [Tensor(place(a), requires_grad=a.dtype.kind == "f") for a in case.args]
    floats = [x for x in xs if x.requires_grad]
    ys = case.fn(*xs)
    stream = Stream(0, "cotangents")
    gs = [Tensor(place(stream.normal(y.shape, dtype=np.float64))) for y in ys]
    first = grad(ys, floats, gs, create_graph=True)
    total = sum(((g * g).sum() for g in first[1:]), start=(first[0] * first[0]).sum())
    second = grad(total, floats) if total.requires_grad else ()
    return [t.data for t in (*ys, *first, *second)]


@pytest.mark.parametrize("name", FAMILIES)
def test_derivatives_on_cupy_agree_with_numpy(name):
    for seed in range(SEEDS):
        case = FAMILIES[name].case(Choices.from_seed(seed))
        with tgk.use_backend("numpy"):
            expected = derivatives(case, np.asarray)
        with tgk.use_backend("cupy"):
            found = derivatives(case, to_strict)
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            assert type(a).__module__ == "strictcupy"
            np.testing.assert_allclose(to_numpy(a), b, rtol=1e-10, atol=1e-10)


def test_indexing_with_device_arrays():
    x = Tensor(to_strict(np.arange(12.0).reshape(4, 3)), requires_grad=True)
    rows = to_strict(np.array([2, 0, 2]))
    y = x[rows]
    g = grad((y * y).sum(), x)
    expected = np.zeros((4, 3))
    np.add.at(expected, [2, 0, 2], 2 * np.arange(12.0).reshape(4, 3)[[2, 0, 2]])
    np.testing.assert_array_equal(to_numpy(g.data), expected)


def test_indexing_device_arrays_with_lists():
    x = Tensor(to_strict(np.arange(12.0).reshape(4, 3)))
    for y in (x[[2, 0]], ops.take(x, [2, 0]), ops.gather(x, 0, [[2, 2, 2], [0, 0, 0]])):
        np.testing.assert_array_equal(to_numpy(y.data), [[6, 7, 8], [0, 1, 2]])
