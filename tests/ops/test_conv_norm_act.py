"""conv, norm, activation, dropout and embedding at the level users call them."""

import numpy as np
import pytest

from tinygan import Tensor, grad, ops
from tinygan.errors import DtypeError, OptionError, ShapeError
from tinygan.ops import activation
from tinygan.random import Stream

RNG = np.random.default_rng(0)


def test_transposed_convolution_is_the_adjoint_and_not_the_inverse():
    w = RNG.normal(size=(3, 2, 4, 4))  # erratum E14: it does not undo a convolution
    x = RNG.normal(size=(2, 2, 6, 6))
    y = ops.conv2d(x, w, stride=2, padding=1)
    g = RNG.normal(size=y.shape)
    back = ops.conv_transpose2d(g, w, stride=2, padding=1)
    assert float((y * g).sum()) == pytest.approx(float((back * x).sum()), rel=1e-12)
    assert not np.allclose(ops.conv_transpose2d(y, w, stride=2, padding=1).data, x)


def test_conv_adds_the_bias_to_each_channel():
    x, w = np.zeros((1, 2, 3, 3)), np.ones((4, 2, 1, 1))
    y = ops.conv2d(x, w, np.arange(4.0))
    np.testing.assert_array_equal(y.data[0, :, 1, 1], np.arange(4.0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ops.conv2d(np.ones((1, 3, 4, 4)), np.ones((2, 2, 3, 3))), r"\(1, 3, 4, 4\).*\(2,"),
        (lambda: ops.conv2d(np.ones((3, 4, 4)), np.ones((2, 3, 3, 3))), r"\(N, C, H, W\)"),
        (lambda: ops.conv2d(np.ones((1, 3, 2, 2)), np.ones((2, 3, 3, 3))), "spans 3 pixels"),
        (lambda: ops.conv_transpose2d(np.ones((1, 3, 2, 2)), np.ones((2, 3, 3, 3))), "x must be"),
    ],
)
def test_conv_names_shapes_that_do_not_fit(call, message):
    with pytest.raises(ShapeError, match=message):
        call()


def test_conv_refuses_mixed_dtypes_and_bad_options():
    x, w = np.ones((1, 3, 4, 4), np.float32), np.ones((2, 3, 3, 3))
    with pytest.raises(DtypeError, match="x float32, w float64"):
        ops.conv2d(x, w)
    with pytest.raises(OptionError, match="stride"):
        ops.conv2d(x, x, stride=0)
    with pytest.raises(OptionError, match="output_padding"):
        ops.conv_transpose2d(x, np.ones((3, 2, 3, 3), np.float32), stride=2, output_padding=2)


def test_batch_norm_normalises_each_channel():
    x = 3.0 + 2.0 * RNG.normal(size=(16, 3, 4, 4))
    y = ops.batch_norm(x, np.array([1.0, 2.0, 1.0]), np.array([0.0, 5.0, 0.0]), eps=1e-12)
    np.testing.assert_allclose(y.data.mean((0, 2, 3)), [0, 5, 0], atol=1e-12)
    np.testing.assert_allclose(y.data.std((0, 2, 3)), [1, 2, 1], rtol=1e-9)


def test_batch_norm_in_evaluation_uses_the_given_statistics():
    x = RNG.normal(size=(2, 3, 2, 2))
    mean, var = np.array([1.0, 2.0, 3.0]), np.array([4.0, 1.0, 0.25])
    y = ops.batch_norm_eval(x, mean, var, np.full(3, 2.0), np.full(3, 0.5), eps=0.0)
    expected = (x - mean.reshape(1, 3, 1, 1)) / np.sqrt(var).reshape(1, 3, 1, 1) * 2 + 0.5
    np.testing.assert_allclose(y.data, expected, rtol=1e-12)


def test_batch_norm_refuses_a_single_value_a_channel():
    with pytest.raises(ShapeError, match="fewer than two values"):
        ops.batch_norm(np.ones((1, 3)), np.ones(3), np.ones(3))


def test_power_iteration_finds_the_spectral_norm():
    w = RNG.normal(size=(6, 3, 2, 2))
    u, v = ops.power_iteration(w, RNG.normal(size=6), steps=200)
    largest = np.linalg.svd(w.reshape(6, -1), compute_uv=False)[0]
    normed = ops.spectral_norm(w, u, v)
    assert np.linalg.svd(normed.data.reshape(6, -1), compute_uv=False)[0] == pytest.approx(1.0)
    np.testing.assert_allclose(normed.data, w / largest, rtol=1e-9)


