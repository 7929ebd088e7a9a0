"""Tensor: construction, versions, dtypes, operators and methods under both spellings."""

import threading

import numpy as np
import pytest

from tinygan import Tensor, grad, no_grad, ops
from tinygan.errors import DtypeError, GraphError, ShapeError


def test_arrays_keep_their_dtype_and_python_floats_are_float32():
    assert Tensor(np.zeros(2)).dtype == np.float64
    assert Tensor([1.0, 2.0]).dtype == np.float32
    assert Tensor(np.float64(1.5)).dtype == np.float64
    assert Tensor([1, 2]).dtype == np.int64


def test_anything_else_is_refused():
    with pytest.raises(DtypeError, match="str"):
        Tensor("1")


@pytest.mark.parametrize("scalar", [2, 2.0, np.float64(2), np.float32(2), np.int64(2)])
def test_a_scalar_takes_the_dtype_of_the_tensor(scalar):
    x = Tensor(np.ones(3, np.float32))
    for y in (x * scalar, scalar * x, x + scalar, scalar - x, x / scalar, scalar / x, x**scalar):
        assert y.dtype == np.float32
        assert isinstance(y, Tensor)


def test_an_array_beside_a_tensor_makes_a_tensor():
    y = np.ones(3) * Tensor(np.full(3, 2.0))
    assert isinstance(y, Tensor)
    np.testing.assert_array_equal(y.data, [2.0, 2.0, 2.0])


def test_two_widths_meet_in_the_wider_and_cotangents_come_back_narrow():
    x = Tensor(np.ones(2, np.float32), requires_grad=True)
    y = x * Tensor(np.full(2, 3.0))
    assert y.dtype == np.float64
    g = grad(y.sum(), x)
    assert g.dtype == np.float32
    np.testing.assert_array_equal(g.data, [3.0, 3.0])


def test_integers_take_the_dtype_of_the_float_beside_them():
    assert (Tensor(np.ones(2, np.float32)) * Tensor(np.arange(2))).dtype == np.float32
    assert (Tensor([1, 2]) / Tensor([2, 2])).dtype == np.float32


def test_shapes_that_do_not_broadcast_are_named():
    with pytest.raises(ShapeError, match=r"multiply.*\(2, 3\).*\(2,\)"):
        Tensor(np.ones((2, 3))) * Tensor(np.ones(2))


def test_data_can_not_be_rebound():
    x = Tensor(np.ones(2))
    with pytest.raises(AttributeError):
        x.data = np.zeros(2)


def test_assign_checks_shape_and_dtype():
    x = Tensor(np.ones(2))
    with pytest.raises(ShapeError, match=r"\(2,\) got \(3,\)"):
        x.assign_(np.zeros(3))
    with pytest.raises(DtypeError, match="float64 got float32"):
        x.assign_(np.zeros(2, np.float32))


def test_a_saved_tensor_that_changed_is_caught():
    x, w = Tensor(np.array(2.0), requires_grad=True), Tensor(np.array(5.0), requires_grad=True)
    y = x * w
    w.assign_(np.array(10.0))
    with pytest.raises(GraphError, match=r"'multiply'.*changed since"):
        grad(y, x)


def test_a_saved_view_of_a_changed_tensor_is_caught():
    w = Tensor(np.ones((2, 3)), requires_grad=True)
    x = Tensor(np.ones((4, 3)), requires_grad=True)
    for view in (w.T, w.reshape(3, 2), w[::-1].T, w.detach().T):
        y = (x @ view).sum()
        w.assign_(w.data)  # as an optimizer that wrote in place does
        with pytest.raises(GraphError, match="matmul"):
            grad(y, x)


def test_a_changed_output_that_its_own_rule_reads_is_caught():
    x = Tensor(np.array(1.0), requires_grad=True)
    y = ops.exp(x)
    z = y + 1.0
    y.assign_(np.array(7.0))
    with pytest.raises(GraphError, match="'exp'"):
        grad(z, x)


def test_an_op_that_reads_shapes_alone_does_not_mind():
    x, b = Tensor(np.array(1.0), requires_grad=True), Tensor(np.array(1.0), requires_grad=True)
    y = x + b
    b.assign_(np.array(7.0))
    assert float(grad(y, x)) == 1.0