def test_the_gradient_through_a_spectral_norm_holds_u_and_v_fixed():
    # arXiv:1802.05957, eq. 12: (G - <G, W_sn> u v^T) / sigma
    w = RNG.normal(size=(4, 3))
    u, v = ops.power_iteration(w, RNG.normal(size=4), steps=300)
    t, g = Tensor(w, requires_grad=True), RNG.normal(size=(4, 3))
    got = grad(ops.spectral_norm(t, u, v), t, Tensor(g))
    sigma = u.data @ w @ v.data
    expected = (g - (g * w / sigma).sum() * np.outer(u.data, v.data)) / sigma
    np.testing.assert_allclose(got.data, expected, rtol=1e-9, atol=1e-12)


ACTS = {
    "relu": lambda x: np.maximum(x, 0),
    "elu": lambda x: np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "swish": lambda x: x / (1 + np.exp(-x)),
}


@pytest.mark.parametrize("name", ACTS)
def test_activations_follow_their_formula(name, backend):
    from tinygan import kernels

    x = RNG.normal(size=(3, 4)) * 3
    with kernels.use_backend(backend):
        np.testing.assert_allclose(getattr(ops, name)(x).data, ACTS[name](x), rtol=1e-9, atol=1e-12)


def test_bias_act_in_full():
    x, b = RNG.normal(size=(2, 3, 2, 2)), np.array([1.0, 0.0, -1.0])
    y = ops.bias_act(x, b, act="leaky_relu", alpha=0.1, gain=2.0, clamp=1.5)
    t = x + b.reshape(1, 3, 1, 1)
    np.testing.assert_allclose(y.data, np.clip(np.where(t > 0, t, 0.1 * t) * 2, -1.5, 1.5))


def test_bias_act_says_what_does_not_fit():
    with pytest.raises(OptionError, match="no activation 'gelu'"):
        ops.bias_act(np.ones(3), act="gelu")
    with pytest.raises(OptionError, match="'relu' with a slope"):
        ops.bias_act(np.ones(3), None, np.ones(3), act="relu")
    with pytest.raises(ShapeError, match=r"b \(2,\) does not fit x \(4, 3\)"):
        ops.bias_act(np.ones((4, 3)), np.ones(2))


def test_dropout_zeroes_the_share_asked_for_and_keeps_the_mean():
    x = np.ones(20_000)
    y = ops.dropout(x, 0.3, mask_stream=Stream(0, "dropout"))
    assert (y.data == 0).mean() == pytest.approx(0.3, abs=0.015)
    assert y.data.mean() == pytest.approx(1.0, abs=0.02)
    np.testing.assert_array_equal(ops.dropout(x, 0.0, mask_stream=Stream(0, "dropout")).data, x)
    with pytest.raises(OptionError, match="probability"):
        ops.dropout(x, 1.0, mask_stream=Stream(0, "dropout"))


def test_embedding_collects_cotangents_of_rows_looked_up_twice():
    w = Tensor(RNG.normal(size=(4, 2)), requires_grad=True)
    g = grad(ops.embedding(np.array([1, 3, 1]), w).sum(), w)
    np.testing.assert_array_equal(g.data, [[0, 0], [2, 2], [0, 0], [1, 1]])
    with pytest.raises(ShapeError, match="0 to 3"):
        ops.embedding(np.array([4]), w)
    with pytest.raises(DtypeError, match="integers"):
        ops.embedding(np.array([1.0]), w)


def test_reductions_and_softmaxes_do_not_overflow():
    x = np.array([[1000.0, 1000.0], [-1000.0, -np.inf]])
    np.testing.assert_allclose(ops.logsumexp(x, 1).data, [1000 + np.log(2), -1000])
    np.testing.assert_allclose(ops.softmax(x, 1).data, [[0.5, 0.5], [1.0, 0.0]])


@pytest.mark.parametrize("act", ["linear", "relu", "leaky_relu"])
@pytest.mark.parametrize("bias", [False, True])
def test_derivatives_of_piecewise_linear_activations_are_those_of_their_definition(act, bias):
    rng = np.random.default_rng(0)
    params = {"act": act, "alpha": 0.2, "gain": 1.5, "clamp": None}
    arrays = [rng.standard_normal((3, 4, 5, 2)), *[rng.standard_normal(4)] * bias]
    u, v = (rng.standard_normal(arrays[0].shape) for _ in range(2))

    def orders(fn):
        """Return y, its gradients, and those of a function of the gradients."""
        xs = [Tensor(a, requires_grad=True) for a in arrays]
        y = fn(*xs)
        first = grad((ops.tanh(y) * u).sum(), xs, create_graph=True)
        entangled = (ops.tanh(first[0]) * v).sum() + sum((g * g).sum() for g in first[1:])
        return [t.numpy() for t in (y, *first, *grad(entangled, xs))]

    definition = orders(lambda *xs: activation._composite(*xs, **params))
    for mine, theirs in zip(
        orders(lambda *xs: ops.bias_act(*xs, **params)), definition, strict=True
    ):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-12)