def test_torch_and_numpy_spellings_of_reductions_agree():
    x = Tensor(np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(x.sum(dim=1, keepdim=True).data, x.sum(1, True).data)
    np.testing.assert_array_equal(x.mean(axis=0).data, [1.5, 2.5, 3.5])
    np.testing.assert_allclose(x.var(dim=1).data, x.data.var(axis=1, ddof=1))
    assert float(x.max()) == 5.0
    np.testing.assert_array_equal(x.min(dim=0).data, [0.0, 1.0, 2.0])


def test_an_axis_out_of_range_is_named():
    with pytest.raises(ShapeError, match="axis 2 is out of range for 2 axes"):
        Tensor(np.ones((2, 3))).sum(axis=2)


def test_reshape_says_what_does_not_fit():
    with pytest.raises(ShapeError, match=r"\(2, 3\) has 6 entries"):
        Tensor(np.ones((2, 3))).reshape(4, -1)


def test_reshape_of_an_empty_tensor_works():
    assert Tensor(np.ones((0, 3))).reshape(0, 3, 1).shape == (0, 3, 1)


def test_numpy_sees_a_tensor_as_an_array_and_dlpack_shares_it():
    x = Tensor(np.arange(3.0))
    np.testing.assert_array_equal(np.asarray(x), [0.0, 1.0, 2.0])
    assert np.shares_memory(np.from_dlpack(x), x.data)


def test_tensors_are_hashable_by_identity():
    x, y = Tensor([1.0]), Tensor([1.0])
    assert len({x, y, x}) == 2


def test_float32_elementwise_steps_never_turn_float64():
    x = Tensor(np.linspace(0.1, 1, 5).astype(np.float32), requires_grad=True)
    for fn in (ops.exp, ops.log, ops.sqrt, ops.rsqrt, ops.tanh, ops.sigmoid, ops.softplus,
               ops.elu, ops.swish, ops.softmax, ops.logsumexp, ops.abs, ops.log1p,
               lambda t: ops.clip(t, 0.2, 0.5), lambda t: t**1.7, ops.var):  # fmt: skip
        y = fn(x)
        assert y.dtype == np.float32
        g = grad(y.sum(), x, create_graph=True)
        assert g.dtype == np.float32
        assert grad((g * g).sum(), x).dtype == np.float32


def test_channels_last_memory_survives_elementwise_ops():
    nhwc = np.random.default_rng(0).normal(size=(2, 4, 5, 3)).transpose(0, 3, 1, 2)
    nchw = np.ascontiguousarray(nhwc)
    x = Tensor(nhwc, requires_grad=True)
    for y in (x * 2.0, x + Tensor(nchw), Tensor(nchw) * x, ops.relu(x), ops.tanh(x), x.exp(),
              ops.where(x > 0, x, 0.0), ops.pad(x, [(0, 0), (0, 0), (1, 1), (1, 1)]),
              ops.concatenate([x, x], 1), ops.clip(x, -1, 1), ops.max_pool2d(x, 2),
              ops.upsample_nearest(x, 2), x + x.mean((0, 2, 3), keepdims=True)):  # fmt: skip
        assert y.data.transpose(0, 2, 3, 1).flags.c_contiguous
        g = grad((y * y).sum(), x)
        n, c, h, w = g.data.strides  # of a slice, in the case of pad
        assert c < w < h < n


def test_recording_is_per_thread():
    seen = []
    with no_grad():
        thread = threading.Thread(
            target=lambda: seen.append((Tensor([1.0], requires_grad=True) * 2.0).node)
        )
        thread.start()
        thread.join()
    assert seen[0] is not None


def test_axes_out_of_range_or_order_are_refused_by_flatten_and_transpose():
    x = Tensor(np.zeros((2, 3, 4)))
    with pytest.raises(ShapeError, match=r"flatten: axis 2 of \(2, 3, 4\) comes after axis 1"):
        ops.flatten(x, 2, 1)
    with pytest.raises(ShapeError, match="out of range"):
        ops.flatten(x, 3)
    with pytest.raises(ShapeError, match="no permutation"):
        ops.transpose(x, 3, 1, 2)
    with pytest.raises(ShapeError, match="no permutation"):
        ops.transpose(x, 0, 1, -4)


def test_negative_extents_are_refused_by_reshape():
    with pytest.raises(ShapeError, match=r"reshape: \(2, 12\)"):
        ops.reshape(Tensor(np.zeros((2, 12))), -2, -12)


def test_batches_and_conditions_that_do_not_broadcast_are_named():
    with pytest.raises(ShapeError, match=r"matmul of .* shapes \(2,\) and \(3,\) do not"):
        ops.matmul(Tensor(np.zeros((2, 3, 4))), Tensor(np.zeros((3, 4, 5))))
    with pytest.raises(ShapeError, match=r"where: shapes \(5,\), \(2, 3\) and \(\)"):
        ops.where(Tensor(np.ones(5, bool)), Tensor(np.zeros((2, 3))), 0.0)


@pytest.mark.parametrize("op", [ops.matmul, lambda a, b: ops.concatenate([a, b])])
def test_joined_and_multiplied_widths_meet_in_the_wider_and_come_back_narrow(op):
    narrow = Tensor(np.eye(2, dtype=np.float32), requires_grad=True)
    wide = Tensor(np.array([[1 / 3, 2], [3, 4]]), requires_grad=True)
    y = op(narrow, wide)
    assert y.dtype == np.float64
    np.testing.assert_array_equal(y.data[-2:], wide.data)  # nothing was rounded
    g, h = grad(y.sum(), [narrow, wide])
    assert (g.dtype, h.dtype) == (np.float32, np.float64)


def test_lists_are_indices_also_if_empty():
    x = Tensor(np.arange(6.0).reshape(2, 3))
    assert x[[]].shape == (0, 3)
    np.testing.assert_array_equal(x[:, [2, 0]].data, [[2, 0], [5, 3]])
    np.testing.assert_array_equal(x[[False, True]].data, [[3, 4, 5]])


@pytest.mark.parametrize("op", [ops.softmax, ops.log_softmax, ops.logsumexp])
def test_softmax_over_no_entries_is_refused(op):
    assert op(np.zeros((0, 2))).size == 0
    with pytest.raises(ShapeError, match=r"x \(2, 0\) has no element along axis 1"):
        op(np.zeros((2, 0)))
